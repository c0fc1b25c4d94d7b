"""How far two pieces of values lie apart: floats in buffers that are used again, integers exactly.

Floats are worked on in float64, over pieces of which four fit into a processor's own cache. Where a value is not finite
there is no answer, and the caller has slower ways. Dot products are of rows that are too short for BLAS to start
threads of its own for: those would wait for each other, and for ours.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.values.statistics import PIECE, ROW

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of two pieces, a and b, all finite; what they mean, :class:`ckptread.values.difference.Change` says."""

    abs: float
    """Sum of |a - b|."""
    difference: float
    """(a - b) · (a - b)."""
    a: float
    """a · a."""
    b: float
    dot: float
    """a · b."""
    max_abs: float
    max_rel: float
    changed: int
    beyond: int
    signed_zeros: int


class Distance:
    """The buffers; not to be shared between threads."""

    def __init__(self) -> None:
        import numpy as np

        self._a, self._b, self._apart, self._spare = (np.zeros(PIECE) for _ in range(4))
        self._flags = np.empty(PIECE, bool)

    def between(self, a: Array, b: Array, rtol: float, atol: float) -> Apart | None:
        """Return the figures of two pieces of at most PIECE elements; None where something is not finite."""
        import numpy as np

        count = a.size
        with np.errstate(all="ignore"):
            self._fill(self._a, a)
            self._fill(self._b, b)
            np.subtract(self._a, self._b, out=self._apart)
            np.abs(self._apart, out=self._apart)
            total = float(np.add.reduce(self._apart))
            if not math.isfinite(total):
                return None
            changed = self._changed(a, b)
            return Apart(
                abs=total,
                difference=_dot(self._apart, self._apart),
                a=_dot(self._a, self._a),
                b=_dot(self._b, self._b),
                dot=_dot(self._a, self._b),
                max_abs=float(np.maximum.reduce(self._apart)),
                max_rel=self._largest_relative(count) if changed else 0.0,
                changed=changed,
                beyond=self._beyond(count, rtol, atol) if rtol or atol else changed,
                signed_zeros=self._signed_zeros(a, b, changed),
            )

    def square(self, values: Array) -> float:
        """Return the sum of squares; not finite where a value is not, or where it is too large."""
        import numpy as np

        with np.errstate(all="ignore"):
            self._fill(self._a, values)
            return _dot(self._a, self._a)

    def _fill(self, buffer: Array, values: Array) -> None:
        """Put values into a buffer, with zeros behind them: they change no sum."""
        import numpy as np

        small = values.dtype.kind == "V"  # ml_dtypes' own way to float64 is slow
        buffer[: values.size] = values.astype(np.float32) if small else values
        buffer[values.size :] = 0

    def _changed(self, a: Array, b: Array) -> int:
        import numpy as np

        plain = a.dtype == b.dtype and a.dtype.kind == "f" and a.dtype.itemsize >= 4
        one, other = (a, b) if plain else (self._a[: a.size], self._b[: a.size])
        flags = np.not_equal(one, other, out=self._flags[: a.size])
        return int(np.count_nonzero(flags))

    def _largest_relative(self, count: int) -> float:
        """Return the largest |a - b| / |b| where b is not zero; 0 where there is none."""
        import numpy as np

        apart, size, ratio = self._apart[:count], self._b[:count], self._spare[:count]
        np.divide(apart, size, out=ratio)
        largest = max(float(np.maximum.reduce(ratio)), -float(np.minimum.reduce(ratio)))
        if math.isfinite(largest):
            return largest
        ratio[:] = 0  # some b is zero
        np.divide(apart, size, out=ratio, where=size != 0)
        return max(float(np.maximum.reduce(ratio)), -float(np.minimum.reduce(ratio)))

    def _beyond(self, count: int, rtol: float, atol: float) -> int:
        """Count the elements of which |a - b| > atol + rtol * |b|."""
        import numpy as np

        allowed = np.abs(self._b[:count], out=self._spare[:count])
        allowed *= rtol
        allowed += atol
        same = self._apart[:count] == 0  # whatever is allowed: infinity times zero is no number
        within = np.less_equal(self._apart[:count], allowed, out=self._flags[:count])
        return count - int(np.count_nonzero(within | same))

    def _signed_zeros(self, a: Array, b: Array, changed: int) -> int:
        """Count the zeros of two signs: elements that are equal, but not in every bit."""
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
    """Whether values are real floats that 64 bits hold exactly: numpy's own, or ml_dtypes' small ones."""
    return dtype.kind in "fV" and dtype.itemsize <= 8 and not dtype.type.__name__.startswith(("int", "uint"))


def integer_distance(a: Array, b: Array) -> Array:
    """Return |a - b| as uint64, of integers of any two types: subtraction modulo 2^64 is exact."""
    import numpy as np

    wide_a, wide_b = _wide(a), _wide(b)
    if wide_a.dtype != wide_b.dtype:  # one signed, one not: offset both, so that they compare as unsigned
        return _mixed_distance(a, b)
    larger = wide_a >= wide_b
    one, other = wide_a.view(np.uint64), wide_b.view(np.uint64)
    distance: Array = np.where(larger, one - other, other - one)
    return distance


def _wide(values: Array) -> Array:
    import numpy as np

    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return values.astype(np.uint64)
    return values.astype(np.int64)


def _mixed_distance(a: Array, b: Array) -> Array:
    """An int64 and a uint64: as Python's integers, of any size; the distance saturates at 2^64 - 1."""
    import numpy as np

    limit = (1 << 64) - 1
    distances = [min(abs(x - y), limit) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    return np.array(distances, np.uint64)


def _differ(one: object, other: object) -> bool:
    """Whether two objects differ: text, or HDF5's arrays of any length, of which NaN equals NaN as everywhere."""
    import numpy as np

    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return not alike or (one.tobytes() != other.tobytes() if not one.dtype.hasobject else repr(one) != repr(other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) != len(other) or any(_differ(x, y) for x, y in zip(one, other, strict=True))
    return type(one) is not type(other) or one != other


def changed_objects(a: Array, b: Array) -> int:
    """How many elements differ that are no numbers: strings by value, records by their bytes."""
    if a.dtype.hasobject or b.dtype.hasobject or a.dtype.kind in "SU":
        return sum(_differ(x, y) for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    one = a.view("u1").reshape(a.size, -1)
    other = b.view("u1").reshape(b.size, -1)
    return int((one != other).any(axis=1).sum())
