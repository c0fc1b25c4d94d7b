"""Every fixture cut short and with bits flipped: an equal result, or a CheckpointError; nothing else, and in time."""

import os
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import CASES, Case, each

CUTS = 12
FLIPS = 40
HDF5_SHARE = 10
"""HDF5 files start a worker each time: a tenth of the places."""
SECONDS = 30
"""A deadline of the worker's, several times over: machines that run tests are busy."""


def contents(reader):
    """Everything a user can get: the listing, and every value that can be read."""
    found = {}
    for key, info in reader.tensors.items():
        try:
            blocks = ckptread.Tensor(reader, info).blocks()
            values = [repr(b.tolist()) if b.dtype.hasobject else b.tobytes() for b in blocks]
        except ckptread.CheckpointError:
            values = None
        found[key] = (info.shape, info.dtype, values)
    return found


def places(case: Case, size: int, count: int, seed: int):
    share = HDF5_SHARE if case.format in {"hdf5", "keras", "keras-shards"} else 1
    return np.random.default_rng(seed).integers(0, size, count // share).tolist()


def parts(folder: Path):
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "expected.json" and p.stat().st_size]


@pytest.fixture
def copy(tmp_path):
    def of(case: Case) -> tuple[str, Path]:
        folder = tmp_path / case.folder.name
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(case.folder, folder)
        return str(folder) + case.path.removeprefix(str(case.folder)), folder

    return of


def survives(path: str) -> None:
    """Open and read what is there: no other error than ours, and no hang."""
    started = time.monotonic()
    try:
        with ckptread.open(path) as reader:
            contents(reader)
    except ckptread.CheckpointError:
        pass  # any of ours will do; any other fails the test
    assert time.monotonic() - started < SECONDS


@each(CASES)
def test_a_file_cut_short_gives_an_error_of_ours_or_what_is_whole(case, copy):
    path, folder = copy(case)
    for number, part in enumerate(parts(folder)):
        whole = part.read_bytes()
        for cut in [0, *places(case, len(whole), CUTS, number)]:
            part.write_bytes(whole[:cut])
            survives(path)
        part.write_bytes(whole)


@each(CASES)
def test_a_flipped_bit_gives_an_error_of_ours_or_an_equal_result(case, copy):
    path, folder = copy(case)
    for number, part in enumerate(parts(folder)):
        whole = part.read_bytes()
        for bit in places(case, len(whole) * 8, FLIPS, number):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            part.write_bytes(flipped)
            survives(path)
        part.write_bytes(whole)


CHECKED = [case for case in CASES if case.format == "tf-bundle"]


@each(CHECKED)
def test_a_flipped_bit_of_a_tensorflow_checkpoint_never_changes_a_value(case, copy):
    """Everything in it has a checksum: what can be read after a flip is what was there before."""
    path, folder = copy(case)
    with ckptread.open(path) as reader:
        before = contents(reader)
    for part in [p for p in parts(folder) if p.name.startswith(os.path.basename(path) + ".")]:
        whole = part.read_bytes()
        for bit in np.random.default_rng(7).integers(0, len(whole) * 8, 60).tolist():
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            part.write_bytes(flipped)
            try:
                with ckptread.open(path) as reader:
                    after = contents(reader)
            except ckptread.CheckpointError:
                continue
            for key, (shape, dtype, values) in after.items():
                if values is not None:
                    assert (shape, dtype, values) == before[key], (part.name, bit, key)
        part.write_bytes(whole)


def test_a_file_replaced_while_it_is_open_gives_an_error(checkpoint, tmp_path):
    with ckptread.open(checkpoint) as reader:
        tensor = reader["dense/kernel"]
        np.asarray(tensor)
        data = tmp_path / "ckpt-7.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:10])
        with pytest.raises(ckptread.DamagedFileError):
            np.asarray(tensor)


def test_a_pipe_and_a_device_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "ck.index")
    (tmp_path / "zero.h5").symlink_to("/dev/zero")
    for path in (tmp_path / "ck.index", tmp_path / "ck", tmp_path / "zero.h5"):
        with pytest.raises(ckptread.UnsafeFileError, match="not a regular file"):
            ckptread.open(path)


def test_a_dataset_that_cannot_be_described_hides_no_other(tmp_path):
    path = tmp_path / "one.h5"
    with h5py.File(path, "w") as file:
        file["also"] = np.ones(3)
        file.create_dataset("bad", data=np.ones((64, 64), "f4"), chunks=(8, 8))
        file["good"] = np.arange(6.0)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"TREE\x01", b"XREE\x01"))  # the index of the chunks; that of the group is of kind 0
    with ckptread.open(path) as reader:
        assert {key for key, info in reader.tensors.items() if info.problem} == {"bad"}
        assert np.array_equal(reader["good"], np.arange(6.0))
        with pytest.raises(ckptread.CheckpointError, match="cannot be described"):
            np.asarray(reader["bad"])
