"""What diff can be asked for, and what it says of it."""

import csv
import io
import json

import ml_dtypes
import numpy as np
import pytest
from cases import FIXTURES
from conftest import ARRAYS, write

from ckptread.change import FIGURES

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


def test_csv_and_markdown_have_every_figure(run, checkpoint, tmp_path):
    other = write(tmp_path / "o", {**ARRAYS, "head/kernel": ARRAYS["head/kernel"] * 2})
    (row,) = csv.DictReader(io.StringIO(run("diff", checkpoint, other, "--format", "csv").out))
    assert (row["name"], row["status"], float(row["max abs"]), float(row["cosine"])) == ("head/kernel", "changed", 2, 1)
    assert {name.replace("_", " ") for name in FIGURES} < set(row)
    head = run("diff", checkpoint, other, "--format", "markdown").out.splitlines()[0]
    assert all(name.replace("_", " ") in head for name in FIGURES)


def test_layers_have_one_row_each(run, checkpoint, tmp_path):
    other = write(tmp_path / "o", {name: values + np.asarray(1, values.dtype) for name, values in ARRAYS.items()})
    rows = run("diff", checkpoint, other, "--layers").out.split("\n\n")[0].splitlines()
    assert {line.split()[0]: line.split()[1:4] for line in rows[1:]} == {
        "dense": ["2", "2", "8"], "head": ["1", "1", "4"], "global_step": ["1", "1", "1"],
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
