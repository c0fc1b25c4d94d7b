"""The arithmetic of differences: of floats in reused buffers, and of integers exactly.

Floats are computed in float64, in pieces of which four fit into a processor's cache. Pieces with values that are not
finite are left to slower code. Dot products are of rows that are too short for BLAS to start threads of its own for:
those would compete with ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ckptread.values.difference import ChangeSums
from ckptread.values.statistics import PIECE, ROW

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


class FloatKernel:
    """Compares pieces of floats in buffers that are used again; not to be shared between threads."""

    def __init__(self) -> None:
        import numpy as np

        self._a, self._b, self._difference, self._spare = (np.zeros(PIECE) for _ in range(4))
        self._flags = np.empty(PIECE, bool)

    def compare(self, a: Array, b: Array, rtol: float, atol: float) -> ChangeSums | None:
        """Return the sums of two pieces of at most PIECE elements; None where a value is not finite."""
        import numpy as np

        count = a.size
        with np.errstate(all="ignore"):
            self._fill(self._a, a)
            self._fill(self._b, b)
            np.subtract(self._a, self._b, out=self._difference)
            np.abs(self._difference, out=self._difference)
            total = float(np.add.reduce(self._difference))
            if not math.isfinite(total):
                return None
            changed = self._count_changed(a, b)
            return ChangeSums(
                finite=count,
                absolute=total,
                square=_dot(self._difference, self._difference),
                square_a=_dot(self._a, self._a),
                square_b=_dot(self._b, self._b),
                product=_dot(self._a, self._b),
                max_abs=float(np.maximum.reduce(self._difference)),
                max_rel=self._largest_relative(count) if changed else 0.0,
                changed=changed,
                beyond=self._count_beyond(count, rtol, atol) if rtol or atol else changed,
                signed_zeros=self._count_signed_zeros(a, b, changed),
            )

    def square(self, values: Array) -> float:
        """Return the sum of squares; not finite if a value is not, or if the sum is too large."""
        import numpy as np

        with np.errstate(all="ignore"):
            self._fill(self._a, values)
            return _dot(self._a, self._a)

    def _fill(self, buffer: Array, values: Array) -> None:
        """Put values into a buffer, and zeros, which change no sum, after them."""
        import numpy as np

        small = values.dtype.kind == "V"  # ml_dtypes converts slowly to float64
        buffer[: values.size] = values.astype(np.float32) if small else values
        buffer[values.size :] = 0

    def _count_changed(self, a: Array, b: Array) -> int:
        import numpy as np

        plain = a.dtype == b.dtype and a.dtype.kind == "f" and a.dtype.itemsize >= 4
        one, other = (a, b) if plain else (self._a[: a.size], self._b[: a.size])
        flags = np.not_equal(one, other, out=self._flags[: a.size])
        return int(np.count_nonzero(flags))

    def _largest_relative(self, count: int) -> float:
        """Return the largest |a - b| / |b| where b is not zero; 0 if b is zero everywhere."""
        import numpy as np

        difference, size, ratio = self._difference[:count], self._b[:count], self._spare[:count]
        np.divide(difference, size, out=ratio)
        largest = max(float(np.maximum.reduce(ratio)), -float(np.minimum.reduce(ratio)))
        if math.isfinite(largest):
            return largest
        ratio[:] = 0  # some b is zero
        np.divide(difference, size, out=ratio, where=size != 0)
        return max(float(np.maximum.reduce(ratio)), -float(np.minimum.reduce(ratio)))

    def _count_beyond(self, count: int, rtol: float, atol: float) -> int:
        """Count the elements with |a - b| > atol + rtol * |b|."""
        import numpy as np

        allowed = np.abs(self._b[:count], out=self._spare[:count])
        allowed *= rtol
        allowed += atol
        same = self._difference[:count] == 0  # for any tolerance: infinity times zero is NaN
        within = np.less_equal(self._difference[:count], allowed, out=self._flags[:count])
        return count - int(np.count_nonzero(within | same))

    def _count_signed_zeros(self, a: Array, b: Array, changed: int) -> int:
        """Count zeros of different signs: elements that are equal, but not in every bit."""
        import numpy as np

        if changed == a.size:
            return 0
        if a.dtype != b.dtype or a.dtype.kind != "f":
            one, other = self._a[: a.size].view(np.uint64), self._b[: a.size].view(np.uint64)
        else:
            one, other = (each.view(f"u{each.dtype.itemsize}") for each in (a, b))
        return int(np.count_nonzero(np.not_equal(one, other, out=self._flags[: a.size]))) - changed


def _dot(one: Array, other: Array) -> float:
    import numpy as np

    return float(np.matmul(one.reshape(-1, 1, ROW), other.reshape(-1, ROW, 1)).sum())


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether values are real floats, of numpy or ml_dtypes, that a float64 holds exactly."""
    return dtype.kind in "fV" and dtype.itemsize <= 8 and not dtype.type.__name__.startswith(("int", "uint"))


def integer_difference(a: Array, b: Array) -> Array:
    """Return |a - b| of integers of any two types, exactly: as uint64, or as objects where that is too small."""
    import numpy as np

    wide_a, wide_b = _wide(a), _wide(b)
    if wide_a.dtype != wide_b.dtype:
        return _mixed_difference(a, b)
    larger = wide_a >= wide_b
    one, other = wide_a.view(np.uint64), wide_b.view(np.uint64)
    difference: Array = np.where(larger, one - other, other - one)
    return difference


def _wide(values: Array) -> Array:
    import numpy as np

    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return values.astype(np.uint64)
    return values.astype(np.int64)


def _mixed_difference(a: Array, b: Array) -> Array:
    """Compute in Python's integers, which have any size; the result has them where 64 bits do not hold all."""
    import numpy as np

    differences = [abs(x - y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array(differences, np.uint64 if max(differences, default=0) < 1 << 64 else object)
