"""How far tensors moved agrees with numpy on whole arrays, by tensor, layer and path; rows say it in plain words."""

import json
import math

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES
from tests.conftest import difference_rows

BEFORE = {
    "body/a/kernel": np.arange(12, dtype="f4").reshape(3, 4) + 1,
    "body/a/bias": np.zeros(4, "f4"),
    "body/b/kernel": np.full((2, 2), 3.0),
    "body/still/kernel": np.full(5, 7.0, "f4"),
    "head/kernel": np.ones((2, 5), "f4"),
    "head/count": np.arange(3),
    "gone/kernel": np.ones(2),
}
AFTER = {
    **{name: values for name, values in BEFORE.items() if name != "gone/kernel"},
    "body/a/kernel": BEFORE["body/a/kernel"] * np.float32(1.01),
    "body/a/bias": np.full(4, 0.5, "f4"),
    "head/kernel": BEFORE["head/kernel"] + np.float32(0.25),
    "new/kernel": np.ones(3),
}


@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "a.npz", **BEFORE)
    np.savez(tmp_path / "b.npz", **AFTER)
    return tmp_path / "a.npz", tmp_path / "b.npz"


def norms(*names):
    """The norm of the difference, and that of what was before, of several arrays as one."""
    one, other = (np.concatenate([side[name].reshape(-1) for name in names]) for side in (BEFORE, AFTER))
    return np.linalg.norm(other.astype("f8") - one), np.linalg.norm(one.astype("f8"))


def expected(prefix):
    """Of all that is on both sides below a path, unchanged or not."""
    return norms(*(name for name in BEFORE if name in AFTER and name.startswith(prefix)))


@pytest.mark.parametrize(("options", "names"), [
    (["--layers"], ["body/a", "head"]), (["--depth", "1"], ["body", "head"]), (["--depth", "2"], ["body/a"]),
])  # fmt: skip
def test_layers_and_paths_are_taken_together_by_norm(run, files, options, names):
    found = json.loads(run("diff", *files, *options, "--format", "json").out)
    layers = {layer["name"]: layer for layer in found["layers"]}
    for name in names:
        distance, norm = expected(name + "/")
        assert layers[name]["distance"] == pytest.approx(distance, rel=1e-12)
        assert layers[name]["norm"] == pytest.approx(norm, rel=1e-12)
        assert layers[name]["moved"] == pytest.approx(distance / norm, rel=1e-12)
    assert "body/still" not in layers
    assert len(found["tensors"]) == 8  # as without --layers


def test_the_overall_line_is_of_the_tensors_that_changed(run, files):
    found = json.loads(run("diff", *files, "--format", "json").out)["overall"]
    distance, norm = norms("body/a/kernel", "body/a/bias", "head/kernel")
    assert (found["differ"], found["distance"], found["norm"]) == (3, pytest.approx(distance), pytest.approx(norm))
    out = run("diff", *files).out
    assert f"3 of 6 tensors changed; they moved {100 * distance / norm:.2g} % in norm" in out


def test_rows_have_the_largest_relative_change_first_and_call_zeros_zeros(run, files):
    out = run("diff", *files).out
    rows = difference_rows(out)
    assert [row.split()[:2] for row in rows] == [
        ["~", "head/kernel"], ["~", "body/a/kernel"], ["~", "body/a/bias"], ["-", "gone/kernel"], ["+", "new/kernel"],
    ]  # fmt: skip
    assert ["25 %" in rows[0], "1.0 %" in rows[1], "from zero" in rows[2], "inf" in out] == [True, True, True, False]


def test_the_heading_names_both_sides_with_format_and_writer(run, files):
    other = FIXTURES / "keras3" / "model.keras"
    lines = run("diff", files[0], other).out.splitlines()
    assert lines[0].split() == ["---", str(files[0]), "npz"]
    assert lines[1].split()[:3] == ["+++", str(other), "keras,"]
    document = json.loads(run("diff", files[0], other, "--format", "json").out)
    assert (document["format_b"], document["writer_b"]) == ("keras", lines[1].split("keras, ")[1])


def test_a_spoiled_layer_is_first(run, tmp_path):
    np.savez(tmp_path / "a.npz", **{"x/w": np.ones(2), "y/w": np.ones(2), "z/w": np.ones(2)})
    np.savez(tmp_path / "b.npz", **{"x/w": np.ones(2) * 9, "y/w": np.array([1, np.nan]), "z/w": np.array([np.inf, 1])})
    for option in ([], ["--layers"], ["--depth", "1"]):
        rows = difference_rows(run("diff", tmp_path / "a.npz", tmp_path / "b.npz", *option).out)
        assert [row.split()[1][0] for row in rows][2] == "x"
        assert {row.split()[1][0]: row.split()[2:4] for row in rows[:2]} == {"y": ["new", "NaN"], "z": ["new", "Inf"]}


def test_the_optimizer_is_counted_in_a_line_unless_it_is_asked_for(run):
    one, other = FIXTURES / "tf-object" / "ckpt-1", FIXTURES / "tf-object" / "ckpt-2"
    out = run("diff", one, other).out
    with ckptread.open(one) as reader:
        slots = [info for info in reader.tensors.values() if info.role == "optimizer"]
    assert not any(info.name in out for info in slots)
    assert "(--role optimizer)" in out
    assert all(info.name in run("diff", one, other, "--role", "all").out for info in slots if info.shape)
    assert len(json.loads(run("diff", one, other, "--format", "json").out)["tensors"]) > len(slots)


def test_markdown_is_for_a_pull_request(run, tmp_path):
    """The verdict, the layers and the twenty largest differences; the others are folded, and the page has an end."""
    a = {f"layer_{n}/w": np.ones(3, "f4") for n in range(400)}
    np.savez(tmp_path / "a.npz", **a)
    np.savez(tmp_path / "b.npz", **{name: values * (1 + n / 1000) for n, (name, values) in enumerate(a.items(), 1)})
    lines = run("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--format", "markdown").out.splitlines()
    assert lines[0].startswith("`different: 400 of 400 tensors")
    assert sum(line.startswith("| `~ layer_") for line in lines) == 2 * (20 + 300)
    assert [line for line in lines if "summary" in line] == [
        "<details><summary>380 more layers</summary>", "<details><summary>380 more tensors</summary>",
    ]  # fmt: skip
    assert lines.count("</details>") == 2
    first = lines.index("<details><summary>380 more layers</summary>")
    assert lines[first + 1] == ""  # else GitHub shows no table in it
    assert len("\n".join(lines)) < 65_536  # GitHub's limit for a comment


def test_a_difference_that_overflows_is_no_movement_from_zero(run, tmp_path):
    np.savez(tmp_path / "a.npz", w=np.array([1e200]))
    np.savez(tmp_path / "b.npz", w=np.array([-1e200]))
    assert "from zero" not in run("diff", tmp_path / "a.npz", tmp_path / "b.npz").out
    assert math.isinf(ckptread.diff(tmp_path / "a.npz", tmp_path / "b.npz").tensors[0].change.distance)
