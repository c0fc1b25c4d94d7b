"""Other schemes, through fsspec."""

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    filesystem = fsspec.filesystem("memory")
    filesystem.put(str(FIXTURES / "keras3"), "/models/keras3", recursive=True)
    yield filesystem
    filesystem.rm("/models", recursive=True)


def test_a_file_of_another_file_system_is_the_file_on_the_disk(memory):
    assert ckptread.diff("memory://models/keras3/model.keras", FIXTURES / "keras3" / "model.keras").same


def test_a_folder_of_another_file_system_is_listed(memory, run):
    ran = run("inspect", "memory://models/keras3/modle.keras")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "memory://models/keras3/model.keras" in ran.err


def test_a_file_that_changes_is_never_a_mixture(memory, tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(100_000))
    memory.put(str(tmp_path / "w.npy"), "/models/w.npy")
    with ckptread.open("memory://models/w.npy") as reader:
        np.save(tmp_path / "w.npy", np.ones(100_000))
        memory.put(str(tmp_path / "w.npy"), "/models/w.npy")
        with pytest.raises(ckptread.DamagedFileError, match="it changed while it was read"):
            reader["w"][...]


def test_a_server_that_ignores_ranges_is_found_out(memory, monkeypatch, tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(100_000))
    memory.put(str(tmp_path / "w.npy"), "/models/w.npy")
    whole = type(memory).cat_file
    monkeypatch.setattr(type(memory), "cat_file", lambda self, path, start=None, end=None: whole(self, path))
    with pytest.raises(ckptread.CheckpointError, match="were asked for"):
        ckptread.open("memory://models/w.npy")
