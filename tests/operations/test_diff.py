"""Figures of a difference agree with numpy's on whole arrays, whatever the blocks; verdicts are honest."""

import math

import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ckptread
from ckptread.operations.diff.diff import compare_pairs
from ckptread.operations.diff.match.by_name import align
from ckptread.tensors import TensorInfo
from ckptread.values import comparison as compare_module
from ckptread.values import running_change as change_module
from ckptread.values.comparison import compare_values
from ckptread.values.difference import Tolerance
from ckptread.values.running_change import FEW
from ckptread.values.widening import PIECE
from tests.conftest import difference_rows, write
from tests.in_memory import InMemory

FLOATS = ["float16", "float32", "float64", "complex64"]
INTEGERS = ["int8", "uint8", "int16", "uint32", "int64", "uint64", "bool"]
SMALL = [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2]


def changed(a, b, **tolerance):
    return compare_values(InMemory(t=a)["t"], InMemory(t=b)["t"], Tolerance(**tolerance))


@st.composite
def pairs(draw, dtypes):
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=9))
    a = draw(hnp.arrays(dtype, shape))
    b = draw(hnp.arrays(dtype, shape)) if draw(st.booleans()) else a.copy()
    return a, b


@pytest.mark.slow
@given(pairs(FLOATS), st.sampled_from([(1 << 16, 1 << 22), (3, 16), (1, 8)]))
@settings(max_examples=300)
def test_floats_agree_with_numpy(pair, sizes):
    a, b = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(change_module, "PIECE", sizes[0])
        patch.setattr(compare_module, "BLOCK_BYTES", sizes[1])
        found = changed(a, b)
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    check_floats(found, a.astype(wide).ravel(), b.astype(wide).ravel(), same_bits=a.tobytes() == b.tobytes())


@given(st.sampled_from(SMALL), hnp.arrays(np.uint8, 64), hnp.arrays(np.uint8, 64))
def test_small_floats_agree_with_numpy(dtype, one, other):
    a, b = one.view(dtype), other.view(dtype)
    with np.errstate(invalid="ignore"):  # signalling NaN
        wide_a, wide_b = a.astype(np.float32).astype(float), b.astype(np.float32).astype(float)
    check_floats(changed(a, b), wide_a, wide_b, same_bits=a.tobytes() == b.tobytes())


def check_floats(found, a, b, *, same_bits):
    if same_bits:
        assert found is None
        return
    with np.errstate(all="ignore"):
        both_nan = np.isnan(a) & np.isnan(b)
        differs = ~((a == b) | both_nan)
        distance = np.where(a == b, 0.0, np.abs(a - b))
        infinite = np.isinf(a) & np.isinf(b) & (a != b)
        distance[infinite] = np.inf  # of complex numbers, Inf - Inf may leave NaN
        finite = np.isfinite(a) & np.isfinite(b)
        numbers = distance[~(np.isnan(a) | np.isnan(b))]
        norm = np.linalg.norm
        top, bottom = norm((a - b)[finite]), norm(a[finite])
        mean = distance[finite].mean() if finite.any() else np.nan  # infinite where the sum overflows
    assert found.count == a.size
    assert found.changed == found.beyond == np.count_nonzero(differs)
    assert (found.nans_a, found.nans_b) == (np.count_nonzero(np.isnan(a)), np.count_nonzero(np.isnan(b)))
    assert (found.infs_a, found.infs_b) == (np.count_nonzero(np.isinf(a)), np.count_nonzero(np.isinf(b)))
    largest = np.nan if (np.isnan(a) != np.isnan(b)).any() else numbers.max() if numbers.size else 0
    assert same(found.max_abs, largest)
    if np.isfinite([top, bottom]).all() and min(top, bottom) > 1e-140:
        assert found.relative_l2 == pytest.approx(top / bottom, rel=1e-9)
    if np.isfinite(mean):
        assert found.mean_abs == pytest.approx(mean, rel=1e-9)


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other)) or one == pytest.approx(float(other), rel=1e-12)


@given(pairs(INTEGERS))
@settings(max_examples=200)
def test_integers_are_exact(pair):
    a, b = pair
    found = changed(a, b)
    distances = [abs(int(x) - int(y)) for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)]
    if not any(distances):
        assert found is None
    else:
        assert found.max_abs == max(distances)
        assert found.changed == sum(map(bool, distances))


@pytest.mark.parametrize("size", [1000, PIECE + 1, FEW - 1, FEW, 2 * FEW + 5])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "int16", "uint32", "int64", "float8_e4m3fn", "float8_e5m2"])
def test_differences_of_many_small_numbers_are_those_of_float64(dtype, size):
    chance, dtype = np.random.default_rng(size), np.dtype(getattr(ml_dtypes, dtype, dtype))
    a, b = (chance.integers(0, 2 if dtype.kind == "b" else 256, size, "u1") for _ in range(2))
    a, b = (x.view(dtype) if dtype.itemsize == 1 else x.astype(dtype) * 3 for x in (a, b))
    found = changed(a, b)
    x, y = a.astype("f8"), b.astype("f8")
    kept = np.isfinite(x) & np.isfinite(y)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    assert (found.count, found.changed, found.beyond) == (size, np.sum(~same), np.sum(~same))
    assert (found.nans_a, found.infs_b) == (np.isnan(x).sum(), np.isinf(y).sum())
    assert found.distance == pytest.approx(math.sqrt(math.fsum(((x[kept] - y[kept]) ** 2).tolist())), rel=1e-14)
    assert found.norm == pytest.approx(math.sqrt(math.fsum((x[kept] ** 2).tolist())), rel=1e-14)
    assert found.mean_abs == pytest.approx(math.fsum(abs(x[kept] - y[kept]).tolist()) / kept.sum(), rel=1e-14)
    assert found.signed_zeros == np.sum((x == 0) & (y == 0) & (np.signbit(x) != np.signbit(y)))
    if dtype.kind in "biu":
        assert type(found.max_abs) is int
        assert found.max_abs == max(map(abs, (x - y).tolist()))


def test_integers_beyond_what_float64_holds_are_told_apart():
    assert changed(np.array([2**60]), np.array([2**60 + 1])).max_abs == 1
    signed, unsigned = np.array([-1, 2**53 + 1]), np.array([2**64 - 1, 2**53 + 1], np.uint64)
    assert changed(signed, unsigned).max_abs == 2**64
    assert changed(signed, unsigned).changed == 1
    assert changed(np.array([2**53 + 1]), np.array([float(2**53)])).changed == 1


@given(pairs(["float32", "float64", "int32"]), st.floats(0, 2), st.floats(0, 10))
def test_the_tolerance_is_numpys(pair, rtol, atol):
    a, b = (values.astype(np.float64) for values in pair)
    with np.errstate(all="ignore"):
        close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    found = changed(a, b, rtol=rtol, atol=atol)
    assert (0 if found is None else found.beyond) == np.count_nonzero(~close)


def test_nan_equals_nan_unless_asked_otherwise():
    array = np.array([1, np.nan], "float32")
    assert changed(array, array.copy()) is None
    assert changed(array, array.copy(), nan_equal=False).changed == 1
    other_nan = np.array([0x3F800000, 0x7FC00001], np.uint32).view("float32")
    assert changed(array, other_nan).changed == 0


def test_zeros_of_two_signs_are_equal_and_told():
    found = changed(np.array([0.0, 1.0]), np.array([-0.0, 1.0]))
    assert (found.changed, found.signed_zeros) == (0, 1)


def test_the_formula_holds_near_zero():
    found = changed(np.array([1e-20]), np.array([2e-20]), rtol=1e-6)
    assert found.beyond == 1


def difference_of(a, b, **options):
    return compare_pairs(InMemory(**a), InMemory(**b), **options)


def statuses(difference):
    return {entry.name: entry.status for entry in difference.tensors}


def test_a_verdict_counts_what_it_cannot_compare():
    ones = np.ones(4, "float32")
    a = {"same": ones, "value": ones, "shape": ones, "dtype": ones, "gone": ones, "kind": ones}
    b = {
        "same": ones, "value": ones * 2, "shape": ones.reshape(2, 2), "dtype": ones.astype("float64"), "new": ones,
        "kind": np.array([b"x"] * 4, object),
    }  # fmt: skip
    found = difference_of(a, b)
    assert statuses(found) == {
        "same": "same", "value": "changed", "shape": "shape", "dtype": "dtype", "gone": "removed", "new": "added",
        "kind": "not-comparable",
    }  # fmt: skip
    assert not found.same
    assert len(found.differences) == 6


def test_equal_values_of_another_dtype_are_the_same_where_asked():
    ones = np.ones(4, "float32")
    found = difference_of({"t": ones}, {"t": ones.astype("float64")}, ignore_dtype=True)
    assert statuses(found) == {"t": "within-tolerance"}
    assert found.same


def test_a_permuted_kernel_is_a_difference():
    kernel = np.arange(12, dtype="float32").reshape(3, 4)
    assert statuses(difference_of({"k": kernel}, {"k": kernel[::-1].copy()})) == {"k": "changed"}


def test_the_comparison_stops_where_asked():
    a = {str(n): np.full(3, n) for n in range(9)}
    b = {str(n): np.full(3, n + 1) for n in range(9)}
    found = difference_of(a, b, stop_after=2)
    assert found.stopped
    assert len(found.differences) == 2


def test_empty_tensors_and_scalars_are_compared():
    a = {"none": np.empty((0, 3)), "scalar": np.array(1.0), "string": np.array([b"a", b"b"], object)}
    b = {"none": np.empty((0, 3)), "scalar": np.array(2.0), "string": np.array([b"a", b"c"], object)}
    assert statuses(difference_of(a, b)) == {"none": "same", "scalar": "changed", "string": "changed"}


def info(key, variable=None, **more):
    return TensorInfo(key=key, shape=(1,), dtype="float32", nbytes=4, variable=variable, **more)


def aligned(a, b):
    return {(p.a.key if p.a else None, p.b.key if p.b else None) for p in align(a, b)}


def test_tensors_are_paired_by_key_then_by_name_then_by_its_ending():
    a = [
        info("k", "dense/kernel"),
        info("layers/d1/vars/0", "d1/kernel"),
        info("x/0", "enc/d2/kernel"),
        info("only_a"),
    ]
    b = [info("k"), info("model/d1/kernel", "d1/kernel"), info("y/7", "top/enc/d2/kernel"), info("only_b")]
    assert aligned(a, b) == {
        ("k", "k"), ("layers/d1/vars/0", "model/d1/kernel"), ("x/0", "y/7"), ("only_a", None), (None, "only_b"),
    }  # fmt: skip


def test_an_ending_that_several_have_pairs_nothing():
    a = [info("a1", "p/dense/kernel"), info("a2", "q/dense/kernel")]
    b = [info("b1", "r/dense/kernel")]
    assert aligned(a, b) == {("a1", None), ("a2", None), (None, "b1")}


def test_names_that_end_in_a_position_pair_nothing():
    a, b = [info("a", "custom/0", positional=True)], [info("b", "custom/0", positional=True)]
    assert aligned(a, b) == {("a", None), (None, "b")}


def test_a_second_name_of_one_side_is_no_difference():
    a = [info("v/0", "dense/kernel"), info("all/0", "dense/kernel", copy_of="v/0")]
    b = [info("w", "dense/kernel")]
    assert aligned(a, b) == {("v/0", "w")}


def test_a_large_tensor_is_compared_in_little_memory(tmp_path, monkeypatch):
    """Every part of a tensor that has changed has buffers of a megabyte while it is worked on, and not after."""
    import tracemalloc

    import ckptread

    monkeypatch.setattr(compare_module, "PIECE_BYTES", 64)
    monkeypatch.setattr(compare_module, "PART_PIECES", 1)
    values = np.arange(200 * 16, dtype="float32")
    one, other = write(tmp_path / "a", {"w": values}), write(tmp_path / "b", {"w": values + np.float32(1)})
    with ckptread.open(one) as a, ckptread.open(other) as b:
        tracemalloc.start()
        try:
            found = compare_pairs(a, b)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert found.tensors[0].change.changed == values.size
    assert peak < 30 << 20


def test_figures_of_integers_are_exact_up_to_the_whole_range_of_64_bits():
    a, b = np.array([-(2**63)]), np.array([2**64 - 1], np.uint64)
    found = changed(a, b)
    assert (found.max_abs, found.relative_l2, found.max_rel) == (3 * 2**63 - 1, 3.0, 1.5)
    assert found.mean_abs == float(3 * 2**63 - 1)
    near = InMemory(w=np.array([2**63 - 1])), InMemory(w=np.array([2**63 - 2]))
    [entry] = compare_pairs(*near, tolerance=Tolerance(atol=0.5)).tensors
    assert (entry.change.max_abs, entry.change.beyond) == (1, 1)


def test_a_nan_that_appeared_ranks_first_and_has_no_largest_difference(run, tmp_path):
    a = {"far": np.ones(3, "f4"), "nan": np.ones(3, "f4"), "shape": np.ones(2)}
    b = {"far": np.full(3, 1e9, "f4"), "nan": np.array([1, np.nan, 1], "f4"), "shape": np.ones(3)}
    np.savez(tmp_path / "a.npz", **a)
    np.savez(tmp_path / "b.npz", **b)
    row = difference_rows(run("diff", str(tmp_path / "a.npz"), str(tmp_path / "b.npz")).out)[0]
    assert row.split()[:4] == ["~", "nan", "new", "NaN"]
    assert " nan " in row
    assert "NaN 0 -> 1" in row


def test_codes_next_to_a_scale_are_said_to_be_codes(run, tmp_path):
    np.savez(tmp_path / "a.npz", **{"emb/e": np.ones((2, 2), "f4")})
    np.savez(tmp_path / "b.npz", **{"emb/e": np.full((2, 2), 127, "i1"), "emb/e_scale": np.ones(2, "f4")})
    out = run("diff", str(tmp_path / "a.npz"), str(tmp_path / "b.npz")).out
    assert "int8 codes, to be multiplied by emb/e_scale" in out


def test_bookkeeping_is_compared_only_if_it_is_asked_for():
    def side(graph):
        reader = InMemory(w=np.ones(2), graph=np.array(graph, object))
        reader.tensors["w"] = msgspec.structs.replace(reader.tensors["w"], role="model")
        reader.tensors["graph"] = msgspec.structs.replace(reader.tensors["graph"], role="bookkeeping", dtype="string")
        return reader

    found = ckptread.diff(side([b"x"]), side([b"y"]))
    assert (found.same, found.scope) == (True, "without bookkeeping")
    assert not ckptread.diff(side([b"x"]), side([b"y"]), ["graph"]).same
    assert not ckptread.diff(side([b"x"]), side([b"y"]), role="all").same
    assert ckptread.diff(side([b"x"]), side([b"y"]), ["*"]).same


@pytest.mark.tensorflow
def test_a_saved_model_and_a_checkpoint_of_the_same_values_are_the_same(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.v = tf.Variable([1.0, 2.0], name="v")
    tf.saved_model.save(module, str(tmp_path / "saved"))
    prefix = tf.train.Checkpoint(v=module.v).save(str(tmp_path / "ckpt"))
    assert ckptread.diff(tmp_path / "saved", prefix).same
