"""The arithmetic of differences: of floats in reused buffers, and of integers exactly.

Floats are computed in float64, in pieces of which four fit into a processor's cache. Pieces with values that are not
finite are left to slower code.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from ckptread.values.difference import ChangeSums, Tolerance, larger
from ckptread.values.widening import PIECE, dot, fits_float, widen_into

if TYPE_CHECKING:
    from ckptread.tensors import Array

LARGEST_EXACT = 2.0**52
"""Integers up to this size, and their differences, are exact in float64."""
_THREAD = threading.local()


def thread_kernel() -> FloatKernel:
    """Return the kernel of this thread: new buffers for every tensor would be cleared by the system each time."""
    kernel: FloatKernel | None = getattr(_THREAD, "kernel", None)
    if kernel is None:
        kernel = _THREAD.kernel = FloatKernel()
    return kernel


class FloatKernel:
    """Compares pieces of real numbers in buffers that are used again; not to be shared between threads."""

    def __init__(self) -> None:
        import numpy as np

        self._buffers = [np.empty(PIECE) for _ in range(4)]
        self._flags = np.empty(PIECE, bool)

    def compare(self, a: Array, b: Array, tolerance: Tolerance, sums: ChangeSums) -> bool:
        """Add two pieces of at most PIECE elements; return False, and add nothing, where float64 does not hold them.

        Some value is not finite, then, or an integer is beyond 2**52.
        """
        import numpy as np

        with np.errstate(all="ignore"):
            one, other = widen_into(self._buffers[0], a), widen_into(self._buffers[1], b)
            difference = np.subtract(one, other, out=self._buffers[2][: a.size])
            np.abs(difference, out=difference)
            absolute, squares = float(np.add.reduce(difference)), (dot(one, one), dot(other, other))
            exact = fits_float(a.dtype) and fits_float(b.dtype)
            if not math.isfinite(absolute) or not (exact or max(squares) < LARGEST_EXACT**2):
                return False
            changed = self._count_changed(a, b, one, other)
            zeros = 0 if changed == a.size else self._count_other_bits(a, b, one, other) - changed
            self._add(sums, one, other, difference, absolute, squares, changed, tolerance)
            sums.signed_zeros += zeros
            sums.max_abs = larger(sums.max_abs, float(np.maximum.reduce(difference)))
        return True

    def compare_integers(self, a: Array, b: Array, tolerance: Tolerance, sums: ChangeSums) -> None:
        """Add two pieces of integers, whose differences are exact before they are rounded to float64."""
        import numpy as np

        exact = integer_difference(a, b)
        one, other = widen_into(self._buffers[0], a), widen_into(self._buffers[1], b)
        difference = widen_into(self._buffers[2], exact)
        absolute, squares = float(np.add.reduce(difference)), (dot(one, one), dot(other, other))
        with np.errstate(all="ignore"):
            self._add(sums, one, other, difference, absolute, squares, int(np.count_nonzero(exact)), tolerance)
        sums.max_abs = larger(sums.max_abs, int(exact.max()))

    def _add(
        self, sums: ChangeSums, a: Array, b: Array, difference: Array, absolute: float, squares: tuple[float, float],
        changed: int, tolerance: Tolerance,
    ) -> None:  # fmt: skip
        sums.finite += a.size
        sums.absolute += absolute
        sums.square += dot(difference, difference)
        sums.square_a += squares[0]
        sums.square_b += squares[1]
        sums.product += dot(a, b)
        sums.changed += changed
        sums.beyond += changed if tolerance.exact else self._count_beyond(difference, b, tolerance)
        if changed:
            sums.max_rel = max(sums.max_rel, self._largest_relative(difference, b))

    def square(self, values: Array) -> float:
        """Return the sum of squares; not finite if a value is not, or if the sum is too large."""
        import numpy as np

        with np.errstate(all="ignore"):
            numbers = widen_into(self._buffers[0], values)
            return dot(numbers, numbers)

    def _count_changed(self, a: Array, b: Array, one: Array, other: Array) -> int:
        """Count different values, as they are stored where numpy compares those fast."""
        import numpy as np

        plain = a.dtype == b.dtype and (a.dtype.kind in "biu" or (a.dtype.kind == "f" and a.dtype.itemsize >= 4))
        flags = np.not_equal(*((a, b) if plain else (one, other)), out=self._flags[: a.size])
        return int(np.count_nonzero(flags))

    def _count_other_bits(self, a: Array, b: Array, one: Array, other: Array) -> int:
        """Count elements that are not the same bit for bit: they differ, or are zeros of different signs."""
        import numpy as np

        if a.dtype != b.dtype or a.dtype.kind == "V":
            a, b = one, other
        bits = f"u{a.dtype.itemsize}"
        return int(np.count_nonzero(np.not_equal(a.view(bits), b.view(bits), out=self._flags[: a.size])))

    def _largest_relative(self, difference: Array, size: Array) -> float:
        """Return the largest |a - b| / |b| where b is not zero; 0 if b is zero everywhere."""
        import numpy as np

        ratio = np.divide(difference, size, out=self._buffers[3][: size.size])
        largest = max(float(np.maximum.reduce(ratio)), -float(np.minimum.reduce(ratio)))
        if math.isfinite(largest):
            return largest
        np.copyto(ratio, 0.0, where=np.equal(size, 0, out=self._flags[: size.size]))
        return max(float(np.maximum.reduce(ratio)), -float(np.minimum.reduce(ratio)))

    def _count_beyond(self, difference: Array, size: Array, tolerance: Tolerance) -> int:
        """Count the elements with |a - b| > atol + rtol * |b|."""
        import numpy as np

        allowed = np.abs(size, out=self._buffers[3][: size.size])
        allowed *= tolerance.rtol
        allowed += tolerance.atol
        same = difference == 0  # for any tolerance: infinity times zero is NaN
        within = np.less_equal(difference, allowed, out=self._flags[: size.size])
        return size.size - int(np.count_nonzero(within | same))


def integer_difference(a: Array, b: Array) -> Array:
    """Return |a - b| of integers of any two types, exactly: as uint64, or as objects where that is too small."""
    import numpy as np

    wide_a, wide_b = _wide(a), _wide(b)
    if wide_a.dtype != wide_b.dtype:
        return _mixed_difference(a, b)
    difference: Array = np.maximum(wide_a, wide_b).view(np.uint64)
    difference -= np.minimum(wide_a, wide_b).view(np.uint64)
    return difference


def _wide(values: Array) -> Array:
    import numpy as np

    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return values.astype(np.uint64, copy=False)
    return values.astype(np.int64, copy=False)


def _mixed_difference(a: Array, b: Array) -> Array:
    """Compute in Python's integers, which have any size; the result has them where 64 bits do not hold all."""
    import numpy as np

    differences = [abs(x - y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array(differences, np.uint64 if max(differences, default=0) < 1 << 64 else object)
