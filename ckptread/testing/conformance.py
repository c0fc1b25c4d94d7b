"""Rules that an open reader of any format keeps. Each function raises AssertionError where one is broken."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckptread.errors import TensorNotFoundError
from ckptread.reader import Reader, Tensor

ALL_BYTES = 100_000_000
"""Larger than any sample: a block of this size is the whole tensor."""


def check_values(reader: Reader, expected: Mapping[str, NDArray[Any]]) -> None:
    """Check that a reader has exactly these tensors, with these shapes, dtypes and values, bit for bit."""
    assert set(reader.tensors) == set(expected)
    for key, values in expected.items():
        info = reader.tensors[key]
        assert (info.shape, info.dtype) == (values.shape, str(values.dtype)), key
        assert_same_bits(np.asarray(reader.read(key)), values)


def check_slices(tensors: Sequence[Tensor], seed: int = 0) -> None:
    """Check that blocks of any size, joined, and slices of any kind are parts of the complete tensor."""
    random = np.random.default_rng(seed)
    for tensor in tensors:
        whole = np.asarray(tensor)
        assert whole.shape == tensor.shape
        assert len(list(tensor.blocks(ALL_BYTES))) <= 1 or whole.nbytes > ALL_BYTES
        joined, at = np.empty(whole.size, whole.dtype), 0
        for block in tensor.blocks(int(random.integers(1, 400))):
            joined[at : at + block.size] = block.ravel()
            at += block.size
        assert at == whole.size
        assert_same_bits(joined, whole.ravel())
        for _ in range(3):
            selection = tuple(_random_slice(random, dim) for dim in whole.shape)
            assert_same_bits(tensor.read(selection), whole[(*selection, ...)])
            assert type(tensor[selection]) is type(whole[selection])  # a scalar where numpy gives one


def _random_slice(random: np.random.Generator, dim: int) -> int | slice:
    if dim and random.random() < 0.3:
        return int(random.integers(-dim, dim))
    start, stop = (None if random.random() < 0.3 else int(random.integers(-dim - 1, dim + 2)) for _ in range(2))
    return slice(start, stop, [None, 1, 2, 3, -1, -2][random.integers(6)])


def assert_same_bits(one: NDArray[Any], other: NDArray[Any]) -> None:
    """Check that two arrays have the same shape, and the same bytes in C order."""
    assert one.shape == other.shape
    if one.dtype.hasobject:
        assert repr(one.tolist()) == repr(other.tolist())
    else:
        assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def check_extents(tensors: Sequence[Tensor]) -> None:
    """Check that the extent of each tensor, where it has one, has the bytes of its values."""
    for tensor in tensors:
        extent = tensor.info.extent
        if extent is None or tensor.dtype.hasobject:
            continue
        with open(extent.file, "rb") as file:
            file.seek(extent.offset)
            stored = file.read(extent.nbytes)
        values = np.asarray(tensor)
        unit = values.dtype.itemsize // (2 if values.dtype.kind == "c" else 1)
        if extent.byteorder == "big" and unit > 1:
            values = values.reshape(-1).view(f"u{unit}").byteswap()
        assert values.tobytes() == stored


def check_interface(reader: Reader) -> None:
    """Check what every reader has, listing or not; it is closed twice in the end."""
    with reader:
        assert reader.format
        assert os.path.lexists(reader.path) or reader.format.startswith("tf-")
        assert all(isinstance(key, str) and isinstance(value, str) for key, value in reader.metadata.items())
        assert list(reader) == list(reader.tensors)
        assert all(region.nbytes >= 0 and os.path.isfile(region.file) for region in reader.regions())
        assert all(finding.severity in {"error", "warning", "note"} for finding in reader.problems)
        try:
            reader["no such tensor, surely"]
        except TensorNotFoundError:
            pass
        else:
            raise AssertionError("a tensor that does not exist is found")
    reader.close()
