"""Tensors are paired by what they hold: against numpy, over dtypes, orders of axes and sizes of blocks."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import ckptread
from ckptread.operations.diff.diff import compare_pairs
from ckptread.operations.diff.match import compare_layouts as arranged
from ckptread.operations.diff.match import fingerprint
from ckptread.operations.diff.match.fingerprint import fingerprint as fingerprint_of
from ckptread.operations.diff.match.pairing import pair_tensors
from ckptread.operations.diff.match.saved_mapping import SavedMapping, load_mapping, mapping_document
from ckptread.values.difference import Tolerance
from tests.conformance.cases import CASES, each
from tests.in_memory import InMemory
from tests.table_writer import write_bundle

DTYPES = ["float16", "float32", "float64", "int8", "uint16", "int64", "uint64", "bool", "complex64", "complex128",
          ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4]  # fmt: skip
WIDER = [("float16", "float32"), ("float32", "float64"), ("int8", "float32"), (ml_dtypes.bfloat16, "float32"),
         (ml_dtypes.float8_e5m2, "float16"), ("uint8", "int64"), ("complex64", "complex128")]  # fmt: skip
shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6)


def numbers(dtype, shape, seed=0):
    """Values that every dtype holds exactly, no two tensors of different seeds alike."""
    random = np.random.default_rng(seed)
    return random.integers(0, 8, shape).astype("float32").astype(dtype)


def spread(shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def by_content(a, b):
    return pair_tensors(InMemory(**a), InMemory(**b), "content")


def names(pairs):
    return {(p.a.key if p.a else None, p.b.key if p.b else None) for p in pairs}


def diff(a, b, how="content", **options):
    one, other = InMemory(**a), InMemory(**b)
    return compare_pairs(one, other, pair_tensors(one, other, how), layout_counts=how != "content", **options)


def statuses(found):
    return {entry.name: entry.status for entry in found.tensors}


def in_order(array):
    """The values in C order, every NaN as one: numbers past a narrow dtype's largest become NaN."""
    return ["NaN" if value != value else value for value in array.ravel().tolist()]


@given(st.sampled_from(DTYPES), shapes, st.randoms(), st.sampled_from([3, 64, 1 << 14]))
def test_a_fingerprint_knows_no_order_of_axes(dtype, shape, random, period):
    a = np.arange(np.prod(shape)).reshape(shape).astype("float32").astype(dtype)
    b = np.ascontiguousarray(a.transpose(random.sample(range(a.ndim), a.ndim)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "PERIOD", period)
        fingerprint._weights.cache_clear()
        one, other = fingerprint_of(InMemory(t=a)["t"]), fingerprint_of(InMemory(t=b)["t"])
    fingerprint._weights.cache_clear()
    assert one.values == other.values
    assert (one.ordered == other.ordered) == (in_order(a) == in_order(b))
    assert one.constant == (len(set(in_order(a))) == 1)


@given(st.sampled_from(DTYPES), shapes, st.sampled_from([8, 100, 4 << 20]))
def test_a_fingerprint_does_not_depend_on_blocks(dtype, shape, block):
    a = numbers(dtype, shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "BLOCK_BYTES", block)
        found = fingerprint_of(InMemory(t=a)["t"])
    assert found == fingerprint_of(InMemory(t=a)["t"])


@given(st.sampled_from(WIDER), shapes)
def test_a_fingerprint_is_that_of_the_widened_values(dtypes, shape):
    a = numbers(dtypes[0], shape)
    assert fingerprint_of(InMemory(t=a)["t"]) == fingerprint_of(InMemory(t=a.astype(dtypes[1]))["t"])


def test_all_nan_are_one_value_and_so_are_both_zeros():
    a = np.array([0x7FC00000, 0xFFC00001, 0x7F800001, 0x80000000, 0x3F800000], np.uint32).view("float32")
    b = np.array([np.nan, np.nan, np.nan, 0.0, 1.0], "float32")
    assert fingerprint_of(InMemory(t=a)["t"]) == fingerprint_of(InMemory(t=b)["t"])
    found = diff({"x": a}, {"y": b})
    assert statuses(found) == {"x": "within-tolerance"}
    assert found.tensors[0].change.signed_zeros == 1


@pytest.mark.slow
@given(st.sampled_from(DTYPES), shapes, st.randoms(), st.sampled_from([(1, 4), (64, 64), (1 << 25, 1 << 24)]))
@settings(max_examples=200)
def test_permuted_tensors_are_found_in_blocks_of_any_size(dtype, shape, random, sizes):
    a = numbers(dtype, shape)
    axes = random.sample(range(a.ndim), a.ndim)
    b = np.ascontiguousarray(a.transpose(axes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arranged, "WHOLE_BYTES", sizes[0])
        patch.setattr(arranged, "BOX_BYTES", sizes[1])
        patch.setattr("ckptread.operations.diff.match.by_content.WHOLE_BYTES", sizes[0])
        (found,) = by_content({"one": a}, {"other": b})
        assert (found.a.key, found.b.key, found.by) == ("one", "other", "content")
        arrangement = found.arrangement
        result = a if arrangement is None else a.reshape(arrangement.shape).transpose(arrangement.axes)
        assert result.reshape(b.shape).tobytes() == b.tobytes()
        changed = b.copy()
        changed.flat[-1] = 0 if changed.flat[-1] != 0 else 1
        mapping = Mapping_of([found])
        through = compare_pairs(
            InMemory(one=a), InMemory(other=changed), pair_tensors(InMemory(one=a), InMemory(other=changed), mapping)
        )
        assert [entry.status for entry in through.tensors] == ["changed"]
        assert through.tensors[0].change.changed == 1


def Mapping_of(pairs):
    from ckptread.operations.diff.match.saved_mapping import SavedPair

    return SavedMapping(tuple(SavedPair(p.a.key, p.b.key, p.arrangement) for p in pairs))


@pytest.mark.parametrize(
    ("a", "shape", "axes"),
    [
        ((7, 5), (5, 7), (1, 0)),  # Dense kernel
        ((3, 3, 4, 9), (9, 4, 3, 3), (3, 2, 0, 1)),  # HWIO to OIHW
        ((3, 4, 9), (9, 4, 3), (2, 1, 0)),  # one dimension
        ((2, 3, 4, 5, 6), (6, 5, 2, 3, 4), (4, 3, 0, 1, 2)),  # three
        ((3, 3, 8, 1), (8, 1, 3, 3), (2, 3, 0, 1)),  # depthwise
        ((3, 3, 8, 2), (16, 1, 3, 3), (2, 3, 0, 1)),  # depthwise, two filters to a channel: merged
        ((1, 1, 6, 5), (5, 6), (3, 2, 0, 1)),  # one pixel, squeezed
        ((6, 2, 4), (8, 6), (1, 2, 0)),  # the heads of an attention, merged
    ],
)
@pytest.mark.parametrize("back", [False, True])
def test_frameworks_layouts_are_found(a, shape, axes, back):
    one = spread(a)
    other = np.ascontiguousarray(one.transpose(axes).reshape(shape))
    sides = [{"kernel": one}, {"weight": other}]
    found = diff(*(reversed(sides) if back else sides))
    assert [(entry.status, entry.certainty) for entry in found.tensors] == [("transposed", "certain")]
    assert found.same


@pytest.mark.parametrize("dtypes", WIDER)
def test_widened_tensors_are_paired_and_their_dtype_differs(dtypes):
    a = numbers(dtypes[0], (5, 4))
    b = np.ascontiguousarray(a.T).astype(dtypes[1])
    found = diff({"kernel": a}, {"weight": b})
    assert statuses(found) == {"kernel": "dtype"}
    assert (found.same, found.tensors[0].change.changed) == (False, 0)
    assert diff({"kernel": a}, {"weight": b}, ignore_dtype=True).same


def test_what_is_equal_is_renamed_and_that_is_no_difference():
    a, b = {"old": spread((3, 4)), "same": spread((4,), 1)}, {"new": spread((3, 4)), "same": spread((4,), 1)}
    found = diff(a, b, "auto")
    assert statuses(found) == {"old": "renamed", "same": "same"}
    assert found.same
    assert not diff(a, b, "key").same


def test_permuted_axes_are_a_difference_unless_asked_for():
    a = {"dense/kernel": spread((4, 4)), "wide/kernel": spread((4, 6), 1)}
    b = {name: np.ascontiguousarray(values.T) for name, values in a.items()}
    by_name = diff(a, b, "auto")
    assert set(statuses(by_name).values()) == {"transposed"}
    assert not by_name.same
    assert diff(a, b, "content").same


def test_copies_are_paired_in_order_and_marked():
    a = {f"a{n}/beta": np.zeros(4, "float32") for n in range(3)}
    b = {f"b{n}/beta": np.zeros(4, "float32") for n in range(4)}
    pairs = by_content(a, b)
    assert names(pairs) == {("a0/beta", "b0/beta"), ("a1/beta", "b1/beta"), ("a2/beta", "b2/beta"), (None, "b3/beta")}
    assert {p.certainty for p in pairs if p.a} == {"interchangeable"}


def test_few_or_uniform_values_are_not_certain():
    pairs = by_content({"x": np.float32([1, 2]), "y": np.ones(9)}, {"u": np.float32([1, 2]), "v": np.ones(9)})
    assert {p.certainty for p in pairs} == {"likely"}


def test_reordered_gates_and_flattened_rows_stay_alone():
    kernel, rows = spread((5, 12)), spread((24, 3), 1)
    gates = np.concatenate([kernel[:, at : at + 3] for at in (0, 6, 3, 9)], axis=1).T
    flat = rows.reshape(2, 3, 4, 3).transpose(3, 2, 0, 1).reshape(3, 24)
    a = {"lstm/kernel": kernel, "dense/kernel": rows, "lstm/bias": spread((12,), 2)}
    b = {"weight_ih": gates, "fc.weight": flat, "bias_ih": spread((12,), 2)[::-1].copy()}
    found = diff(a, b)
    assert found.counts == {"removed": 3, "added": 3}
    assert all("in another order" in entry.reason for entry in found.tensors)


def test_unique_shapes_are_paired_last_as_a_guess():
    a = {"x": spread((3, 4)), "y": spread((5,), 1), "z": spread((5,), 2), "n": np.float32(1)}
    b = {"u": spread((3, 4), 9), "v": spread((5,), 8), "w": spread((5,), 7), "m": np.float32(2)}
    pairs = [p for p in by_content(a, b) if p.a and p.b]
    assert [(p.a.key, p.b.key, p.by, p.certainty) for p in pairs] == [("x", "u", "shape", "guess")]
    assert diff({"x": a["x"]}, {"u": b["u"]}).counts == {"changed": 1}


def kernels(count, size=6):
    return {f"d{n}/kernel": spread((size, size), n) for n in range(count)}


def converted(a, wrong=()):
    return {name.replace("/kernel", ".weight"): values.copy() if name in wrong else np.ascontiguousarray(values.T)
            for name, values in a.items()}  # fmt: skip


@pytest.mark.parametrize(
    "siblings", [{"wide/kernel": spread((6, 9), 50)}, kernels(4), {**kernels(2), "wide/kernel": spread((6, 9), 50)}]
)
def test_a_wrongly_transposed_square_kernel_is_reported(siblings):
    a = {**siblings, "odd/kernel": spread((6, 6), 99)}
    found = diff(a, converted(a, wrong={"odd/kernel"}))
    suspects = {entry.name for entry in found.tensors if entry.suspect}
    assert suspects == {"odd/kernel"}
    assert not found.same
    assert diff(a, converted(a)).same


def test_a_pixel_transposed_among_larger_convolutions_is_reported():
    a = {f"c{n}/kernel": spread((3, 3, 4, 4), n) for n in range(3)} | {"p/kernel": spread((1, 1, 4, 4), 9)}
    b = {
        k: np.ascontiguousarray(v.transpose(3, 2, 0, 1) if k != "p/kernel" else v.transpose(2, 3, 0, 1))
        for k, v in a.items()
    }
    assert {entry.name for entry in diff(a, b).tensors if entry.suspect} == {"p/kernel"}


def test_a_symmetric_kernel_lies_as_its_siblings_do():
    a = {**kernels(3), "eye/kernel": np.eye(6, dtype="float32"), "zero/kernel": np.zeros((6, 6), "float32")}
    found = diff(a, converted(a))
    assert found.same
    assert {entry.arrangement.axes for entry in found.tensors} == {(1, 0)}


def test_depthwise_kernels_are_no_siblings_of_pointwise_ones():
    a, b = {}, {}
    for n in range(4):
        depth, point = spread((3, 3, 8, 1), n), spread((1, 1, 8, 8), n + 10)
        a |= {f"d{n}/kernel": depth, f"p{n}/kernel": point}
        b |= {f"x{n}.weight": depth.transpose(2, 3, 0, 1).copy(), f"y{n}.weight": point.transpose(3, 2, 0, 1).copy()}
    found = diff(a, b)
    assert found.same
    assert set(statuses(found).values()) == {"transposed"}


def test_a_saved_mapping_diffs_a_fine_tuned_pair(tmp_path):
    import json

    base = {"c/kernel": spread((3, 3, 4, 5)), "d/kernel": spread((6, 6), 1), "lstm/kernel": spread((4, 8), 2)}
    other = {"c.weight": base["c/kernel"].transpose(3, 2, 0, 1).copy(), "d.weight": base["d/kernel"].T.copy(),
             "extra": spread((9,), 4)}  # fmt: skip
    file = tmp_path / "map.json"
    file.write_text(json.dumps(mapping_document(by_content(base, other))))
    again = diff(base, other, load_mapping(str(file)))
    assert again.counts == {"transposed": 2, "removed": 1, "added": 1}
    tuned_a = {name: values + np.float32(0.5) for name, values in base.items()}
    tuned_b = {name: values + np.float32(0.5) for name, values in other.items()}
    tuned_b["d.weight"][0, 3] += 1
    found = diff(tuned_a, tuned_b, load_mapping(str(file)))
    assert statuses(found) == {
        "c/kernel": "transposed", "d/kernel": "changed", "lstm/kernel": "removed", "extra": "added",
    }  # fmt: skip
    assert next(e for e in found.tensors if e.name == "d/kernel").change.changed == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"schema": 1}', '{"schema": 2, "pairs": []}', '{"schema": 1, "pairs": [3]}',
        '{"schema": 1, "pairs": [{"a": "x"}]}', '{"schema": 1, "pairs": [{"a": "x", "b": 3}]}',
        '{"schema": 1, "pairs": [{"a": "x", "b": "y", "axes": [0, 0], "reshape": [2, 2]}]}',
        '{"schema": 1, "pairs": [{"a": "x", "b": "y", "axes": [1, 0], "reshape": [-2, 2]}]}',
        '{"schema": 1, "pairs": [{"a": "x", "b": "y", "axes": [1, 0]}]}',
        '{"schema": 1, "pairs": [{"a": "x", "b": "y", "axes": {}, "reshape": [2, 2]}]}',
        '{"schema": 1, "pairs": [{"a": "x", "b": "y"}, {"a": "x", "b": "z"}]}',
        '{"schema": 1, "pairs": [], "only_a": 3}', "\xff", '{"schema": 1, "pairs": [' + "[" * 500,
    ],
)  # fmt: skip
def test_a_broken_mapping_is_refused(tmp_path, run, text, checkpoint):
    file = tmp_path / "map.json"
    file.write_text(text, encoding="latin-1")
    ran = run("diff", checkpoint, checkpoint, "--match", file)
    assert ran.code == 2
    assert str(file) in ran.err


def test_a_mapping_that_does_not_fit_is_a_difference_of_shape():
    from ckptread.operations.diff.match.layouts import Arrangement
    from ckptread.operations.diff.match.saved_mapping import SavedPair

    mapping = SavedMapping((SavedPair("x", "y", Arrangement((3, 4), (1, 0))), SavedPair("gone", "y2", None)))
    found = diff({"x": spread((2, 6))}, {"y": spread((4, 3))}, mapping)
    assert statuses(found) == {"x": "shape"}


def test_optimizer_slots_are_no_weights():
    from msgspec.structs import replace

    a, b = InMemory(w=spread((9,)), m=spread((9,))), InMemory(v=spread((9,)))
    a.tensors = {k: replace(t, role="model" if k == "w" else "optimizer") for k, t in a.tensors.items()}
    b.tensors = {k: replace(t, role="optimizer") for k, t in b.tensors.items()}
    assert ("m", "v") in names(pair_tensors(a, b, "content"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["content", "auto"])
def test_twenty_thousand_alike_tensors_take_linear_time(how):
    """Zeros; and tensors of one set of values in as many orders, of which few are permutations of another's axes."""
    counts = {"reads": 0}

    class Counting(InMemory):
        def read(self, key, selection=(), *, out=None):
            counts["reads"] += 1
            return super().read(key, selection, out=out)

    zeros = np.zeros((4, 4), "float32")
    orders = list(itertools.islice(itertools.permutations(range(7)), 3000))
    a = {f"a{n}": zeros for n in range(3000)} | {
        f"p{n}": np.float32([*o, 9, 9]).reshape(3, 3) for n, o in enumerate(orders)
    }
    b = {f"b{n}": zeros for n in range(3000)} | {
        f"q{n}": np.float32([9, 9, *o]).reshape(3, 3) for n, o in enumerate(orders)
    }
    pairs = pair_tensors(Counting(**a), Counting(**b), how)
    assert sum(p.a is not None and p.b is not None for p in pairs) >= (3000 if how == "content" else 0)
    assert counts["reads"] < 10 * len(a)


def test_strings_are_paired_by_their_bytes():
    a = {"s": np.array([b"a", b"bc"], object), "t": np.array([b"x"], object)}
    b = {"u": np.array([b"a", b"bc"], object), "v": np.array([b"y"], object)}
    assert ("s", "u") in names(by_content(a, b))


def test_an_unreadable_tensor_is_not_comparable():
    from ckptread.errors import DamagedFileError

    class Broken(InMemory):
        def read(self, key, selection=(), *, out=None):
            raise DamagedFileError("memory", "torn")

    found = compare_pairs(
        Broken(x=spread((3,))),
        InMemory(y=spread((3,))),
        pair_tensors(Broken(x=spread((3,))), InMemory(y=spread((3,))), "content"),
    )
    assert found.unreadable
    assert found.counts == {"not-comparable": 1, "added": 1}


def test_nan_unequal_is_looked_at_again():
    a = spread((9,))
    a[2] = np.nan
    one, other = InMemory(x=a), InMemory(y=a)
    found = compare_pairs(
        one, other, pair_tensors(one, other, "content"), tolerance=Tolerance(nan_equal=False), layout_counts=False
    )
    assert statuses(found) == {"x": "changed"}


@each(CASES)
def test_every_checkpoint_matches_itself_by_content(case):
    """What cannot be read is not comparable, and nothing else differs."""
    with ckptread.open(case.path) as a, ckptread.open(case.path) as b:
        found = compare_pairs(a, b, pair_tensors(a, b, "content"), layout_counts=False)
    assert {entry.status for entry in found.differences} <= {"not-comparable"}
    assert all(entry.unreadable for entry in found.differences)


def renamed_pair(folder, arrays):
    """Two TensorFlow checkpoints of the same values under other names, in another order."""
    numbers = {"float32": 1, "float64": 2, "int32": 3}
    rows = [(numbers[array.dtype.name], array.shape, array.tobytes()) for array in arrays]
    write_bundle(folder / "a", {f"a/{n}": row for n, row in enumerate(rows)})
    write_bundle(folder / "b", {f"b/{len(rows) - n}": row for n, row in enumerate(rows)})
    return folder / "a", folder / "b"


def test_tensors_with_equal_checksums_are_read_once(tmp_path, bytes_read):
    arrays = [np.random.default_rng(n).standard_normal(1 << 18).astype("f4") for n in range(4)]
    a, b = renamed_pair(tmp_path, arrays)
    found = ckptread.diff(a, b, match="content")
    assert [(t.status, t.certainty, t.reason) for t in found.tensors] == [
        ("renamed", "certain", "the same values, which no other tensor has")
    ] * 4
    assert sum(bytes_read) < 2.1 * 4 * (1 << 20)


def test_equal_checksums_count_copies_and_uniform_values(tmp_path):
    twice, uniform = np.arange(5000, dtype="f4"), np.zeros(4000, "f4")
    found = ckptread.diff(*renamed_pair(tmp_path, [twice, twice, uniform, np.float32([1, 2])]), match="content")
    assert sorted(str(t.certainty) for t in found.tensors) == ["interchangeable"] * 2 + ["likely"] * 2
    widened = [twice, twice.astype("f8"), np.arange(7000, dtype="i4")]
    found = ckptread.diff(*renamed_pair(tmp_path, widened), match="content")
    assert sorted(str(t.certainty) for t in found.tensors) == ["certain", "interchangeable", "interchangeable"]


def test_an_equal_checksum_of_other_bytes_is_no_match(tmp_path):
    array = np.arange(9000, dtype="f4")
    a, b = renamed_pair(tmp_path, [array])
    with open(f"{b}.data-00000-of-00001", "r+b") as file:
        file.write(b"damaged")
    (first, second) = ckptread.diff(a, b, match="content").tensors
    assert {first.status, second.status} == {"not-comparable", "removed"}
