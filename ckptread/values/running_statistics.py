"""The statistics of values, accumulated piece by piece.

Sums are taken in float64 of blocks of 32,768 elements, counted from the tensor's first, and added exactly
(``math.fsum``): neither how the values are read nor the number of threads changes a bit of the result. The sums of
integers, and of numbers of one byte, are exact. NaN and infinities are counted, and left out of mean, std and L2 norm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.values.numbers import is_numeric, numbers_in, why_unjudged
from ckptread.values.widening import PIECE, as_float, code_values, product_sum

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

TEXTS = "OSU"
"""The kinds of arrays whose elements may be strings."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of a tensor's values; None if they are undefined (strings, records, empty tensors)."""

    count: int
    minimum: float | int | None = None
    """The smallest value, infinities included, NaN not; None for complex numbers."""
    maximum: float | int | None = None
    mean: float | None = None
    """Of the finite values."""
    std: float | None = None
    """Population standard deviation of the finite values; for complex numbers, of |x - mean|."""
    l2: float | None = None
    """Square root of the sum of squares of the finite values."""
    zeros: int | None = None
    """Elements that equal zero; for strings, empty ones; None for records and lists."""
    nans: int | None = None
    """NaN among the values, and the numbers in records and lists; None where there is no number that could be one."""
    infs: int | None = None
    unjudged: str = ""
    """What in the values cannot be judged: 'opaque bytes', 'references' or 'dates'; "" if all can be."""


class _Block(msgspec.Struct, frozen=True):
    """Sums over the finite numbers of a block."""

    count: int
    total: complex
    deviation: float
    """The sum of squared distances to their mean."""

    def distance(self, mean: complex) -> float:
        """Return the sum of squared distances of their own mean to another one."""
        away = self.total / self.count - mean
        return self.count * (away.real * away.real + away.imag * away.imag)


class RunningStatistics:
    """Accumulates the statistics of values that come in pieces."""

    def __init__(self) -> None:
        self._count = self._zeros = self._nans = self._infs = 0
        self._minimum: Any = None
        self._maximum: Any = None
        self._blocks: list[_Block] = []
        self._waiting: list[Array] = []  # widened numbers of a block that is not complete
        self._waits = 0
        self._codes: dict[np.dtype[Any], Array] = {}  # how often each byte occurs
        self._numeric = True
        self._real = self._whole = True
        self._integers: int | None = None  # the exact sum, where float64 would round it
        self._empty: int | None = None  # strings
        self._inner: RunningStatistics | None = None  # of the numbers in records and lists
        self._unjudged = ""

    def add(self, values: Array) -> None:
        """Add some values, flat."""
        self._count += values.size
        if is_numeric(values.dtype):
            if values.size:
                self._add_numbers(values)
        else:
            self._numeric = False
            self._add_others(values)

    def _add_others(self, values: Array) -> None:
        """Add values that are not numbers, but may have some in them."""
        self._unjudged = self._unjudged or why_unjudged(values)
        if values.dtype.kind in TEXTS:
            texts = [value for value in values.tolist() if isinstance(value, bytes | str)]
            if texts:
                self._empty = (self._empty or 0) + sum(not text for text in texts)
        for numbers in numbers_in(values):
            self._inner = self._inner or RunningStatistics()
            self._inner.add(numbers)

    def _add_numbers(self, values: Array) -> None:
        self._real = self._real and values.dtype.kind != "c"
        self._whole = self._whole and values.dtype.kind in "biu"
        if values.dtype.itemsize == 1:
            self._count_codes(values)
            return
        at = 0
        while at < values.size:
            part = values[at : at + PIECE - self._waits]
            self._widen(part)
            at += part.size
            if self._waits == PIECE:
                self._end_block()

    def _count_codes(self, values: Array) -> None:
        import numpy as np

        codes = values.view(np.uint8)
        known = self._codes.setdefault(values.dtype, np.zeros(256, np.int64))
        for at in range(0, codes.size, PIECE):
            known += np.bincount(codes[at : at + PIECE], minlength=256)

    def _widen(self, values: Array) -> None:
        """Widen some values of a block; what float64 may round is measured before."""
        import numpy as np

        numbers = as_float(values)
        self._zeros += int(np.count_nonzero((values if values.dtype == np.longdouble else numbers) == 0))
        if values.dtype.kind in "iu":
            self._update_bounds(values)
            if values.dtype.itemsize == 8:
                self._integers = (self._integers or 0) + _exact_sum(values)
        self._waiting.append(numbers)
        self._waits += values.size

    def _end_block(self) -> None:
        import numpy as np

        numbers = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting, self._waits = [], 0
        with np.errstate(over="ignore", invalid="ignore"):
            total = numbers.sum()
            if not np.isfinite(total):  # usually all values are finite
                numbers = self._drop_special(numbers)
                total = numbers.sum()
            if not self._whole and self._real and numbers.size:
                self._update_bounds(numbers)
            if numbers.size:
                mean = total / numbers.size
                numbers -= mean
                self._blocks.append(_Block(numbers.size, total.item(), product_sum(numbers, numbers)))

    def _drop_special(self, numbers: Array) -> Array:
        """Count NaN and infinities; return the finite numbers."""
        import numpy as np

        finite, nans = np.isfinite(numbers), np.isnan(numbers)
        self._nans += int(np.count_nonzero(nans))
        self._infs += int(np.count_nonzero(~finite & ~nans))
        if self._real and not nans.all():
            self._update_bounds(numbers[~nans])
        return numbers[finite]

    def _update_bounds(self, values: Array) -> None:
        """Update minimum and maximum. Integers keep their type, as float64 would round large ones."""
        low, high = values.min().item(), values.max().item()
        self._minimum = low if self._minimum is None else min(low, self._minimum)
        self._maximum = high if self._maximum is None else max(high, self._maximum)

    def _end_codes(self) -> None:
        """Add the numbers of one byte."""
        import numpy as np

        for dtype, counts in self._codes.items():
            numbers = code_values(dtype)
            self._zeros += int(counts[numbers == 0].sum())
            self._nans += int(counts[np.isnan(numbers)].sum())
            self._infs += int(counts[np.isinf(numbers)].sum())
            known = (counts > 0) & ~np.isnan(numbers)
            if known.any():
                self._update_bounds(numbers[known])
            finite = known & np.isfinite(numbers)
            if finite.any():
                self._blocks.append(_block_of_counts(numbers[finite], counts[finite]))
        self._codes = {}

    def result(self) -> Statistics:
        """Return the statistics of all values so far."""
        if not self._numeric:
            inner = Statistics(count=0) if self._inner is None else self._inner.result()
            return Statistics(
                count=self._count, zeros=self._empty, nans=inner.nans, infs=inner.infs, unjudged=self._unjudged
            )
        if self._waits:
            self._end_block()
        self._end_codes()
        kind = int if self._whole else float
        mean, std, l2 = self._moments()
        return Statistics(
            count=self._count,
            minimum=None if self._minimum is None else kind(self._minimum) + 0,  # -0.0 becomes 0.0
            maximum=None if self._maximum is None else kind(self._maximum) + 0,
            mean=mean.real if mean is not None and self._real else None,
            std=std,
            l2=l2,
            zeros=self._zeros,
            nans=self._nans,
            infs=self._infs,
        )

    def _moments(self) -> tuple[complex | None, float | None, float | None]:
        """Return the mean, the standard deviation and the L2 norm."""
        count = sum(block.count for block in self._blocks)
        if not count:
            return None, None, None
        mean = self._total() / count
        deviation = _add_up([block.deviation for block in self._blocks])
        between = _add_up([block.distance(mean) for block in self._blocks])
        around_zero = _add_up([block.distance(0) for block in self._blocks])
        return mean, math.sqrt((deviation + between) / count), math.sqrt(deviation + around_zero)

    def _total(self) -> complex:
        """Return the sum of all finite numbers."""
        if self._integers is not None:
            return self._integers
        totals = [block.total for block in self._blocks]
        real = _add_up([total.real for total in totals])
        return real if self._real else complex(real, _add_up([total.imag for total in totals]))


def _block_of_counts(numbers: Array, counts: Array) -> _Block:
    """Return the sums of numbers of which each occurs several times."""
    count, total = int(counts.sum()), math.fsum((numbers * counts).tolist())
    distances = numbers - total / count
    return _Block(count, total, math.fsum((distances * distances * counts).tolist()))


def _add_up(values: Sequence[float]) -> float:
    """Return the exact sum, rounded once; infinite, or NaN, where float64 cannot hold it."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def _exact_sum(values: Array) -> int:
    """Return the sum of 64-bit integers."""
    import numpy as np

    low, high = int(values.min()), int(values.max())
    if max(-low, high) * values.size < 1 << 63:
        return int(values.sum())
    upper, lower = values >> 32, values & np.array(0xFFFFFFFF, values.dtype)
    return (int(upper.sum()) << 32) + int(lower.sum())
