"""The difference between the values of two tensors, accumulated piece by piece.

Everything is accumulated in float64, or exactly in integers, over pieces that stay in the processor's cache.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ckptread.values.difference import ChangeSums, Tolerance, larger
from ckptread.values.equality import count_changed_objects
from ckptread.values.float_kernels import integer_difference, thread_kernel
from ckptread.values.numbers import is_numeric
from ckptread.values.pairs_of_codes import CodePairs
from ckptread.values.widening import PIECE, as_float, exact_float, fits_float, product_sum

if TYPE_CHECKING:
    from ckptread.tensors import Array

FEW = 64 << 10
"""Numbers of one byte are compared one by one where there are fewer: that many pairs of bytes can occur."""


class RunningChange:
    """Adds up how the elements of two tensors differ: ``sums`` is the result so far."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._sums = ChangeSums()
        self._tolerance = tolerance
        self._codes: CodePairs | None = None

    @property
    def sums(self) -> ChangeSums:
        """The result so far."""
        if self._codes is not None:
            pairs, self._codes = self._codes, None
            self._add_codes(pairs)
        return self._sums

    def add(self, a: Array, b: Array) -> None:
        """Add the same elements of both sides."""
        one, other = a.reshape(-1), b.reshape(-1)
        if self._counts_codes(one, other):
            return
        for at in range(0, one.size, PIECE):
            self._add_piece(one[at : at + PIECE], other[at : at + PIECE])

    def _counts_codes(self, a: Array, b: Array) -> bool:
        """Count pairs of bytes, where numbers are of one byte and there are many of them."""
        if not (a.dtype.itemsize == b.dtype.itemsize == 1 and is_numeric(a.dtype) and is_numeric(b.dtype)):
            return False
        if self._codes is None and a.size < FEW:
            return False
        self._codes = self._codes or CodePairs(a.dtype, b.dtype)
        self._codes.add(a, b)
        return True

    def _add_codes(self, pairs: CodePairs) -> None:
        one, other, counts = pairs.values()
        self._sums.count += int(counts.sum())
        self._add_floats(one, other, counts)
        if pairs.whole and not math.isnan(self._sums.max_abs):
            self._sums.max_abs = int(self._sums.max_abs)

    def add_equal(self, values: Array) -> None:
        """Add elements that are the same on both sides, bit for bit, where NaN equals NaN."""
        flat = values.reshape(-1)
        for at in range(0, flat.size, PIECE):
            self._add_equal_piece(flat[at : at + PIECE])

    def _add_piece(self, a: Array, b: Array) -> None:
        self._sums.count += a.size
        if not (is_numeric(a.dtype) and is_numeric(b.dtype)):
            self._sums.numeric = False
            self._count(changed := count_changed_objects(a, b), beyond=changed)
        elif a.dtype.kind in "biu" and b.dtype.kind in "biu":
            self._add_integers(a, b)
        elif not (fits_float(a.dtype) and fits_float(b.dtype) and self._add_finite(a, b)):
            self._add_floats(*_widen(a, b))

    def _add_finite(self, a: Array, b: Array) -> bool:
        """Add two pieces of real numbers, the usual kind, fast; return False if some values are not finite."""
        return thread_kernel().compare(a, b, self._tolerance, self._sums)

    def _count(self, changed: int, *, beyond: int) -> None:
        self._sums.changed += changed
        self._sums.beyond += beyond

    def _add_integers(self, a: Array, b: Array) -> None:
        """Add integers; where float64 does not hold them, their differences are exact before they are rounded."""
        if thread_kernel().compare(a, b, self._tolerance, self._sums):
            self._sums.max_abs = int(self._sums.max_abs)
        elif self._tolerance.exact:
            thread_kernel().compare_integers(a, b, self._tolerance, self._sums)
        else:
            self._add_long_integers(a, b)

    def _add_long_integers(self, a: Array, b: Array) -> None:
        """Add integers of 64 bits as long doubles, which decide on a tolerance."""
        exact = integer_difference(a, b)
        one, other = _widen(a, b)
        difference = exact.astype(one.dtype)
        self._sums.max_abs = larger(self._sums.max_abs, int(exact.max()))
        self._add_norms(one, other, difference, None)
        self._count_changes(difference != 0, difference, abs(other), None)

    def _add_equal_piece(self, values: Array) -> None:
        self._sums.count += values.size
        if not is_numeric(values.dtype):
            self._sums.numeric = False
        elif not (fits_float(values.dtype) and self._add_equal_finite(values)):
            self._add_equal_numbers(values)

    def _add_equal_finite(self, values: Array) -> bool:
        """Add a piece of equal real numbers; return False if some are not finite."""
        square = thread_kernel().square(values)
        if not math.isfinite(square):
            return False
        self._sums.add_equal(values.size, square)
        return True

    def _add_equal_numbers(self, values: Array) -> None:
        import numpy as np

        numbers = as_float(values) if values.dtype.kind in "iu" else exact_float(values)
        finite = np.isfinite(numbers)
        if not finite.all():
            self._count_special(numbers, numbers, None)
            numbers = numbers[finite]
        self._sums.add_equal(numbers.size, product_sum(numbers, numbers))

    def _add_floats(self, a: Array, b: Array, counts: Array | None = None) -> None:
        """Add numbers of which some may be NaN or infinite; each pair occurs as often as ``counts`` says, or once."""
        import numpy as np

        same, nan_a, nan_b = a == b, np.isnan(a), np.isnan(b)
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(a - b)
        difference[same] = 0.0  # Inf - Inf is NaN
        difference[np.isinf(a) & np.isinf(b) & ~same] = np.inf  # and so it is in one part of a complex number
        self._count_special(a, b, counts)
        if self._tolerance.nan_equal:
            same |= nan_a & nan_b
        numbers = difference[~(nan_a | nan_b)]
        if numbers.size:
            self._sums.max_abs = larger(self._sums.max_abs, _plain(numbers.max()))
        if (nan_a != nan_b).any():
            self._sums.max_abs = math.nan
        finite = np.isfinite(a) & np.isfinite(b)
        self._add_norms(a[finite], b[finite], difference[finite], None if counts is None else counts[finite])
        self._count_changes(~same, difference, np.abs(b), counts)

    def _count_special(self, a: Array, b: Array, counts: Array | None) -> None:
        """Count NaN, infinities, and zeros of different signs."""
        import numpy as np

        self._sums.nans_a += _number(np.isnan(a), counts)
        self._sums.nans_b += _number(np.isnan(b), counts)
        self._sums.infs_a += _number(np.isinf(a), counts)
        self._sums.infs_b += _number(np.isinf(b), counts)
        signs = np.signbit(a.real) != np.signbit(b.real)
        self._sums.signed_zeros += _number((a == 0) & (b == 0) & signs, counts)

    def _add_norms(self, a: Array, b: Array, difference: Array, counts: Array | None) -> None:
        """Add finite elements to the five sums."""
        import numpy as np

        all_a, all_b, every = (each if counts is None else each * counts for each in (a, b, difference))
        self._sums.finite += a.size if counts is None else int(counts.sum())
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums.absolute += float(every.sum())
        self._sums.square += product_sum(every, difference)
        self._sums.square_a += product_sum(all_a, a)
        self._sums.square_b += product_sum(all_b, b)
        self._sums.product += product_sum(all_a, b)

    def _count_changes(self, changed: Array, difference: Array, size_b: Array, counts: Array | None) -> None:
        """Count what changed and what is beyond the tolerance, and find the largest relative difference."""
        import numpy as np

        count = _number(changed, counts)
        if not count:
            return
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            relative = np.divide(difference, size_b, out=np.zeros_like(difference), where=size_b > 0)
        largest = float(np.nanmax(relative)) if not np.isnan(relative).all() else 0.0
        self._sums.max_rel = max(self._sums.max_rel, largest)
        beyond = count if self._tolerance.exact else _number(changed & self._is_beyond(difference, size_b), counts)
        self._count(count, beyond=beyond)

    def _is_beyond(self, difference: Array, size_b: Array) -> Array:
        """Return which elements differ by more than the tolerance."""
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            allowed = self._tolerance.atol + self._tolerance.rtol * size_b
            within: Array = (difference <= allowed) & np.isfinite(size_b)
        return ~within


def _number(flags: Array, counts: Array | None) -> int:
    """Return how many elements are flagged."""
    import numpy as np

    return int(np.count_nonzero(flags) if counts is None else counts[flags].sum())


def _widen(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both sides in one type that holds either exactly, if there is one."""
    import numpy as np

    one, other = exact_float(a), exact_float(b)
    if "c" in (one.dtype.kind, other.dtype.kind):
        return one.astype(np.complex128), other.astype(np.complex128)
    common = np.promote_types(one.dtype, other.dtype)
    return one.astype(common), other.astype(common)


def _plain(value: Any) -> float | int:
    """Return a number of numpy as one of Python: a long double beyond a float's exact integers as an integer."""
    plain: float | int = float(value)
    return int(value) if math.isfinite(plain) and abs(plain) > EXACT_FLOAT and value == int(value) else plain


EXACT_FLOAT = 1 << 53
"""Above it, not every integer is a float."""
