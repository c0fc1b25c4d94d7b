"""Where the HDF5 library stops reading: at the NUL of a string, and behind the last entry of a chunk index."""

import h5py
import numpy as np
import pytest

import ckptread
from tests.fuzz.hdf5_anatomy import lookup3


def test_a_string_of_any_length_ends_at_its_first_nul(tmp_path):
    path = tmp_path / "strings.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("d", data=["abXcd", "e"], dtype=h5py.string_dtype())
    path.write_bytes(path.read_bytes().replace(b"abXcd", b"ab\0cd"))
    with h5py.File(path) as file, ckptread.open(path) as reader:
        assert reader.read("d").tolist() == file["d"][()].tolist() == [b"ab", b"e"]


def test_an_extensible_array_ends_behind_the_last_entry_that_was_set(tmp_path):
    path = tmp_path / "array.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("d", data=np.arange(9), chunks=(1,), maxshape=(None,), fillvalue=7)
    data = bytearray(path.read_bytes())
    start = data.index(b"EAHD")
    count_at, checksum_at = start + 12 + 32, start + 68
    assert int.from_bytes(data[count_at : count_at + 8], "little") == 9
    data[count_at : count_at + 8] = (5).to_bytes(8, "little")
    data[checksum_at : checksum_at + 4] = lookup3(bytes(data[start:checksum_at])).to_bytes(4, "little")
    path.write_bytes(data)
    with h5py.File(path) as file, ckptread.open(path) as reader:
        assert reader.read("d").tolist() == file["d"][()].tolist() == [0, 1, 2, 3, 4, 7, 7, 7, 7]


def test_free_space_of_no_size_in_the_global_heap_is_damage(tmp_path):
    path = tmp_path / "heap.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("d", data=["ab"], dtype=h5py.string_dtype())
        file["n"] = np.arange(3)
    data = bytearray(path.read_bytes())
    free = data.index(b"GCOL") + 16 + 16 + 8
    assert int.from_bytes(data[free : free + 2], "little") == 0
    assert int.from_bytes(data[free + 8 : free + 16], "little") == 4096 - 40
    data[free + 8 : free + 16] = bytes(8)
    path.write_bytes(data)
    with ckptread.open(path) as reader:  # h5py would never return
        assert reader.read("n").tolist() == [0, 1, 2]
        with pytest.raises(ckptread.CheckpointError, match="no size"):
            reader.read("d")


@pytest.mark.parametrize("backend", ["native", "h5py"])
@pytest.mark.parametrize("nbit", [False, True])
def test_arrays_of_arrays_have_all_their_axes(backend, nbit, tmp_path):
    kind = h5py.h5t.array_create(h5py.h5t.array_create(h5py.h5t.STD_I16BE, (2, 3)), (4,))
    values = np.arange(5 * 24, dtype=">i2").reshape(5, 4, 2, 3)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2,))
    if nbit:
        properties.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = h5py.h5d.create(file.id, b"w", kind, h5py.h5s.create_simple((5,)), properties)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values, mtype=kind)
    with ckptread.open(tmp_path / "a.h5", backend=backend) as reader:
        assert reader["w"].shape == values.shape
        assert reader["w"].dtype == values.dtype
        assert np.array_equal(reader.read("w"), values)
        assert np.array_equal(reader["w"][1:, 2, ::-1], values[1:, 2, ::-1])
