"""diff, digest, check, history, verify and salvage as functions: paths or open readers in, results out."""

import json

import numpy as np
import pytest

import ckptread
from ckptread.reports.html import as_html
from ckptread.reports.json import as_json
from tests.conformance.cases import ROOT

CHECKPOINT = str(ROOT / "fixtures/tf-object/ckpt-1")
KEY = "sequential/dense/kernel"

VERBS = {
    "diff": lambda given, _folder, **options: ckptread.diff(given, CHECKPOINT, **options),
    "digest": lambda given, _folder, **options: ckptread.digest(given, **options),
    "check": lambda given, _folder, **options: ckptread.check(given, finite=True, **options),
    "history": lambda given, _folder, **options: ckptread.history([given], **options),
    "verify": lambda given, _folder, **options: ckptread.verify(given, **options),
    "salvage": lambda given, folder, **options: ckptread.salvage(given, folder, force=True, **options),
}
every_verb = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture
def differing(tmp_path):
    """Two files: of three tensors one has changed, and one is only in the first."""
    np.savez(tmp_path / "a.npz", same=np.arange(3.0), changed=np.zeros(4), gone=np.ones(2))
    np.savez(tmp_path / "b.npz", same=np.arange(3.0), changed=np.array([0.0, 0.0, 3.0, 4.0]))
    return str(tmp_path / "a.npz"), str(tmp_path / "b.npz")


@every_verb
def test_a_path_and_an_open_reader_give_the_same_result(verb, tmp_path):
    by_path = "".join(as_json(VERBS[verb](CHECKPOINT, tmp_path).report()))
    with ckptread.open(CHECKPOINT) as reader:
        by_reader = "".join(as_json(VERBS[verb](reader, tmp_path).report()))
        assert reader[KEY][()].shape == (4, 2)  # it is still open
    assert by_reader == by_path


@every_verb
def test_progress_ends_at_the_total(verb, tmp_path):
    calls = []
    VERBS[verb](CHECKPOINT, tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls
    assert all(0 < done <= total for done, total in calls)
    assert calls[-1][0] == calls[-1][1] or verb == "check"  # which cannot know which rules read what


@every_verb
def test_the_library_gives_what_the_command_prints(verb, tmp_path, run):
    arguments = {
        "diff": ["diff", CHECKPOINT, CHECKPOINT], "digest": ["digest", CHECKPOINT], "verify": ["verify", CHECKPOINT],
        "check": ["check", CHECKPOINT, "--finite"], "history": ["history", CHECKPOINT],
    }  # fmt: skip
    if verb == "salvage":
        found = VERBS[verb](CHECKPOINT, tmp_path)
        assert json.loads((tmp_path / "manifest.json").read_text())["path"] == CHECKPOINT
    else:
        found = VERBS[verb](CHECKPOINT, tmp_path)
        ran = run(*arguments[verb], "--format", "json")
        assert json.loads(ran.out) == json.loads("".join(as_json(found.report())))
        assert ran.code == found.exit_code


def test_a_difference_is_true_and_counts_itself(differing):
    found = ckptread.diff(*differing)
    assert found
    assert not ckptread.diff(differing[0], differing[0])
    assert repr(found) == f"<Difference of {differing[0]!r} and {differing[1]!r}: 2 of 3 tensors differ>"
    assert {entry.name: entry.status for entry in found.differences} == {"changed": "changed", "gone": "removed"}
    change = next(entry.change for entry in found.differences if entry.change)
    assert (change.changed, change.max_abs) == (2, 4.0)


def test_options_of_diff_are_those_of_the_command(differing, tmp_path):
    assert not ckptread.diff(*differing, "same")
    assert not ckptread.diff(*differing, "changed", atol=4)
    assert len(ckptread.diff(*differing, exclude="gone").differences) == 1
    assert ckptread.diff(*differing, count=1).stopped
    ckptread.diff(*differing, save_map=tmp_path / "map.json")
    assert {entry.by for entry in ckptread.diff(*differing, match=tmp_path / "map.json").tensors} == {"map", None}


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"rtol": -1}, "rtol"), ({"atol": float("nan")}, "atol"), ({"trainable": True, "frozen": True}, "trainable"),
     ({"match": "nosuch"}, "way of matching"), ({"save_map": "-"}, "save-map"), ({"role": "metric"}, "nothing")],
)  # fmt: skip
def test_what_diff_cannot_do_is_a_usage_error(differing, options, problem):
    with pytest.raises(ckptread.UsageError, match=problem):
        ckptread.diff(*differing, **options)


def test_a_check_is_true_where_all_rules_hold(differing):
    assert ckptread.check(CHECKPOINT, finite=True, dtype={"**/kernel": "float32"}, has=[KEY])
    failed = ckptread.check(differing[0], max_abs=1.0)
    assert not failed
    assert failed.exit_code == 1
    assert repr(failed) == "<CheckResult of 1 checkpoint: 1 of 1 checkpoint failed>"
    [outcome] = failed.checkpoints[0].outcomes
    assert [offender.name for offender in outcome.offenders] == ["same"]


def test_a_check_compares_with_the_checkpoint_before_also_of_readers(differing):
    readers = [ckptread.open(path) for path in differing]
    found = ckptread.check(readers, frozen="same", changed="changed")
    assert [len(entry.outcomes) for entry in found.checkpoints] == [0, 2]
    assert found.passed
    assert [reader["same"][()].tolist() for reader in readers] == [[0, 1, 2]] * 2
    for reader in readers:
        reader.close()


def test_a_checkpoint_that_cannot_be_opened_is_a_result(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4")
    path = str(tmp_path / "broken.npz")
    assert (ckptread.verify(path).verdict, bool(ckptread.verify(path))) == ("unreadable", False)
    assert ckptread.check(path, finite=True).exit_code == 2


def test_a_check_without_rules_is_a_usage_error():
    with pytest.raises(ckptread.UsageError, match="no rule"):
        ckptread.check(CHECKPOINT)
    with pytest.raises(ckptread.UsageError, match="two checkpoints"):
        ckptread.check(CHECKPOINT, frozen="**")


def test_a_listing_is_checked_by_path_or_as_bytes(differing, tmp_path):
    listing = "".join(f"{row[0]}  {row[1]}\n" for row in ckptread.digest(differing[0]).report().tables()[0].rows)
    (tmp_path / "listing").write_text(listing)
    assert ckptread.digest(differing[0], check=tmp_path / "listing").agrees
    changed = ckptread.digest(differing[1], check=listing.encode())
    assert {line.name: line.verdict for line in changed.checked}["gone"] == "missing"
    assert (changed.agrees, changed.exit_code) == (False, 1)


def test_history_follows_open_readers_in_the_order_of_their_numbers(tmp_path):
    for step, value in ((2, 3.0), (10, 6.0)):
        np.savez(tmp_path / f"ckpt-{step}.npz", w=np.full(4, value))
    readers = [ckptread.open(tmp_path / f"ckpt-{step}.npz") for step in (10, 2)]
    found = ckptread.history(readers, by="all", role="all")
    assert repr(found) == "<History of 2 checkpoints, 2 to 10>"
    assert [(step.step.number, step.groups[0].change) for step in found.steps] == [(2, None), (10, 1.0)]
    assert [reader["w"][0] for reader in readers] == [6.0, 3.0]
    with pytest.raises(ckptread.UsageError, match="nosuch"):
        ckptread.history(readers, pattern="nosuch", role="all")
    for reader in readers:
        reader.close()


def test_verification_and_salvage_are_true_where_nothing_is_wrong(tmp_path):
    assert repr(ckptread.verify(CHECKPOINT)) == f"<Verification of {CHECKPOINT!r}: ok, 0 findings>"
    assert ckptread.verify(CHECKPOINT)
    found = ckptread.salvage(CHECKPOINT, tmp_path)
    assert found
    assert repr(found) == f"<Salvage of {CHECKPOINT!r}: 17 saved, 0 lost>"
    saved = next(entry for entry in found.saved if entry.tensor.name == KEY)
    with ckptread.open(CHECKPOINT) as reader:
        assert np.array_equal(np.load(tmp_path / saved.file), reader[KEY][()])


@every_verb
def test_a_result_shows_as_html_without_what_a_file_could_inject(verb, tmp_path):
    np.savez(tmp_path / "step-1.npz", **{"<script>alert(1)": np.ones(3)})
    found = VERBS[verb](str(tmp_path / "step-1.npz"), tmp_path / "saved")
    for page in (found._repr_html_(), "".join(as_html(found.report()))):
        assert "<script" not in page
        assert "ckptread" in page


@pytest.mark.parametrize(
    ("verb", "rows"), [("diff", 18), ("digest", 3), ("check", 1), ("history", 3), ("verify", 0), ("salvage", 3)]
)
def test_a_result_turns_into_pandas(verb, rows, tmp_path, differing):
    pytest.importorskip("pandas")
    frame = VERBS[verb](differing[0], tmp_path / "saved").to_pandas()
    assert len(frame) == rows
    if verb == "digest":
        assert list(frame["key"]) == ["same", "changed", "gone"]
