"""inspect --stats: figures of every tensor, in every layout; what cannot be read is said in its row."""

import csv
import io
import json

import h5py
import numpy as np
import pytest

from tests.conformance.cases import CASES, FIXTURES, SHARED, needs_shared
from tests.conftest import write

WEIGHTS = FIXTURES / "keras3" / "model.weights.h5"


def test_every_figure_agrees_with_numpy(run):
    ran = run("inspect", WEIGHTS, "--stats", "--format", "json")
    assert ran.code == 0
    tensors = json.loads(ran.out)["tensors"]
    with h5py.File(WEIGHTS) as file:
        for tensor in tensors:
            values = file[tensor["key"]][()].astype("float64")
            found = tensor["statistics"]
            assert found["count"] == values.size
            assert (found["min"], found["max"]) == (values.min(), values.max())
            assert found["mean"] == pytest.approx(values.mean())
            assert found["std"] == pytest.approx(values.std(), rel=1e-9, abs=1e-9)
            assert found["l2"] == pytest.approx(np.linalg.norm(values))
            assert (found["zeros"], found["nan"], found["inf"]) == (np.sum(values == 0), 0, 0)
    assert len(tensors) == 42


def test_a_table_has_a_column_of_nan_only_where_there_is_one(run, tmp_path):
    path = write(tmp_path / "a", {"x": np.array([1, np.nan, -np.inf, 0], "float32"), "y": np.zeros(3, "int64")})
    ran = run("inspect", path, "--stats")
    assert ran.out.splitlines()[4].split() == [
        "name", "dtype", "shape", "min", "max", "mean", "std", "L2", "zeros", "NaN", "Inf"
    ]  # fmt: skip
    assert ran.out.splitlines()[5].split() == ["x", "float32", "(4,)", "-inf", "1", "0.5", "0.5", "1", "1", "1", "1"]
    assert ran.out.splitlines()[-1] == "NaN in 1 tensor, Inf in 1 tensor"
    sound = run("inspect", path, "y", "--stats").out.splitlines()
    assert "NaN" not in sound[4]
    assert sound[-1] == "no NaN and no Inf in 1 tensor"


def test_the_figures_fit_into_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setattr("ckptread.cli.render.terminal_width", lambda: 80)
    narrow = run("inspect", WEIGHTS, "--stats").out.splitlines()[5:-5]
    assert narrow[0].split()[-6:] == ["min", "max", "mean", "std", "L2", "zeros"]
    assert max(map(len, narrow)) <= 80
    monkeypatch.setattr("ckptread.cli.render.terminal_width", lambda: 110)
    assert run("inspect", WEIGHTS, "--stats").out.splitlines()[5].split()[:3] == ["name", "shape", "min"]


def test_csv_has_every_column_and_every_digit(run, tmp_path):
    path = write(tmp_path / "a", {"x": np.array([0.1, 0.2], "float32"), "big": np.array([2**63 - 1], "int64")})
    rows = list(csv.DictReader(io.StringIO(run("inspect", path, "--stats", "--format", "csv").out)))
    assert list(rows[0]) == [
        "name",
        "dtype",
        "shape",
        "min",
        "max",
        "mean",
        "std",
        "L2",
        "zeros",
        "NaN",
        "Inf",
        "problem",
    ]
    assert rows[0]["max"] == str(2**63 - 1)
    assert float(rows[1]["min"]) == float(np.float32(0.1))


def test_a_second_name_has_the_figures_of_the_first(run):
    case = next(case for case in CASES if case.name == "saved-model-keras/.")
    tensors = json.loads(run("inspect", case.path, "--stats", "--format", "json").out)["tensors"]
    by_key = {tensor["key"]: tensor for tensor in tensors}
    aliases = [tensor for tensor in tensors if tensor["copy_of"] is not None]
    assert aliases
    assert all(tensor["statistics"] == by_key[tensor["copy_of"]]["statistics"] for tensor in aliases)


def test_a_damaged_tensor_is_said_in_its_row_and_hides_no_other(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    path = write(tmp_path / "a", {"x": np.ones(4, "float32"), "y": np.ones(4, "float32")})
    data = tmp_path / "a.data-00000-of-00001"
    data.write_bytes(b"\xff" + data.read_bytes()[1:])
    ran = run("inspect", path, "--stats")
    assert ran.code == 2
    damaged, sound = ran.out.splitlines()[6:8]
    assert "do not have the checksum that the file states" in damaged
    assert sound.split() == ["y", "(4,)", "1", "1", "1", "0", "2", "0"]
    assert ran.out.splitlines()[-1] == "no NaN and no Inf in 1 tensor; 1 tensor could not be read"
    rows = json.loads(run("inspect", path, "--stats", "--format", "json").out)["tensors"]
    assert [row["statistics"] is None for row in rows] == [True, False]
    assert "checksum" in rows[0]["problem"]


@needs_shared
def test_where_the_data_are_missing_every_row_says_so(run):
    ran = run("inspect", SHARED / "tf1-mtf-t5-missing-shard" / "model.ckpt-0", "--stats", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert (ran.code, len(rows)) == (2, 105)
    assert sum("is missing" in row["problem"] for row in rows) == 104


@pytest.mark.parametrize("option", ["--tree", "--layers", "--model", "--depth=1"])
def test_what_does_not_go_together_is_refused(run, option):
    ran = run("inspect", WEIGHTS, "--stats", option)
    assert (ran.code, ran.out) == (2, "")
    assert "--stats" in ran.err
