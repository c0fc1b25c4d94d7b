"""The difference between the values of two tensors, accumulated piece by piece.

Everything is accumulated in float64, or exactly in integers, over pieces that stay in the processor's cache.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ckptread.values.difference import ChangeSums, Tolerance, larger
from ckptread.values.equality import count_changed_objects
from ckptread.values.float_kernels import FloatKernel, integer_difference, is_float
from ckptread.values.numbers import is_numeric
from ckptread.values.statistics import PIECE, exact_float

if TYPE_CHECKING:
    from ckptread.tensors import Array


class RunningChange:
    """Adds up how the elements of two tensors differ: ``sums`` is the result so far."""

    def __init__(self, tolerance: Tolerance, kernel: FloatKernel | None = None) -> None:
        """Begin; ``kernel`` is one that this thread has already, to save its buffers."""
        self.sums = ChangeSums()
        self._tolerance = tolerance
        self._kernel = kernel

    def add(self, a: Array, b: Array) -> None:
        """Add the same elements of both sides."""
        one, other = a.reshape(-1), b.reshape(-1)
        for at in range(0, one.size, PIECE):
            self._add_piece(one[at : at + PIECE], other[at : at + PIECE])

    def add_equal(self, values: Array) -> None:
        """Add elements that are the same on both sides, bit for bit, where NaN equals NaN."""
        flat = values.reshape(-1)
        for at in range(0, flat.size, PIECE):
            self._add_equal_piece(flat[at : at + PIECE])

    def _add_piece(self, a: Array, b: Array) -> None:
        self.sums.count += a.size
        if not (is_numeric(a.dtype) and is_numeric(b.dtype)):
            self.sums.numeric = False
            self._count(changed := count_changed_objects(a, b), beyond=changed)
        elif a.dtype.kind in "biu" and b.dtype.kind in "biu":
            self._add_integers(a, b)
        elif not (is_float(a.dtype) and is_float(b.dtype) and self._add_finite(a, b)):
            self._add_floats(*_widen(a, b))

    def _add_finite(self, a: Array, b: Array) -> bool:
        """Add two pieces of real floats, the usual kind, fast; return False if some values are not finite."""
        self._kernel = self._kernel or FloatKernel()
        sums = self._kernel.compare(a, b, self._tolerance.rtol, self._tolerance.atol)
        if sums is None:
            return False
        self.sums.merge(sums)
        return True

    def _count(self, changed: int, *, beyond: int) -> None:
        self.sums.changed += changed
        self.sums.beyond += beyond

    def _add_integers(self, a: Array, b: Array) -> None:
        """Add integers: the largest difference is exact, and the others are as exact as a long double."""
        exact = integer_difference(a, b)
        self.sums.max_abs = larger(self.sums.max_abs, int(exact.max()))
        one, other = _widen(a, b)
        difference = exact.astype(one.dtype)
        self._add_norms(one, other, difference)
        same = difference == 0
        self._count_changes(~same, difference, abs(other), same)

    def _add_equal_piece(self, values: Array) -> None:
        self.sums.count += values.size
        if not is_numeric(values.dtype):
            self.sums.numeric = False
        elif not (is_float(values.dtype) and self._add_equal_finite(values)):
            self._add_equal_numbers(values)

    def _add_equal_finite(self, values: Array) -> bool:
        """Add a piece of equal real floats; return False if some are not finite."""
        self._kernel = self._kernel or FloatKernel()
        square = self._kernel.square(values)
        if not math.isfinite(square):
            return False
        self.sums.add_equal(values.size, square)
        return True

    def _add_equal_numbers(self, values: Array) -> None:
        import numpy as np

        numbers = exact_float(values)
        finite = np.isfinite(numbers)
        if not finite.all():
            self._count_special(numbers, numbers)
            numbers = numbers[finite]
        with np.errstate(over="ignore", invalid="ignore"):
            square = float(np.vdot(numbers, numbers).real)
        self.sums.add_equal(numbers.size, square)

    def _count_special(self, a: Array, b: Array) -> None:
        """Count NaN and infinities."""
        import numpy as np

        self.sums.nans_a += int(np.count_nonzero(np.isnan(a)))
        self.sums.nans_b += int(np.count_nonzero(np.isnan(b)))
        self.sums.infs_a += int(np.count_nonzero(np.isinf(a)))
        self.sums.infs_b += int(np.count_nonzero(np.isinf(b)))

    def _add_floats(self, a: Array, b: Array) -> None:
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(a - b)
        if not np.isfinite(difference).all():
            self._add_special(a, b, difference)
            return
        # The usual case, and the fast one: all is finite on both sides.
        self.sums.max_abs = larger(self.sums.max_abs, float(difference.max()))
        self._add_norms(a, b, difference)
        changed = difference != 0
        if not changed.all():
            self._count_signed_zeros(a, b)
        self._count_changes(changed, difference, np.abs(b), ~changed)

    def _add_special(self, a: Array, b: Array, difference: Array) -> None:
        """Add values of which some are NaN or infinite."""
        import numpy as np

        same = a == b
        difference[same] = 0.0  # Inf - Inf is NaN
        difference[np.isinf(a) & np.isinf(b) & ~same] = np.inf  # and so it is in one part of a complex number
        nan_a, nan_b = np.isnan(a), np.isnan(b)
        finite = np.isfinite(a) & np.isfinite(b)
        self._count_special(a, b)
        self._count_signed_zeros(a, b)
        if self._tolerance.nan_equal:
            same |= nan_a & nan_b
        numbers = difference[~(nan_a | nan_b)]
        if numbers.size:
            self.sums.max_abs = larger(self.sums.max_abs, float(numbers.max()))
        if (nan_a != nan_b).any():
            self.sums.max_abs = math.nan
        self._add_norms(a[finite], b[finite], difference[finite])
        self._count_changes(~same, difference, np.abs(b), same)

    def _count_signed_zeros(self, a: Array, b: Array) -> None:
        import numpy as np

        zero = (a == 0) & (b == 0)
        if zero.any():
            self.sums.signed_zeros += int(np.count_nonzero(zero & (np.signbit(a.real) != np.signbit(b.real))))

    def _add_norms(self, a: Array, b: Array, difference: Array) -> None:
        """Add finite elements to the five sums."""
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            self.sums.finite += a.size
            self.sums.absolute += float(difference.sum())
            self.sums.square += float(np.dot(difference, difference))
            self.sums.square_a += float(np.vdot(a, a).real)
            self.sums.square_b += float(np.vdot(b, b).real)
            self.sums.product += float(np.vdot(a, b).real)

    def _count_changes(self, changed: Array, difference: Array, size_b: Array, same: Array) -> None:
        """Count what changed and what is beyond the tolerance, and find the largest relative difference."""
        import numpy as np

        count = int(np.count_nonzero(changed))
        if not count:
            return
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            relative = np.divide(difference, size_b, out=np.zeros_like(difference), where=size_b > 0)
        largest = float(np.nanmax(relative)) if not np.isnan(relative).all() else 0.0
        self.sums.max_rel = max(self.sums.max_rel, largest)
        self._count(count, beyond=count if self._tolerance.exact else self._count_beyond(difference, size_b, same))

    def _count_beyond(self, difference: Array, size_b: Array, same: Array) -> int:
        """Return how many elements differ by more than the tolerance."""
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            allowed = self._tolerance.atol + self._tolerance.rtol * size_b
            within = same | ((difference <= allowed) & np.isfinite(size_b))
        return int(np.count_nonzero(~within))


def _widen(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both sides in one type that holds either exactly, if there is one."""
    import numpy as np

    one, other = exact_float(a), exact_float(b)
    if "c" in (one.dtype.kind, other.dtype.kind):
        return one.astype(np.complex128), other.astype(np.complex128)
    common = np.promote_types(one.dtype, other.dtype)
    return one.astype(common), other.astype(common)
