"""Quantiles and heat maps agree with numpy's on whole arrays, for every dtype, and whatever the blocks."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ckptread.values import heat_map as map_module
from ckptread.values import quantiles as module
from ckptread.values.heat_map import heat_map
from ckptread.values.quantiles import quantiles
from tests.in_memory import InMemory

SHARES = [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1]
DTYPES = ["float16", "float32", "float64", "int8", "uint8", "int16", "uint32", "int64", "uint64", "bool"]


def check(values):
    finite = values.astype("f8") if values.dtype.kind not in "iu" else values
    finite = finite[np.isfinite(finite)]
    found = quantiles(InMemory(t=values)["t"], finite.size, SHARES)
    if not finite.size:
        assert found is None
        return
    expected = [float(np.quantile(finite.astype("f8"), share)) for share in SHARES]
    assert found == pytest.approx(expected, rel=1e-12, abs=0)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=2, max_side=40))))
def test_quantiles_are_numpys(values):
    if values.dtype.kind == "f":  # differences of the largest floats overflow, in numpy as well
        values = np.where(np.abs(values) < np.finfo(values.dtype).max / 4, values, np.nan).astype(values.dtype)
    check(values)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ">f4", ">i8"])
def test_quantiles_of_small_floats_and_of_the_other_byte_order(dtype):
    check((np.random.default_rng(1).standard_normal(4000) * 20).astype(dtype))


def test_quantiles_do_not_depend_on_the_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 1000)
    values = np.random.default_rng(2).standard_normal((300, 7)).astype("f4")
    values[3, 3], values[5, 1], values[0, 0] = np.nan, -np.inf, -0.0
    check(values)


def test_text_and_complex_numbers_have_no_quantiles():
    for values in (np.array(["a"]), np.array([1j]), np.zeros(0, "f4")):
        assert quantiles(InMemory(t=values)["t"], values.size, SHARES) is None


@pytest.mark.parametrize("shape", [(50, 30), (3, 3, 5, 7), (2, 2), (13, 200)])
@pytest.mark.parametrize("signed", [False, True])
def test_a_heat_map_has_the_means_of_blocks(shape, signed, monkeypatch):
    monkeypatch.setattr(map_module, "BLOCK_BYTES", 900)
    values = np.random.default_rng(3).standard_normal(shape).astype("f4")
    values.flat[0], values.flat[1] = np.nan, np.inf
    found = heat_map(InMemory(t=values)["t"], 8, 11, signed=signed)
    matrix = values.reshape(-1, shape[-1]).astype("f8")
    matrix = np.where(np.isfinite(matrix), matrix if signed else np.abs(matrix), np.nan)
    rows, columns = min(8, len(matrix)), min(11, shape[-1])
    assert found.shape == (rows, columns)
    of_row = np.arange(len(matrix)) * rows // len(matrix)
    of_column = np.arange(shape[-1]) * columns // shape[-1]
    for row in range(rows):
        for column in range(columns):
            block = matrix[of_row == row][:, of_column == column]
            block = block[~np.isnan(block)]
            assert found[row, column] == pytest.approx(block.mean() if block.size else np.nan, nan_ok=True)


def test_what_is_no_matrix_of_numbers_has_no_heat_map():
    for values in (np.zeros(5), np.zeros((1, 5)), np.zeros((5, 1)), np.array([["a", "b"]] * 2), np.zeros((0, 4))):
        assert heat_map(InMemory(t=values)["t"], 4, 4) is None
