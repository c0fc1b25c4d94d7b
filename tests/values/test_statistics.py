"""Figures of values agree with numpy's on the whole array, whatever the blocks."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ckptread.reader import Tensor
from ckptread.values import running_statistics as stats
from ckptread.values.statistics import histogram, statistics
from ckptread.values.widening import PIECE
from tests.in_memory import InMemory

PLAIN = ["float16", "float32", "float64", "int8", "uint8", "int32", "uint16", "int64", "uint64", "bool"]
SMALL = {
    "bfloat16": 16, "float8_e3m4": 8, "float8_e4m3": 8, "float8_e4m3b11fnuz": 8, "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8, "float8_e5m2": 8, "float8_e5m2fnuz": 8, "float8_e8m0fnu": 8, "float6_e2m3fn": 6,
    "float6_e3m2fn": 6, "float4_e2m1fn": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2,
}  # fmt: skip
"""ml_dtypes' types, and how many bits of an element count."""


def tensor_of(array):
    return InMemory(t=array)["t"]


def arrays(dtype):
    return hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12))


@pytest.mark.slow
@given(st.sampled_from(PLAIN).flatmap(arrays), st.integers(1, 50))
@settings(max_examples=300)
def test_statistics_agree_with_numpy(array, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "PIECE", piece)
        found = statistics(tensor_of(array))
    check(found, array)


def small_arrays():
    """Any bits at all, of every small dtype."""
    return st.sampled_from(sorted(SMALL)).flatmap(
        lambda name: hnp.arrays(
            f"u{np.dtype(getattr(ml_dtypes, name)).itemsize}",
            hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=40),
            elements=st.integers(0, 2 ** SMALL[name] - 1),
        ).map(lambda bits: bits.view(getattr(ml_dtypes, name)))
    )


@given(small_arrays(), st.integers(1, 50))
def test_statistics_of_small_dtypes_agree_with_numpy(array, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "PIECE", piece)
        found = statistics(tensor_of(array))
    check(found, array)


@given(st.sampled_from(PLAIN).flatmap(arrays) | small_arrays(), st.lists(st.integers(0, 1728), max_size=6))
def test_statistics_do_not_depend_on_where_values_are_cut(array, cuts):
    running = stats.RunningStatistics()
    for block in np.split(array.reshape(-1), sorted(min(cut, array.size) for cut in cuts)):
        running.add(block)
    check(running.result(), array)


@pytest.mark.slow
@given(st.sampled_from(["complex64", "complex128"]).flatmap(arrays), st.integers(1, 50))
def test_statistics_of_complex_numbers_agree_with_numpy(array, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "PIECE", piece)
        found = statistics(tensor_of(array))
    values = array.astype(complex).reshape(-1)
    finite = values[np.isfinite(values)]
    assert (found.count, found.minimum, found.maximum, found.mean) == (array.size, None, None, None)
    assert found.zeros == np.count_nonzero(array == 0)
    assert found.nans == np.count_nonzero(np.isnan(values))
    assert found.infs == np.count_nonzero(np.isinf(values) & ~np.isnan(values))
    if finite.size and float(np.abs(finite).max()) < 1e150:
        scale = float(np.abs(finite).max())
        assert found.l2 == pytest.approx(float(np.linalg.norm(finite)), rel=1e-9, abs=1e-150)
        assert found.std == pytest.approx(float(finite.std()), rel=1e-6, abs=1e-9 * scale + 1e-150)


@given(st.lists(st.binary(max_size=3), max_size=20), st.sampled_from(["object", "S3"]))
def test_of_strings_the_empty_ones_are_counted(values, dtype):
    array = np.array(values, dtype)
    found = statistics(tensor_of(array))
    assert (found.count, found.zeros) == (len(values), sum(not value for value in array.tolist()))
    assert (found.minimum, found.mean, found.l2, found.nans) == (None, None, None, None)


def check(found, array):
    values = array.astype(np.float64) if array.dtype.kind not in "iu" else array
    real = values.ravel()
    numbers = real[~np.isnan(real.astype(np.float64))]
    finite = real[np.isfinite(real.astype(np.float64))].astype(np.longdouble)
    assert found.count == array.size
    assert found.zeros == np.count_nonzero(real == 0)
    assert found.nans == real.size - numbers.size
    assert found.infs == numbers.size - finite.size
    assert found.minimum == (numbers.min() if numbers.size else None)
    assert found.maximum == (numbers.max() if numbers.size else None)
    if not finite.size:
        assert found.mean is None
        return
    scale = float(np.abs(finite).max())
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(scale * scale * finite.size):
            return  # squares pass what float64 holds
    assert found.mean == pytest.approx(float(finite.mean()), rel=1e-9, abs=1e-12 * scale + 1e-300)
    assert found.std == pytest.approx(float(finite.std()), rel=1e-6, abs=1e-9 * scale + 1e-150)
    assert found.l2 == pytest.approx(float(np.sqrt((finite * finite).sum())), rel=1e-9, abs=1e-150)


def test_a_large_offset_costs_no_precision():
    array = 1e9 + np.random.default_rng(0).standard_normal(500_000)
    assert statistics(tensor_of(array)).std == pytest.approx(array.std(), rel=1e-9)


def test_integers_of_64_bits_are_not_rounded():
    array = np.array([2**63 - 1, 2**63 - 2, -(2**63)])
    found = statistics(tensor_of(array))
    assert (found.minimum, found.maximum) == (-(2**63), 2**63 - 1)


def test_complex_numbers_have_a_norm_but_no_order():
    array = np.array([3 + 4j, 0, complex("nan"), complex("inf")], "complex64")
    found = statistics(tensor_of(array))
    assert (found.minimum, found.l2, found.zeros, found.nans, found.infs) == (None, 5.0, 1, 1, 1)


def test_strings_are_counted_only():
    array = np.array([b"", b"abc", b""], object)
    found = statistics(tensor_of(array))
    assert (found.count, found.zeros, found.mean) == (3, 2, None)


@given(hnp.arrays("float32", st.integers(1, 200), elements=st.floats(-10, 10, width=32)))
def test_a_histogram_agrees_with_numpy(array):
    found = histogram(tensor_of(array), statistics(tensor_of(array)), bins=8)
    if array.min() == array.max():
        assert found is None
    else:
        counts, edges = np.histogram(array.astype(float), 8)
        assert found.counts == tuple(counts)
        assert (found.low, found.high) == (edges[0], edges[-1])


def test_a_histogram_leaves_out_what_is_not_finite():
    array = np.array([np.nan, -np.inf, 1, 2, 3, np.inf], "float32")
    found = histogram(tensor_of(array), statistics(tensor_of(array)), bins=2)
    assert (found.low, found.high, sum(found.counts)) == (1, 3, 3)


def test_a_tensor_is_iterated_in_c_order():
    array = np.arange(30, dtype="int16").reshape(5, 6)
    tensor = tensor_of(array)
    assert isinstance(tensor, Tensor)
    joined = np.concatenate([block.ravel() for block in tensor.blocks(7)])
    np.testing.assert_array_equal(joined, array.ravel())


BORDERS = [1, 7, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 1, 3 * PIECE]


@pytest.mark.parametrize("size", BORDERS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_sums_of_floats_are_those_of_fsum(dtype, size):
    chance = np.random.default_rng(size)
    array = (chance.standard_normal(size) * 3).astype(getattr(ml_dtypes, dtype, dtype))
    array[:: size // 3 + 1] = -0.0
    values = array.astype(np.float64).tolist()
    found = statistics(tensor_of(array))
    mean = math.fsum(values) / size
    scale = math.fsum(map(abs, values)) / size
    assert found.mean == pytest.approx(mean, rel=1e-14, abs=1e-16 * scale)
    assert found.l2 == pytest.approx(math.sqrt(math.fsum(x * x for x in values)), rel=1e-14)
    assert found.std == pytest.approx(
        math.sqrt(math.fsum((x - mean) ** 2 for x in values) / size), rel=1e-13, abs=1e-15
    )
    assert repr(found.minimum) == repr(min(values) + 0.0)


@pytest.mark.parametrize("size", BORDERS)
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_sums_of_integers_are_exact(dtype, size):
    chance = np.random.default_rng(size)
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    array = chance.integers(low, high, size, dtype, endpoint=True)
    values = list(map(int, array.tolist()))
    found = statistics(tensor_of(array))
    assert (found.minimum, found.maximum) == (min(values), max(values))
    assert found.mean == pytest.approx(sum(values) / size, rel=2e-16)
    assert found.l2 == pytest.approx(float(Fraction(sum(x * x for x in values))) ** 0.5, rel=1e-14)


def test_a_sum_of_integers_that_cancel_is_exact():
    array = np.array([2**62, 1, -(2**62), 2**53 + 1, -(2**53)])
    assert statistics(tensor_of(array)).mean == 2 / 5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "complex64"])
def test_no_bit_depends_on_how_values_are_cut(dtype):
    array = (np.random.default_rng(1).standard_normal(PIECE + 4321) * 9).astype(getattr(ml_dtypes, dtype, dtype))
    results = set()
    for step in (97, 1000, PIECE - 1, PIECE, 2 * PIECE):
        running = stats.RunningStatistics()
        for at in range(0, array.size, step):
            running.add(array[at : at + step])
        results.add(running.result())
    assert len(results) == 1
