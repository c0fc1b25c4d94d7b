"""Two arrays, and how ckptread says that they differ: counts, largest, mean and relative difference, by numpy."""

import numpy as np

import ckptread
from ckptread.values.comparison import compare_values
from ckptread.values.difference import Tolerance

TYPES = ("<f4", ">f4", "f8", "f2", "i4", "u8", "i8", "?", "u1")
SHAPES = ((5,), (40000,), (3, 20000), (7, 11))


def examine(rng, folder, counts):
    """Yield figures that are not numpy's."""
    one, other = _pair(rng)
    np.savez(folder / "w.npz", a=one, b=other)
    with ckptread.open(folder / "w.npz") as reader:
        found = compare_values(reader["a"], reader["b"], Tolerance())
    counts["changed" if found else "same"] += 1
    if found is None:
        if one.dtype.newbyteorder("=") != other.dtype.newbyteorder("=") or not np.array_equal(
            one, other, equal_nan=True
        ):
            yield f"called the same: {one.dtype} and {other.dtype}"
        return
    ours = (found.changed, found.max_abs, found.mean_abs, found.relative_l2)
    theirs = _by_numpy(one, other)
    if not all(map(_close, ours, theirs)):
        yield f"{one.dtype} and {other.dtype}: {ours}, by numpy {theirs}"


def _pair(rng):
    shape, kind = SHAPES[rng.integers(len(SHAPES))], np.dtype(TYPES[rng.integers(len(TYPES))])
    kind_of_other = kind if rng.random() < 0.6 else np.dtype(TYPES[rng.integers(len(TYPES))])
    one = _values(kind, shape, rng)
    with np.errstate(all="ignore"):
        other = _values(kind_of_other, shape, rng) if rng.random() < 0.4 else one.astype(kind_of_other)
    if kind == kind_of_other and rng.random() < 0.7:
        other = np.where(rng.random(shape) < 0.1, _values(kind, shape, rng), other).astype(kind)
    return one, other


def _values(kind, shape, rng):
    if kind.kind in "iu":
        ends = np.iinfo(kind)
        return rng.integers(ends.min, ends.max, shape, kind.newbyteorder("="), endpoint=True).astype(kind)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(kind)
    values = rng.standard_normal(shape)
    if rng.random() < 0.5:
        drawn = rng.random(shape)
        values = np.where(drawn < 0.01, np.nan, np.where(drawn < 0.02, np.inf, np.where(drawn < 0.03, -0.0, values)))
    return values.astype(kind)


def _by_numpy(one, other):
    """Return the figures; what became NaN makes the largest difference one, and counts in no mean."""
    a, b = one.astype(np.longdouble), other.astype(np.longdouble)
    with np.errstate(all="ignore"):
        distance = np.where(a == b, 0, abs(a - b))
    nan_a, nan_b, finite = np.isnan(a), np.isnan(b), np.isfinite(a) & np.isfinite(b)
    changed = int(((a != b) & ~(nan_a & nan_b)).sum())
    numbers = distance[~(nan_a | nan_b)]
    largest = float("nan") if (nan_a != nan_b).any() else float(numbers.max(initial=0))
    mean = float(distance[finite].mean()) if finite.any() else None
    length = float(np.sqrt((a[finite] ** 2).sum()))
    return changed, largest, mean, float(np.sqrt((distance[finite] ** 2).sum())) / length if length else None


def _close(ours, theirs):
    if theirs is None or ours is None or (ours != ours and theirs != theirs):
        return True
    return ours == theirs or abs(ours - theirs) <= 1e-6 * abs(theirs) + 1e-300
