"""What a conversion loses, against Python's own exact numbers."""

import math

import ml_dtypes
import numpy as np
import pytest

from ckptread.values.conversion import count_lost, is_lossless

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn"]
LARGEST = {"float16": 65504.0, "float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}
VALUES = [0, 1, -1, 2, 127, 128, -128, -129, 255, 256, 65504, 65535, 65536, 1e6, 2**31 - 1, 2**31, -(2**31), 2**32,
          2**53, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**64, 0.5, -0.25, 3.9e38, 1e300, math.nan, math.inf,
          -math.inf]  # fmt: skip


def dtype_of(name):
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def values_of(name):
    """Those of the values above that this dtype can have, as nearly as it can."""
    dtype = dtype_of(name)
    if name in INTEGERS:
        bounds = np.iinfo(dtype)
        whole = [v for v in VALUES if math.isfinite(v) and v == int(v) and bounds.min <= v <= bounds.max]
        return np.array([int(v) for v in whole], dtype)
    with np.errstate(all="ignore"):
        return np.array(VALUES, "float64").astype(dtype)


def fits(value, target):
    """Whether one exact Python number has a place in a dtype, by the definition."""
    if target == "bool":
        return value in (0, 1)
    if target in INTEGERS:
        bounds = np.iinfo(target)
        return math.isfinite(value) and value == int(value) and bounds.min <= int(value) <= bounds.max
    half_a_step = 2.0 ** (math.frexp(LARGEST[target])[1] - {"float16": 11, "float32": 24, "float64": 53}[target] - 1)
    return not math.isfinite(value) or abs(int(value)) < int(LARGEST[target]) + int(half_a_step)


@pytest.mark.parametrize("target", ["bool", *INTEGERS, *LARGEST])
@pytest.mark.parametrize("source", [*INTEGERS, *FLOATS])
def test_what_is_lost_is_counted_exactly(source, target):
    values = values_of(source)
    exact = [v.item() if source in INTEGERS else float(v) for v in values]
    expected = sum(not fits(v, target) for v in exact)
    assert count_lost(values, np.dtype(target)) == expected
    if is_lossless(values.dtype, np.dtype(target)):
        assert expected == 0


def test_an_imaginary_part_is_lost_where_there_is_no_place_for_it():
    values = np.array([1, 1j, 2 + 1j, 1e300, complex(0, math.nan), 0.5], "complex128")
    assert count_lost(values, np.dtype("float64")) == 3
    assert count_lost(values, np.dtype("complex64")) == 1
    assert count_lost(values, np.dtype("int8")) == 5
