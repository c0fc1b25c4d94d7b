"""``ckptread ls``: a row per checkpoint, by what its index says."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import ckptread
from tests.conftest import write

FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_a_folder_has_a_row_per_checkpoint(run):
    rows = list(csv.DictReader(io.StringIO(run("ls", FIXTURES / "keras3", "--format", "csv").out)))
    assert [(Path(row["file"]).name, row["format"], row["parameters"]) for row in rows] == [
        ("legacy.h5", "hdf5", "118"), ("model.keras", "keras", "118"), ("model.weights.h5", "hdf5", "118"),
    ]  # fmt: skip
    assert [int(row["bytes"]) for row in rows] == [os.path.getsize(row["file"]) for row in rows]
    assert rows[1]["writer"] == "Keras 3.15.1"
    assert rows[1]["date"] == "2026-11-24 03:48"


def test_steps_are_those_the_optimizer_counts_else_those_of_the_names(tmp_path):
    """fixtures/make wrote steps 10 and 20 into the variable ``step`` of the two."""
    assert [found.step for found in ckptread.ls(FIXTURES / "tf-object")] == [10, 20]
    for name in ("ckpt-500", "ckpt-1000"):
        write(tmp_path / name, {"w": np.ones(2, "float32")})
    np.savez(tmp_path / "resnet50.npz", w=np.ones(3))
    steps = {Path(found.path).name: found.step for found in ckptread.ls(tmp_path)}
    assert steps == {"ckpt-500": 500, "ckpt-1000": 1000, "resnet50.npz": None}
    assert list(steps)[:2] == ["ckpt-500", "ckpt-1000"]


def test_bytes_are_those_of_all_files(tmp_path):
    folder = shutil.copytree(FIXTURES / "tf-shards", tmp_path / "shards")
    [found] = ckptread.ls(folder)
    sizes = [path.stat().st_size for path in folder.iterdir() if path.name.startswith(Path(found.path).name + ".")]
    assert found.nbytes == sum(sizes)


def test_one_that_cannot_be_opened_has_a_row_that_says_why(run, tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(3))
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:90])
    ran = run("ls", tmp_path, "--format", "json")
    one, other = json.loads(ran.out)["checkpoints"]
    assert (ran.code, one["parameters"], one["problem"]) == (2, 3, None)
    assert (other["format"], other["parameters"]) == (None, None)
    assert other["problem"]


def test_the_current_folder_is_listed_by_default(run, tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", w=np.ones(3))
    monkeypatch.chdir(tmp_path)
    assert run("ls").out.splitlines()[1].split()[:2] == ["a.npz", "npz"]


@pytest.mark.parametrize("columns", ["80", "40"])
def test_no_file_is_cut(run, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    out = run("ls", FIXTURES / "tf-object").out
    assert [line.split()[0] for line in out.splitlines() if "ckpt-" in line] == [
        str(FIXTURES / "tf-object" / name) for name in ("ckpt-1", "ckpt-2")
    ]


def test_verify_and_check_take_a_folder_of_checkpoints(run, tmp_path):
    for name in ("ckpt-10", "ckpt-9"):
        write(tmp_path / name, {"w": np.ones(2, "float32")})
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    verified = json.loads(run("verify", tmp_path, "--json").out)["checkpoints"]
    assert [Path(each["path"]).name for each in verified] == ["ckpt-9", "ckpt-10"]
    checked = run("check", tmp_path, "--no-nan", "--frozen", "w")
    assert (checked.code, checked.out.count("pass")) == (0, 3 + 1)


def test_a_folder_that_is_one_checkpoint_or_has_none_stays_what_it_is(run, tmp_path):
    assert ckptread.find_checkpoints(FIXTURES / "saved-model-keras") == [str(FIXTURES / "saved-model-keras")]
    assert ckptread.find_checkpoints(tmp_path, "none.h5") == [str(tmp_path), "none.h5"]
    assert run("verify", tmp_path).code == 2
