"""What diff can be asked for, and what it says of it."""

import csv
import io
import json
import shutil

import ml_dtypes
import numpy as np
import pytest

from ckptread.values.difference import FIGURES
from tests.conformance.cases import FIXTURES
from tests.conftest import ARRAYS, difference_rows, write

MODEL = FIXTURES / "keras3" / "model.keras"


@pytest.fixture
def renamed(tmp_path):
    """The same values, of which one has another name, and one another order of axes."""
    arrays = {("body/kernel" if name == "head/kernel" else name): values for name, values in ARRAYS.items()}
    arrays["dense/kernel"] = np.ascontiguousarray(ARRAYS["dense/kernel"].T)
    return write(tmp_path / "renamed", arrays)


def entries(ran):
    return {entry["variable"]: entry for entry in json.loads(ran.out)["tensors"]}


def test_another_layout_is_a_difference_unless_matched_by_content(run, checkpoint, renamed):
    ran = run("diff", checkpoint, renamed)
    assert ran.code == 1
    assert ran.out.splitlines()[-1].endswith(": 1 transposed")
    assert run("diff", checkpoint, renamed, "--match", "content").code == 0
    assert run("diff", checkpoint, renamed, "--match", "key").code == 1
    found = entries(run("diff", checkpoint, renamed, "--match", "content", "--format", "json"))
    assert (found["head/kernel"]["b"], found["head/kernel"]["certainty"]) == ("body/kernel", "likely")
    assert (found["dense/kernel"]["status"], found["dense/kernel"]["axes"]) == ("transposed", [1, 0])
    assert not any(entry["differs"] for entry in found.values())


def test_two_names_compare_two_tensors(run, checkpoint, tmp_path):
    other = write(tmp_path / "o", {"a": ARRAYS["dense/kernel"] + np.float32(1), "b": ARRAYS["dense/kernel"]})
    found = run("diff", checkpoint, other, "dense/kernel", "a", "--format", "json")
    (entry,) = json.loads(found.out)["tensors"]
    assert (found.code, entry["status"], entry["max_abs"], entry["matched_by"]) == (1, "changed", 1.0, "given")
    same = run("diff", checkpoint, other, "dense/kernel", "b")
    assert (same.code, same.out.splitlines()[-1].startswith("same: 1 tensor")) == (0, True)
    assert run("diff", other, other, "a", "b").code == 1
    assert run("diff", other, other, "a", "a").code == 0
    assert "same: 2 tensors" in run("diff", other, other, "a", "b", "a*").out


def test_a_role_and_the_trainable_are_kept(run, tmp_path):
    everything, model = (len(entries(run("diff", MODEL, MODEL, *more, "--format", "json"))) for more in
                         ((), ("--role", "model")))  # fmt: skip
    trainable, frozen = (len(entries(run("diff", MODEL, MODEL, "--role", "model", flag, "--format", "json")))
                         for flag in ("--trainable", "--frozen"))  # fmt: skip
    assert 0 < frozen < trainable < model < everything
    assert trainable + frozen == model
    verdict = run("diff", MODEL, MODEL, "--role", "model", "--trainable", "--exclude", "**/bias").out.splitlines()[-1]
    assert verdict.endswith("; role model, trainable, without **/bias)")


def test_a_role_is_asked_of_the_file_that_tells_it(run, tmp_path):
    """An .npz tells no roles: all of its tensors count, and those of the model's file that have the role."""
    import ckptread

    with ckptread.open(str(MODEL)) as reader:
        arrays = {t.variable: reader[t.key][...] for t in reader.tensors.values() if t.role == "model"}
    np.savez(tmp_path / "plain.npz", **arrays, extra=np.ones((7, 9)))
    ran = run("diff", MODEL, tmp_path / "plain.npz", "--role", "model", "--match", "content")
    assert ran.out.splitlines()[-1].endswith(": 1 only in B")


def test_a_file_that_tells_no_roles_is_all_model(run, tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(3))
    np.savez(tmp_path / "b.npz", w=np.ones(3))
    files = tmp_path / "a.npz", tmp_path / "b.npz"
    for command in (["diff", *files], ["inspect", files[0]], ["digest", files[0]], ["check", files[0], "--no-nan"]):
        ran = run(*command, "--role", "model")
        assert (ran.code, "1 tensor" in ran.out or "  w" in ran.out) == (0, True), command
        assert "a.npz records no roles: all tensors count as the model's" in ran.err
    assert run("inspect", files[0], "--role", "optimizer").out.count("no tensor is of this kind") == 1
    assert run("check", files[0], "--no-nan", "--role", "optimizer").code == 1
    assert run("history", *files, "--role", "optimizer").code == run("diff", *files, "--role", "optimizer").code == 2


def test_where_nothing_is_compared_nothing_is_the_same(run, tmp_path):
    one, other = FIXTURES / "tf-object" / "ckpt-1", FIXTURES / "tf-object" / "ckpt-2"
    for options in (["--role", "metric"], ["--exclude", "**"]):
        ran = run("diff", one, other, *options)
        assert (ran.code, ran.out) == (2, "")
        assert "nothing was compared" in ran.err
    np.savez(tmp_path / "empty.npz")
    assert run("diff", tmp_path / "empty.npz", tmp_path / "empty.npz").code == 0


def test_what_no_file_calls_trainable_is_in_neither(run, tmp_path):
    """A TensorFlow checkpoint flags none of its 17 tensors; of a pair with a file that does, that one says."""
    import ckptread

    one, other = FIXTURES / "tf-object" / "ckpt-1", FIXTURES / "tf-object" / "ckpt-2"
    ran = run("diff", one, other, "--trainable")
    assert (ran.code, ran.out) == (2, "")
    assert "4 tensors are left out: the file does not record whether they are trainable" in ran.err
    with ckptread.open(str(MODEL)) as reader:
        frozen = [t for t in reader.tensors.values() if t.trainable is False]
        np.savez(tmp_path / "plain.npz", **{t.variable: reader[t.key][...] for t in frozen}, extra=np.ones((7, 9)))
    ran = run("diff", MODEL, tmp_path / "plain.npz", "--frozen", "--match", "content", "--format", "json")
    assert (ran.code, len(entries(ran))) == (0, len(frozen))


@pytest.mark.parametrize("lost", ["graph", "shard"])
def test_keys_pair_where_one_side_has_lost_its_object_graph(run, tmp_path, lost):
    """Its keys are paths of objects, and are not taken for names that contradict those of the other side."""
    whole = FIXTURES / "tf-object" / "ckpt-1"
    for file in whole.parent.glob("ckpt-1.*"):
        shutil.copy(file, tmp_path)
    data = tmp_path / "ckpt-1.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[400] ^= 0xFF  # in the object graph, which is stored from byte 340
    data.write_bytes(content)
    if lost == "shard":
        data.unlink()
    ran = run("diff", whole, tmp_path / "ckpt-1", "--format", "json")
    found = json.loads(ran.out)["tensors"]
    assert (ran.code, len(found), [e for e in found if e["status"] in ("added", "removed")]) == (2, 17, [])
    assert sum(entry["status"] == "same" for entry in found) == (16 if lost == "graph" else 0)
    assert len(entries(run("diff", whole, tmp_path / "ckpt-1", "--role", "model", "--format", "json"))) == 4
    kept = run("check", whole, tmp_path / "ckpt-1", "--frozen", "sequential")
    assert (kept.code, "is missing here" in kept.out) == (0 if lost == "graph" else 2, False)


def test_few_values_in_the_same_order_are_not_called_reordered(run, tmp_path, monkeypatch):
    """Names differ, and two equal values prove nothing: the two stand alone, without a remark."""
    monkeypatch.setenv("COLUMNS", "200")
    np.savez(tmp_path / "a.npz", first=np.float32([1, 2]), other=np.float32([7, 9]))
    np.savez(tmp_path / "b.npz", second=np.float32([1, 2]), last=np.float32([9, 7]))
    found = json.loads(run("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--format", "json").out)["tensors"]
    notes = {e["variable"]: (e["reason"] or "").partition("reordered ")[2].partition("?")[0] for e in found}
    assert notes == {"first": "", "other": "last", "second": "", "last": "other"}


def test_csv_has_every_figure(run, checkpoint, tmp_path):
    other = write(tmp_path / "o", {**ARRAYS, "head/kernel": ARRAYS["head/kernel"] * 2})
    (row,) = csv.DictReader(io.StringIO(run("diff", checkpoint, other, "--format", "csv").out))
    assert (row["name"], row["status"], float(row["max abs"]), float(row["cosine"])) == ("head/kernel", "changed", 2, 1)
    assert {name.replace("_", " ") for name in FIGURES} < set(row)


def test_layers_have_one_row_each(run, checkpoint, tmp_path):
    other = write(tmp_path / "o", {name: values + np.asarray(1, values.dtype) for name, values in ARRAYS.items()})
    rows = difference_rows(run("diff", checkpoint, other, "--layers", "--role", "all").out)
    assert {line.split()[1]: line.split()[-3:] for line in rows} == {
        "dense": ["2", "of", "2"], "head": ["1", "of", "1"], "global_step": ["1", "of", "1"],
    }  # fmt: skip


def test_values_of_another_dtype_are_compared(run, tmp_path):
    values = np.float32([0.5, -1.0, 2.0])
    one = write(tmp_path / "a", {"w": values})
    other = write(tmp_path / "b", {"w": values.astype(ml_dtypes.bfloat16)})
    ran = run("diff", one, other)
    assert (ran.code, "float32 -> bfloat16, equal values" in ran.out) == (1, True)
    assert run("diff", one, other, "--ignore-dtype").code == 0
    assert run("diff", one, other, "--match", "content", "--ignore-dtype").code == 0


def test_zeros_of_two_signs_are_no_difference_and_told(run, tmp_path):
    one, other = (write(tmp_path / name, {"w": np.float32([zero, 1])}) for name, zero in (("a", 0.0), ("b", -0.0)))
    ran = run("diff", one, other)
    assert (ran.code, "1 zeros changed sign" in ran.out) == (0, True)


def test_a_mapping_is_saved_once_and_read_back(run, checkpoint, renamed, tmp_path):
    file = tmp_path / "map.json"
    assert run("diff", checkpoint, renamed, "--match", "content", "--save-map", file).code == 0
    assert run("diff", checkpoint, renamed, "--match", file).code == 0
    again = run("diff", checkpoint, renamed, "--match", "content", "--save-map", file)
    assert (again.code, "--force" in again.err) == (2, True)
    assert run("diff", checkpoint, renamed, "--match", "content", "--save-map", file, "--force").code == 0
    assert run("diff", checkpoint, renamed, "--match", tmp_path / "none.json").code == 2
