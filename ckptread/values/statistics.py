"""Statistics of one tensor's values, in one pass over its blocks.

Sums are computed in float64 over pieces that stay in the processor's cache, and merged by Chan's formula (Chan, Golub
and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances"), so that they do not
depend on the size of the blocks. NaN and infinities are counted, and left out of mean, std and L2 norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.reader import Tensor
from ckptread.values.numbers import is_numeric, numbers_in, why_unjudged

if TYPE_CHECKING:
    from ckptread.tensors import Array

ROW = 8 << 10
"""Elements of one dot product: for more than 10,000, OpenBLAS starts threads of its own."""
PIECE = 4 * ROW
"""Elements that are processed at once: 256 KiB as float64."""
BINS = 16
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


class Histogram(msgspec.Struct, frozen=True):
    """Counts of the finite values in bins of equal width from ``low`` to ``high``."""

    low: float
    high: float
    counts: tuple[int, ...]


def statistics(tensor: Tensor) -> Statistics:
    """Return the statistics of a tensor. Raises CheckpointError as reading does, also for its checksum."""
    running = RunningStatistics()
    for piece in pieces(tensor):
        running.add(piece)
    found = running.result()
    return found if found.count or is_numeric(tensor.dtype) else Statistics(count=0, zeros=0)


def l2_norm(tensor: Tensor) -> float | None:
    """Return the L2 norm of a tensor's finite values; None for what is not numbers. Raises CheckpointError."""
    if not is_numeric(tensor.dtype):
        return None
    return math.sqrt(sum(map(square_sum, _finite_pieces(tensor))))


def histogram(tensor: Tensor, stats: Statistics, bins: int = BINS) -> Histogram | None:
    """Return a histogram of a tensor's finite values; None if they do not span a finite range."""
    import numpy as np

    if stats.mean is None or stats.minimum is None:
        return None
    low, high = math.inf, -math.inf
    counts = np.zeros(bins, np.int64)
    if math.isfinite(stats.minimum) and math.isfinite(stats.maximum or 0):
        low, high = float(stats.minimum), float(stats.maximum or 0)
    else:
        for values in _finite_pieces(tensor):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not low < high or not math.isfinite(high - low):
        return None
    for values in _finite_pieces(tensor):
        counts += np.histogram(values, bins, (low, high))[0]
    return Histogram(low, high, tuple(int(c) for c in counts))


def _finite_pieces(tensor: Tensor) -> Iterator[Array]:
    import numpy as np

    for piece in pieces(tensor):
        values = as_float(piece)
        finite = values[np.isfinite(values)]
        if finite.size:
            yield finite


def pieces(tensor: Tensor) -> Iterator[Array]:
    """Yield a tensor's values as flat pieces that stay in cache; each is valid until the next one."""
    for block in tensor.blocks(out=tensor.buffer()):
        flat = block.reshape(-1)
        for at in range(0, flat.size, PIECE):
            yield flat[at : at + PIECE]


def as_float(values: Array) -> Array:
    """Return numbers as float64 (complex numbers as complex128), exactly if 64 bits can hold them."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        if values.dtype.kind == "c":
            return values.astype(np.complex128)
        if values.dtype.itemsize <= 2 and values.dtype.kind not in "biu":
            return values.astype(np.float32).astype(np.float64)  # ml_dtypes converts slowly to float64
        return values.astype(np.float64)


def square_sum(values: Array) -> float:
    """Return the sum of |x|² of flat floats, in rows too short for BLAS to start threads of its own."""
    import numpy as np

    whole = values.size - values.size % ROW
    rows, rest = values[:whole].reshape(-1, ROW), values[whole:]
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.matmul(rows.conj()[:, None, :], rows[:, :, None]).sum().real + np.vdot(rest, rest).real)


def exact_float(values: Array) -> Array:
    """Return numbers as floats that hold them exactly: 64-bit integers as long doubles, with 64-bit significands."""
    import numpy as np

    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return values.astype(np.longdouble)
    return values if values.dtype == np.longdouble else as_float(values)


class RunningStatistics:
    """Accumulates the statistics of values that come in pieces."""

    def __init__(self) -> None:
        self._count = self._finite = self._zeros = self._nans = self._infs = 0
        self._minimum: Any = None
        self._maximum: Any = None
        self._mean: complex | float = 0.0
        self._deviation = 0.0  # sum of squared distances to the mean
        self._squares = 0.0
        self._numeric = True
        self._real = True
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
        import numpy as np

        numbers = finite = as_float(values)
        self._real = numbers.dtype.kind != "c"
        self._zeros += int(np.count_nonzero(values == 0))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = numbers.mean()
        if not np.isfinite(mean):  # usually all values are finite
            finite, numbers = self._drop_special(numbers)
            with np.errstate(over="ignore", invalid="ignore"):
                mean = finite.mean() if finite.size else mean
        if self._real and numbers.size:
            self._update_bounds(values if values.dtype.kind in "biu" else numbers)
        if finite.size:
            self._add_moments(finite, mean)

    def _drop_special(self, numbers: Array) -> tuple[Array, Array]:
        """Count NaN and infinities; return the finite numbers, and those that are not NaN."""
        import numpy as np

        mask, nans = np.isfinite(numbers), np.isnan(numbers)
        self._nans += int(np.count_nonzero(nans))
        self._infs += int(np.count_nonzero(~mask & ~nans))
        return numbers[mask], numbers[~nans]

    def _update_bounds(self, values: Array) -> None:
        """Update minimum and maximum. Integers keep their type, as float64 would round large ones."""
        low, high = values.min().item() + 0, values.max().item() + 0  # + 0: False is 0
        self._minimum = low if self._minimum is None else min(low, self._minimum)
        self._maximum = high if self._maximum is None else max(high, self._maximum)

    def _add_moments(self, values: Array, mean: Any) -> None:
        """Add finite values. Their sum of squares is that around the mean, plus their count times the mean squared."""
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            deviation = square_sum(values - mean)
            size = float(abs(mean))
            self._squares += deviation + size * size * values.size
            delta = mean - self._mean
            distance = float(abs(delta))
            together = self._finite + values.size
            self._mean += delta * (values.size / together)
            self._deviation += deviation + distance * distance * (self._finite * values.size / together)
            self._finite = together

    def result(self) -> Statistics:
        """Return the statistics of all values so far."""
        if not self._numeric:
            inner = Statistics(count=0) if self._inner is None else self._inner.result()
            return Statistics(
                count=self._count, zeros=self._empty, nans=inner.nans, infs=inner.infs, unjudged=self._unjudged
            )
        if self._count == 0:
            return Statistics(count=0, zeros=0, nans=0, infs=0)
        known = self._finite > 0
        mean = float(self._mean.real) if known and self._real else None
        return Statistics(
            count=self._count,
            minimum=self._minimum,
            maximum=self._maximum,
            mean=mean,
            std=math.sqrt(self._deviation / self._finite) if known else None,
            l2=math.sqrt(self._squares) if known else None,
            zeros=self._zeros,
            nans=self._nans,
            infs=self._infs,
        )
