"""The files of a checkpoint are of one save, whatever happens while they are opened."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy

import ckptread
from ckptread.storage.local import LocalStorage
from tests.conftest import write

SHARDS = 4


def save_safetensors(folder, value):
    folder.mkdir()
    for number in range(SHARDS):
        safetensors.numpy.save_file({f"x{number}": np.full(3, value, "f4")}, folder / f"a-{number}.safetensors")
    weight_map = {f"x{number}": f"a-{number}.safetensors" for number in range(SHARDS)}
    (folder / "a.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return "a.safetensors.index.json"


def save_tensorflow(folder, value):
    folder.mkdir()
    write(folder / "ck", {"x": np.full(3, value, "f4"), "y": np.full(3, value, "f4")})
    return "ck"


@pytest.fixture(params=[save_safetensors, save_tensorflow])
def swapped(request, tmp_path, monkeypatch):
    """A checkpoint in a folder that a link leads to, and which is replaced at each of the first openings."""
    for number in range(8):
        name = request.param(tmp_path / f"f{number}", number)
    left = [1, 2, 3]

    def swap(file):
        os.symlink(file, tmp_path / "new")
        os.replace(tmp_path / "new", tmp_path / "current")

    opened, stamped = LocalStorage.open, LocalStorage.stamp

    def after(function):
        def run(self, name):
            found = function(self, name)
            if left and left[0] == 0:
                left.pop(0)
                swap(f"f{8 - len(left) - 1}")
            elif left:
                left[0] -= 1
            return found

        return run

    swap("f0")
    monkeypatch.setattr(LocalStorage, "open", after(opened))
    monkeypatch.setattr(LocalStorage, "stamp", after(stamped))
    return tmp_path / "current" / name


def test_a_folder_that_is_replaced_while_it_is_opened_is_read_as_one_save(swapped):
    with ckptread.open(swapped) as reader:
        values = {float(value) for tensor in reader.tensors for value in reader[tensor][:].ravel()}
    assert len(values) == 1


@pytest.mark.parametrize("save", [save_safetensors, save_tensorflow])
def test_a_file_that_is_always_replaced_is_refused(save, tmp_path, monkeypatch):
    path = tmp_path / "f" / save(tmp_path / "f", 1)
    stamp = LocalStorage.stamp
    monkeypatch.setattr(LocalStorage, "stamp", lambda self, name: stamp(self, name)._replace(version=(os.urandom(8),)))
    with pytest.raises(ckptread.DamagedFileError, match="changed while it was read"):
        ckptread.open(path)


def test_a_file_that_only_loses_its_name_is_unchanged(tmp_path):
    np.save(tmp_path / "w.npy", np.arange(9))
    np.save(tmp_path / "new.npy", np.zeros(9))
    with ckptread.open(tmp_path / "w.npy") as reader:
        os.replace(tmp_path / "new.npy", tmp_path / "w.npy")
        assert list(reader["w"][:]) == list(range(9))


def test_a_file_that_is_written_to_in_place_is_refused(tmp_path):
    np.save(tmp_path / "w.npy", np.arange(9))
    os.utime(tmp_path / "w.npy", (0, 0))
    with ckptread.open(tmp_path / "w.npy") as reader:
        with (tmp_path / "w.npy").open("r+b") as file:
            file.seek(128)
            file.write(bytes(8))
        os.utime(tmp_path / "w.npy", (0, 0))  # the time of the last change is put back
        with pytest.raises(ckptread.DamagedFileError, match="changed while it was read"):
            reader["w"][:]


def test_a_file_that_was_written_just_now_is_noted_where_it_has_no_checksums(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.arange(9))
    assert any("last two seconds" in finding.advice for finding in ckptread.verify(path).findings)
    assert any("last two seconds" in note for note in ckptread.digest(path).notes)
    os.utime(path, (0, 0))
    assert not any("last two seconds" in finding.advice for finding in ckptread.verify(path).findings)
    assert not any("last two seconds" in note for note in ckptread.digest(path).notes)
