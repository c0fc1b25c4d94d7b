"""Chunks stand where they were written, whatever index the file keeps of them, also where some were never written."""

import itertools
import struct

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.formats.hdf5.filters import fletcher32
from ckptread.operations.verify.verify import verify

DATASETS = 60


def random_dataset(rng, file, name):
    """Write some of the chunks of a dataset of random shape and limits; returns what it holds."""
    rank = int(rng.integers(1, 4))
    shape = tuple(int(dim) for dim in rng.integers(1, 9, rank))
    chunks = tuple(int(rng.integers(1, dim + 1)) for dim in shape)
    limits = tuple((dim, dim + int(rng.integers(1, 6)), None)[rng.integers(3)] for dim in shape)
    options = {"compression": (None, "gzip", "lzf")[rng.integers(3)], "shuffle": bool(rng.integers(2))}
    written = np.full(shape, 7, "i4")
    dataset = file.create_dataset(
        name, shape, "i4", chunks=chunks, maxshape=limits, fillvalue=7, fletcher32=bool(rng.integers(2)), **options
    )
    for corner in itertools.product(*(range(0, dim, step) for dim, step in zip(shape, chunks, strict=True))):
        if rng.random() < 0.6:
            part = tuple(slice(at, at + step) for at, step in zip(corner, chunks, strict=True))
            written[part] = rng.integers(-1000, 1000, written[part].shape)
            dataset[part] = written[part]
    return written


@pytest.mark.parametrize("version", [("earliest", "latest"), "v108", "v110", "latest"], ids=str)
def test_every_chunk_is_read_from_its_place(tmp_path, version):
    rng = np.random.default_rng(len(str(version)))
    path = tmp_path / "chunks.h5"
    with h5py.File(path, "w", libver=version) as file:
        expected = {f"d{number}": random_dataset(rng, file, f"d{number}") for number in range(DATASETS)}
    with ckptread.open(path) as reader:
        for key, values in expected.items():
            np.testing.assert_array_equal(reader.read(key), values, err_msg=key)
            np.testing.assert_array_equal(reader.read(key, slice(1, None)), values[1:], err_msg=key)


@pytest.mark.parametrize("limits", [(4, None), (9, None), (None, 6), (9, 9), (None, None)])
def test_an_index_of_the_newest_format_is_counted_through_rightly(tmp_path, limits):
    values = np.arange(24, dtype="i4").reshape(4, 6)
    path = tmp_path / "array.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("d", data=values, chunks=(2, 2), maxshape=limits)
        strings = file.create_dataset("s", (4, 6), h5py.string_dtype(), chunks=(2, 2), maxshape=limits, compression=4)
        strings[...] = values.astype(str)
    with ckptread.open(path) as reader:
        np.testing.assert_array_equal(reader.read("d"), values)
        assert reader.read("s").tolist() == values.astype("S").tolist()


def tree_keys(data, at):
    """Return where the keys of a leaf of a version 1 tree of chunks stand: 8 bytes, then an offset per dimension."""
    count = int.from_bytes(data[at + 6 : at + 8], "little")
    assert data[at : at + 6] == b"TREE\1\0"
    return [at + 24 + number * (8 + 8 * 3 + 8) for number in range(count)]


FAULTS = {
    "two at one place": (1, 1, 0),  # key, dimension, value
    "out of order": (1, 1, 6),
    "beyond an element's end": (2, 2, 16),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("kind", ["i4", h5py.string_dtype()], ids=["numbers", "strings"])
def test_an_index_that_contradicts_itself_gives_an_error_and_no_values(tmp_path, fault, kind, compression):
    """h5py reads fill values, or another chunk's, without a word."""
    path = tmp_path / "tree.h5"
    values = np.arange(1, 49).reshape(6, 8).astype("i4" if kind == "i4" else "S2")
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        dataset = file.create_dataset("d", (6, 8), kind, chunks=(2, 2), compression=compression)
        dataset[...] = values
    data = bytearray(path.read_bytes())
    key, dimension, value = FAULTS[fault]
    at = tree_keys(data, data.find(b"TREE\1\0"))[key] + 8 + 8 * dimension
    data[at : at + 8] = value.to_bytes(8, "little")
    path.write_bytes(data)
    with ckptread.open(path) as reader:
        with pytest.raises(ckptread.DamagedFileError, match="'d'"):
            reader.read("d")
        assert [finding.severity for finding in verify(reader).findings if finding.key == "d"] == ["error"]


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"fletcher32": True}], ids=str)
def test_an_lzf_chunk_that_ends_short_gives_an_error_and_no_old_memory(tmp_path, options):
    """h5py hands out what lay in memory before."""
    path = tmp_path / "lzf.h5"
    values = np.repeat(np.arange(64, dtype="i4"), 16).reshape(32, 32)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("d", data=values, chunks=(32, 32), compression="lzf", **options)
        mask, stored = dataset.id.read_direct_chunk((0, 0))
    assert mask == 0
    with ckptread.open(path) as reader:
        np.testing.assert_array_equal(reader.read("d"), values)
    body = stored[: len(stored) - 4] if "fletcher32" in options else stored
    short = lzf_cut(body)
    short += fletcher32(short).to_bytes(4, "little") if "fletcher32" in options else b""
    with h5py.File(path, "r+") as file:
        file["d"].id.write_direct_chunk((0, 0), short)
    with ckptread.open(path) as reader:
        with pytest.raises(ckptread.DamagedFileError, match=r"decodes to [0-9,]+ bytes, not to the 4,096 of a chunk"):
            reader.read("d")
        assert [finding.severity for finding in verify(reader).findings if finding.key == "d"] == ["error"]


def lzf_cut(data):
    """Return a stream of LibLZF without its last token."""
    at = last = 0
    while at < len(data):
        last = at
        at += data[at] + 2 if data[at] < 32 else 2 if data[at] < 224 else 3
    assert at == len(data)
    return data[:last]


def test_lzf_of_noise_and_of_runs_expands_to_its_size(tmp_path):
    rng = np.random.default_rng(4)
    path = tmp_path / "lzf.h5"
    arrays = [np.zeros((50, 70), "f8"), rng.integers(0, 4, (50, 70)).astype("f8"), rng.standard_normal((50, 70))]
    with h5py.File(path, "w") as file:
        for number, values in enumerate(arrays):
            file.create_dataset(str(number), data=values, chunks=(20, 30), compression="lzf")
    with ckptread.open(path) as reader:
        for number, values in enumerate(arrays):
            np.testing.assert_array_equal(reader.read(str(number)), values)


@pytest.mark.parametrize("compression", ["lzf", "gzip", None])
@pytest.mark.parametrize("kind", ["i4", h5py.string_dtype()], ids=["numbers", "strings"])
def test_a_chunk_that_no_filter_was_applied_to_and_is_too_short_gives_an_error(tmp_path, compression, kind):
    path = tmp_path / "short.h5"
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        dataset = file.create_dataset("d", (4, 4), kind, chunks=(2, 4), compression=compression)
        dataset[...] = np.arange(16).reshape(4, 4).astype("i4" if kind == "i4" else "S2")
        raw = dataset.id.read_direct_chunk((0, 0))[1]
        dataset.id.write_direct_chunk((0, 0), raw[:8], filter_mask=1)
    data = bytearray(path.read_bytes())
    first = tree_keys(data, data.find(b"TREE\1\0"))[0]
    data[first : first + 8] = struct.pack("<II", 8, 1 if compression else 0)  # its size, and the filters left out
    path.write_bytes(data)
    with ckptread.open(path) as reader, pytest.raises(ckptread.DamagedFileError, match="'d'"):
        reader.read("d")


@pytest.mark.parametrize("backend", ["auto", "h5py"])
def test_bytes_are_unshuffled_by_the_size_that_the_filter_states(tmp_path, backend):
    """It is not the type's where the writer's machine had another size in memory, as for lists of variable length."""
    path, values = tmp_path / "a.h5", np.arange(100, dtype="<f4")
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=values, chunks=(32,), shuffle=True, compression="gzip")
    data = path.read_bytes()
    assert data.count(b"shuffle\0" + struct.pack("<I", 4)) == 1
    path.write_bytes(data.replace(b"shuffle\0" + struct.pack("<I", 4), b"shuffle\0" + struct.pack("<I", 2)))
    with h5py.File(path) as file, ckptread.open(path, backend=backend) as reader:
        assert not np.array_equal(file["w"][()], values)
        assert np.array_equal(reader.read("w"), file["w"][()])
