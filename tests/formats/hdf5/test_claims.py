"""What a dataset's description claims of its bytes is compared with its type and shape before anything is read."""

import struct
import tracemalloc

import h5py
import numpy as np
import pytest

import ckptread
from tests.fuzz.hdf5_anatomy import lookup3


def patched(path, old, new):
    """Replace the only place of some bytes in a file."""
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def problem_of(path, key):
    with ckptread.open(path) as reader:
        assert reader.tensors.keys() >= {key}
        with pytest.raises(ckptread.CheckpointError):
            reader.read(key)
        return reader.tensors[key].problem


def test_contiguous_bytes_of_which_none_are_stored_are_not_taken_for_unwritten_ones(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.arange(20, dtype="<i4"), fillvalue=7)
        offset = file["w"].id.get_offset()
    patched(path, struct.pack("<QQ", offset, 80), struct.pack("<QQ", offset, 0))
    assert problem_of(path, "w") == "it has 80 bytes, of which 0 are stored"


@pytest.mark.parametrize("nbytes", [2, 5])
@pytest.mark.parametrize("chunks", [None, (2,)])
def test_a_fill_value_that_is_not_of_the_elements_size_is_refused(nbytes, chunks, tmp_path):
    """libhdf5 reads old heap memory behind a fill value that is too short."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (3,), "<u4", chunks=chunks, fillvalue=0x01020304)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<II", 4, 0x01020304), struct.pack("<II", nbytes, 0x01020304)))
    assert problem_of(path, "w") == f"its fill value has {nbytes} bytes, but its elements have 4"


@pytest.mark.parametrize("backend", ["native", "h5py"])
@pytest.mark.parametrize(("stated", "nbytes"), [("bfloat16", 1), ("float8_e5m2", 2)])
def test_opaque_bytes_that_are_not_of_the_stated_types_size_stay_bytes(stated, nbytes, backend, tmp_path):
    values = np.frombuffer(bytes(range(1, 1 + 3 * nbytes)), f"V{nbytes}")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["w"] = values
        file["w"].attrs["dtype"] = stated
    with ckptread.open(tmp_path / "a.h5", backend=backend) as reader:
        assert reader["w"].dtype == values.dtype
        assert reader.read("w").tobytes() == values.tobytes()


def test_no_elements_of_a_huge_type_take_no_memory(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (0,), dtype="V7654321")
    patched(path, struct.pack("<I", 7654321), struct.pack("<I", 2_000_000_000))
    tracemalloc.start()
    with ckptread.open(path) as reader:
        assert reader["w"].shape == (0,)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20


def test_a_tree_of_chunks_out_of_order_is_damaged(tmp_path):
    """libhdf5 searches such a tree by halves, and takes a chunk that it misses for one that was never written."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("w", data=np.ones((4, 1), "f4"), chunks=(1, 1), maxshape=(None, None))
    data = bytearray(path.read_bytes())
    leaf, record = data.index(b"BTLF"), 8 + 2 * 8
    first = leaf + 6
    one, two = data[first : first + record], data[first + record : first + 2 * record]
    data[first : first + 2 * record] = two + one
    end = first + 4 * record
    data[end : end + 4] = struct.pack("<I", lookup3(bytes(data[leaf:end])))
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert file["w"][()].tolist() != np.ones((4, 1)).tolist()
    with ckptread.open(path) as reader, pytest.raises(ckptread.DamagedFileError, match="out of order"):
        reader.read("w")


@pytest.mark.parametrize("size", [4, 0])
def test_a_shuffle_filter_for_elements_of_another_size_is_undone_as_by_the_library(tmp_path, size):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("w", data=np.arange(9, dtype="<f8"), chunks=(4,), shuffle=True)
    data = bytearray(path.read_bytes())
    message = struct.pack("<HHHI", 2, 1, 1, 8)
    header, at = data.rindex(b"OHDR", 0, data.index(message)), data.index(message) + 6
    end = header + 4
    while lookup3(bytes(data[header:end])) != struct.unpack_from("<I", data, end)[0]:
        end += 1
    data[at : at + 4] = struct.pack("<I", size)
    data[end : end + 4] = struct.pack("<I", lookup3(bytes(data[header:end])))
    path.write_bytes(data)
    with h5py.File(path) as file, ckptread.open(path) as reader:
        if size:
            assert reader.read("w").tobytes() == file["w"][()].tobytes() != np.arange(9, dtype="<f8").tobytes()
        else:
            assert "elements of no bytes" in problem_of(path, "w")
            with pytest.raises(OSError, match="filter"):
                file["w"][()]


def test_chunks_behind_the_last_key_of_their_tree_are_damage(tmp_path):
    """libhdf5 does not find them, and takes them for chunks that were never written."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("w", data=np.ones(4, "f4"), chunks=(1,), maxshape=(5,))
    patched(path, struct.pack("<IIQQ", 0, 0, 3, 4), struct.pack("<IIQQ", 0, 0, 2, 4))
    with h5py.File(path) as file:
        assert file["w"][()].tolist() == [1, 1, 1, 0]
    with ckptread.open(path) as reader, pytest.raises(ckptread.DamagedFileError, match="out of order"):
        reader.read("w")


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_chunks_that_are_never_filled_hold_what_h5py_makes_of_them(version, tmp_path):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2,))
    properties.set_fill_value(np.array(7, "f4"))
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(tmp_path / "a.h5", "w", libver=version) as file:
        h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), properties)
    with h5py.File(tmp_path / "a.h5") as file, ckptread.open(tmp_path / "a.h5") as reader:
        assert file["w"][()].tolist() == reader.read("w").tolist() == [0, 0, 0]


@pytest.mark.parametrize("version", ["earliest", "v108"])
def test_chunks_with_elements_of_another_size_are_refused(version, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=(version, "v108")) as file:
        file.create_dataset("w", data=np.ones((7, 5), "<f8"), chunks=(3, 2))
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<III", 3, 2, 8)) + 8
    data[at : at + 4] = struct.pack("<I", 4)
    path.write_bytes(data)
    assert problem_of(path, "w") == "its chunks have elements of 4 bytes, not of 8"
