"""A tensor of no elements whose shape numpy has no array for, (0, 2**62) or more, is listed with its problem."""

import json
import struct

import h5py
import numpy as np
import pytest

import ckptread
from tests.hostile.bombs import bundle, entry

SHAPES = ((0, 2**62), (0, 2**63 - 1), (2**33, 0, 2**33))
FLOAT = 1


def npy(folder, shape):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    path = folder / "w.npy"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
    return path


def safetensors(folder, shape):
    header = json.dumps({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    path = folder / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def hdf5(folder, shape):
    path = folder / "w.h5"
    placeholders = tuple(1000 + dim for dim in range(len(shape)))
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("w", placeholders, "f4")
    data = path.read_bytes()
    for placeholder, dim in zip(placeholders, shape, strict=True):
        data = data.replace(struct.pack("<Q", placeholder), struct.pack("<Q", dim))
    path.write_bytes(data)
    return path


def tensorflow(folder, shape):
    return bundle(folder, [(b"w", entry(FLOAT, shape, 0, 0, 0))])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("write", [npy, safetensors, hdf5, tensorflow])
def test_a_shape_that_numpy_has_no_array_for_is_a_problem(write, shape, tmp_path):
    with pytest.raises(ValueError, match="too big"):
        np.empty(shape, "f4")
    with ckptread.open(write(tmp_path, shape)) as reader:
        assert reader.tensors["w"].shape == shape
        assert reader.tensors["w"].problem == "no array can have its shape: it is too large"
        with pytest.raises(ckptread.CheckpointError):
            reader.read("w")
