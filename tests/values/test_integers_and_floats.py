"""The largest difference of integers and floats is exact, and a plain number in JSON."""

import json
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import ckptread

FLOATS = {"float16": "f2", "float32": "f4", "float64": "f8", "bfloat16": ml_dtypes.bfloat16}


@pytest.mark.parametrize("integers", ["i1", "u1", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("floats", FLOATS)
def test_the_largest_difference_of_integers_and_floats_is_exact(integers, floats, tmp_path):
    info, rng = np.iinfo(integers), np.random.default_rng(20261125)
    a = rng.integers(info.min, info.max, 20, integers, endpoint=True) >> np.arange(20).astype(integers) % info.bits
    a = np.clip(a.astype(object), -60_000, 60_000).astype(integers) if floats == "float16" else a
    b = (a.astype("f8") + rng.integers(-3, 4, 20)).astype(FLOATS[floats])
    exact = max(abs(Fraction(x) - Fraction(y)) for x, y in zip(a.tolist(), b.astype("f8").tolist(), strict=True))
    np.savez(tmp_path / "a.npz", x=a)
    np.savez(tmp_path / "b.npz", x=b.astype("f8") if floats == "bfloat16" else b)
    [found] = ckptread.diff(tmp_path / "a.npz", tmp_path / "b.npz", ignore_dtype=True).tensors
    assert float(found.change.max_abs if found.change else 0) == float(exact)


def test_the_largest_difference_is_a_number_in_json(run, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([2**62 + 1, 5]))
    np.savez(tmp_path / "b.npz", x=np.array([2.0**62, 4.5]))
    np.savez(tmp_path / "c.npz", x=np.array([-(2.0**62), 4.5]))
    for other, expected in (("b", 1), ("c", 2**63 + 1)):
        ran = run("diff", tmp_path / "a.npz", tmp_path / f"{other}.npz", "--ignore-dtype", "--format", "json")
        assert json.loads(ran.out)["tensors"][0]["max_abs"] == expected


@pytest.mark.parametrize("dtype", ["longdouble"])
def test_long_doubles_have_a_number_in_json(run, tmp_path, dtype):
    for name, value in (("a", 1), ("b", 3)):
        np.savez(tmp_path / f"{name}.npz", x=np.array([value], dtype))
    ran = run("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--format", "json")
    assert json.loads(ran.out)["tensors"][0]["max_abs"] == 2
