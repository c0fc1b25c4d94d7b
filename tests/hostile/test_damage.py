"""Every fixture truncated and with flipped bits: a CheckpointError or the same values; nothing else, and in time."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.operations.verify.verify import verify
from ckptread.testing import damage
from ckptread.testing.damage import assert_equal_where_read, changed, contents, flipped
from tests.conformance.cases import CASES, Case, all_but_one, each

CUTS = 12
FLIPS = 40
WITH_CHECKSUMS = {"tf-bundle", "tf-v1", "saved-model", "npz"}
"""Formats in which a checksum covers every value, and every key, shape and dtype."""


def parts(path: str) -> list[Path]:
    """The files that a checkpoint is made of, and those next to it that are read for its names."""
    if os.path.isfile(path) and not path.endswith(".json"):
        return [Path(path)]
    folder, start = (path, "") if os.path.isdir(path) else (os.path.dirname(path), os.path.basename(path).split(".")[0])
    found = [p for p in sorted(Path(folder).rglob("*")) if p.name.startswith(start.partition("?")[0])]
    return [p for p in found if p.is_file() and p.name != "expected.json" and p.stat().st_size]


def places(files: list[Path], count: int, scale: int = 1):
    """Yield files with places in them, in bytes times ``scale``: ``count`` of each."""
    random = np.random.default_rng(count)
    for file in files:
        for place in random.integers(0, file.stat().st_size * scale, count).tolist():
            yield file, place


@pytest.fixture
def copy(tmp_path):
    def of(case: Case) -> str:
        shutil.copytree(case.folder, tmp_path / case.folder.name)
        return str(tmp_path / case.folder.name) + case.path.removeprefix(str(case.folder))

    return of


def read_again(path: str):
    """What is there, or None where an error of ours says why not: no other error, and no hang."""
    return damage.read_again(lambda: ckptread.open(path))


VIEWS = {"pytorch", "pytorch-legacy"}
"""Formats in which a tensor without a place of its own may have the bytes of others, in another order."""


def holders(infos, file: Path, place: int):
    """The tensors whose values have this byte of a file."""
    extents = {key: info.extent for key, info in infos.items() if info.extent is not None}
    return {
        key
        for key, extent in extents.items()
        if os.path.samefile(extent.file, file) and 0 <= place - extent.offset < extent.nbytes
    }


@each(CASES, slow=all_but_one)
def test_a_truncated_file_gives_an_error_of_ours_or_the_values_that_were_there(case, copy):
    path = copy(case)
    files, before = parts(path), read_again(path)
    for file, cut in [*((file, 0) for file in files), *places(files, CUTS)]:
        with changed(file, file.read_bytes()[:cut]):
            assert_equal_where_read(before, read_again(path), (file.name, cut))


@each(CASES, slow=lambda case: all_but_one(case) or case.format == "keras-shards")
def test_a_flipped_bit_changes_at_most_the_tensor_that_holds_it(case, copy):
    """A bit outside the values may change what the file says of them, where no checksum covers it."""
    path = copy(case)
    with ckptread.open(path) as reader:
        infos, before = dict(reader.tensors), contents(reader)
    for file, bit in places(parts(path), FLIPS, scale=8):
        with changed(file, flipped(file, bit)):
            after, holding = read_again(path), holders(infos, file, bit // 8)
        if holding and case.format in VIEWS:
            holding |= {key for key, info in infos.items() if info.extent is None}
        if after and holding:
            assert {key: found[:2] for key, found in after.items()} == {key: found[:2] for key, found in before.items()}
            assert_equal_where_read(before, {key: after[key] for key in after.keys() - holding}, (file.name, bit))


@each([case for case in CASES if case.format in WITH_CHECKSUMS and not case.path.endswith(".npy")], slow=all_but_one)
@pytest.mark.slow
def test_a_flipped_bit_gives_an_error_of_ours_or_an_equal_result_where_there_are_checksums(case, copy):
    path = copy(case)
    before = read_again(path)
    for file, bit in places(parts(path), 60, scale=8):
        with changed(file, flipped(file, bit)):
            assert_equal_where_read(before, read_again(path), (file.name, bit))


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
        assert np.array_equal(reader["good"], np.arange(6.0))
        with pytest.raises(ckptread.DamagedFileError, match="no tree of chunks"):
            np.asarray(reader["bad"])
        assert {finding.key for finding in verify(reader).findings if finding.severity == "error"} == {"bad"}
