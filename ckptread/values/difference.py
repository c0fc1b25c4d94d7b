"""Figures of how the values of two arrays differ, accumulated piece by piece.

Everything is accumulated in float64, or exactly in integers, over pieces that stay in the processor's cache.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from ckptread.values.float_kernels import Distance, changed_objects, integer_distance, is_float
from ckptread.values.statistics import PIECE, as_float, exact_float, is_numeric

if TYPE_CHECKING:
    from ckptread.tensors import Array


class Tolerance(msgspec.Struct, frozen=True):
    """What counts as the same: ``|a - b| <= atol + rtol * |b|``, numpy's formula; B is the reference."""

    rtol: float = 0.0
    atol: float = 0.0
    nan_equal: bool = True
    """Whether NaN equals NaN."""

    @property
    def exact(self) -> bool:
        """Whether only equal values count as the same."""
        return self.rtol == 0 and self.atol == 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the values of two tensors, a and b. Figures are None where they have no meaning (strings)."""

    count: int
    """Elements compared."""
    changed: int
    """Elements whose values differ; NaN equals NaN unless asked otherwise, -0.0 equals 0.0."""
    beyond: int
    """Elements that differ by more than the tolerance."""
    max_abs: float | int | None = None
    """Largest |a - b|, where neither is NaN."""
    max_rel: float | None = None
    """Largest |a - b| / |b|, where b is not zero."""
    mean_abs: float | None = None
    """Mean |a - b| over the elements where both are finite."""
    relative_l2: float | None = None
    """‖a - b‖ / ‖a‖ over the elements where both are finite; infinite where a is all zeros."""
    cosine: float | None = None
    """(a · b) / (‖a‖ ‖b‖) over the same; None where either is all zeros."""
    nans_a: int = 0
    nans_b: int = 0
    infs_a: int = 0
    infs_b: int = 0
    signed_zeros: int = 0
    """Elements that are 0.0 on one side and -0.0 on the other."""


FIGURES = Change.__struct_fields__
"""The names of the figures, in their order."""


class RunningChange:
    """A :class:`Change` in the making."""

    def __init__(self, tolerance: Tolerance, distance: Distance | None = None) -> None:
        """Begin; ``distance`` are a thread's buffers, lent until ``rest``; None makes some when they are wanted."""
        self._tolerance = tolerance
        self._sums = dict.fromkeys(("abs", "difference", "a", "b", "dot"), 0.0)
        self._counts = dict.fromkeys(
            ("all", "changed", "beyond", "finite", "nans_a", "nans_b", "infs_a", "infs_b", "signed_zeros"), 0
        )
        self._max_abs: float | int = 0
        self._max_rel = 0.0
        self._numeric = True
        self._distance = distance

    def add(self, a: Array, b: Array) -> None:
        """Take in the same elements of both sides."""
        one, other = a.reshape(-1), b.reshape(-1)
        for at in range(0, one.size, PIECE):
            self._add_piece(one[at : at + PIECE], other[at : at + PIECE])

    def rest(self) -> None:
        """Let go of the buffers: only the figures are wanted from now on."""
        self._distance = None

    def merge(self, later: RunningChange) -> None:
        """Take in what another one has: elements that come after those of this one."""
        for name, count in later._counts.items():
            self._counts[name] += count
        for name, value in later._sums.items():
            self._sums[name] += value
        self._max_abs = max(self._max_abs, later._max_abs)
        self._max_rel = max(self._max_rel, later._max_rel)
        self._numeric = self._numeric and later._numeric

    def _add_piece(self, a: Array, b: Array) -> None:
        self._counts["all"] += a.size
        if not (is_numeric(a.dtype) and is_numeric(b.dtype)):
            self._numeric = False
            self._count(changed := changed_objects(a, b), beyond=changed)
        elif a.dtype.kind in "biu" and b.dtype.kind in "biu":
            self._add_integers(a, b)
        elif not (is_float(a.dtype) and is_float(b.dtype) and self._add_finite(a, b)):
            self._add_floats(*_widened(a, b))

    def _add_finite(self, a: Array, b: Array) -> bool:
        """Take in two pieces of the usual kind, and fast: real floats. False where some are not finite."""
        self._distance = self._distance or Distance()
        figures = self._distance.between(a, b, self._tolerance.rtol, self._tolerance.atol)
        if figures is None:
            return False
        for name in self._sums:
            self._sums[name] += getattr(figures, name)
        self._max_abs = max(self._max_abs, figures.max_abs)
        self._max_rel = max(self._max_rel, figures.max_rel)
        self._counts["finite"] += a.size
        self._counts["signed_zeros"] += figures.signed_zeros
        self._count(figures.changed, beyond=figures.beyond)
        return True

    def _count(self, changed: int, *, beyond: int) -> None:
        self._counts["changed"] += changed
        self._counts["beyond"] += beyond

    def _add_integers(self, a: Array, b: Array) -> None:
        """The difference of two integers is exact: an unsigned number of 64 bits holds it."""
        difference = integer_distance(a, b)
        self._max_abs = max(self._max_abs, int(difference.max()))
        self._norms(as_float(a), as_float(b), difference.astype(float))
        same = difference == 0
        self._settle(~same, difference.astype(float), abs(as_float(b)), same)

    def add_equal(self, values: Array) -> None:
        """Take in the same elements of both sides, which are the same bit for bit: they count for the norms alone."""
        flat = values.reshape(-1)
        for at in range(0, flat.size, PIECE):
            self._add_equal_piece(flat[at : at + PIECE])

    def _add_equal_piece(self, values: Array) -> None:
        self._counts["all"] += values.size
        if not is_numeric(values.dtype):
            self._numeric = False
        elif not (is_float(values.dtype) and self._add_equal_finite(values)):
            self._add_equal_numbers(values)

    def _add_equal_finite(self, values: Array) -> bool:
        """Take in a piece of real floats that are equal; False where some are not finite."""
        self._distance = self._distance or Distance()
        square = self._distance.square(values)
        if not math.isfinite(square):
            return False
        self._counts["finite"] += values.size
        for name in ("a", "b", "dot"):
            self._sums[name] += square
        return True

    def _add_equal_numbers(self, values: Array) -> None:
        import numpy as np

        numbers = exact_float(values)
        finite = np.isfinite(numbers)
        if not finite.all():
            nans, infs = int(np.count_nonzero(np.isnan(numbers))), int(np.count_nonzero(np.isinf(numbers)))
            for side in ("a", "b"):
                self._counts["nans_" + side] += nans
                self._counts["infs_" + side] += infs
            numbers = numbers[finite]
        with np.errstate(over="ignore", invalid="ignore"):
            square = float(np.vdot(numbers, numbers).real)
        self._counts["finite"] += numbers.size
        for name in ("a", "b", "dot"):
            self._sums[name] += square

    def _add_floats(self, a: Array, b: Array) -> None:
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(a - b)
        if not np.isfinite(difference).all():
            self._add_special(a, b, difference)
            return
        # The usual case, and the fast one: all is finite on both sides.
        self._max_abs = max(self._max_abs, float(difference.max()))
        self._norms(a, b, difference)
        changed = difference != 0
        if not changed.all():
            turned = np.signbit(a.real) != np.signbit(b.real)
            self._counts["signed_zeros"] += int(np.count_nonzero(turned & (a == 0) & (b == 0)))
        self._settle(changed, difference, np.abs(b), ~changed)

    def _add_special(self, a: Array, b: Array, difference: Array) -> None:
        """Take in values of which some are NaN or infinite."""
        import numpy as np

        same = a == b
        difference[same] = 0.0  # Inf - Inf is NaN
        difference[np.isinf(a) & np.isinf(b) & ~same] = np.inf  # and so it is in one part of a complex number
        nan_a, nan_b = np.isnan(a), np.isnan(b)
        finite = np.isfinite(a) & np.isfinite(b)
        self._special(a, b, nan_a, nan_b)
        if self._tolerance.nan_equal:
            same |= nan_a & nan_b
        numbers = difference[~(nan_a | nan_b)]
        if numbers.size:
            self._max_abs = max(self._max_abs, float(numbers.max()))
        self._norms(a[finite], b[finite], difference[finite])
        self._settle(~same, difference, np.abs(b), same)

    def _special(self, a: Array, b: Array, nan_a: Array, nan_b: Array) -> None:
        """Count what is no ordinary number, and zeros of two signs."""
        import numpy as np

        for name, values, nan in (("a", a, nan_a), ("b", b, nan_b)):
            self._counts["nans_" + name] += int(np.count_nonzero(nan))
            self._counts["infs_" + name] += int(np.count_nonzero(np.isinf(values)))
        zero = (a == 0) & (b == 0)
        if zero.any():
            turned = np.signbit(a.real) != np.signbit(b.real)
            self._counts["signed_zeros"] += int(np.count_nonzero(zero & turned))

    def _norms(self, a: Array, b: Array, difference: Array) -> None:
        """Add to the sums that the norms are made of, over finite elements."""
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            self._counts["finite"] += a.size
            self._sums["abs"] += float(difference.sum())
            self._sums["difference"] += float(np.dot(difference, difference))
            self._sums["a"] += float(np.vdot(a, a).real)
            self._sums["b"] += float(np.vdot(b, b).real)
            self._sums["dot"] += float(np.vdot(a, b).real)

    def _settle(self, changed: Array, difference: Array, size_b: Array, same: Array) -> None:
        """Count what changed and what lies beyond the tolerance, and find the largest relative difference."""
        import numpy as np

        count = int(np.count_nonzero(changed))
        if not count:
            return
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            relative = np.divide(difference, size_b, out=np.zeros_like(difference), where=size_b > 0)
        largest = float(np.nanmax(relative)) if not np.isnan(relative).all() else 0.0
        self._max_rel = max(self._max_rel, largest)
        self._count(count, beyond=count if self._tolerance.exact else self._beyond(difference, size_b, same))

    def _beyond(self, difference: Array, size_b: Array, same: Array) -> int:
        """How many elements differ by more than the tolerance."""
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            allowed = self._tolerance.atol + self._tolerance.rtol * size_b
            within = same | ((difference <= allowed) & np.isfinite(size_b))
        return int(np.count_nonzero(~within))

    def result(self) -> Change:
        """Return the figures of all that was taken in."""
        counts, sums = self._counts, self._sums
        if not self._numeric:
            return Change(count=counts["all"], changed=counts["changed"], beyond=counts["beyond"])
        norm_a, norm_b = math.sqrt(sums["a"]), math.sqrt(sums["b"])
        return Change(
            count=counts["all"],
            changed=counts["changed"],
            beyond=counts["beyond"],
            max_abs=self._max_abs,
            max_rel=self._max_rel,
            mean_abs=sums["abs"] / counts["finite"] if counts["finite"] else None,
            relative_l2=_ratio(math.sqrt(sums["difference"]), norm_a),
            cosine=sums["dot"] / (norm_a * norm_b) if norm_a and norm_b else None,
            nans_a=counts["nans_a"],
            nans_b=counts["nans_b"],
            infs_a=counts["infs_a"],
            infs_b=counts["infs_b"],
            signed_zeros=counts["signed_zeros"],
        )


def _ratio(difference: float, norm: float) -> float:
    if difference == 0:
        return 0.0
    return difference / norm if norm else math.inf


def _widened(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both sides in one type that holds either exactly, wherever there is one."""
    import numpy as np

    one, other = exact_float(a), exact_float(b)
    if "c" in (one.dtype.kind, other.dtype.kind):
        return one.astype(np.complex128), other.astype(np.complex128)
    common = np.promote_types(one.dtype, other.dtype)
    return one.astype(common), other.astype(common)
