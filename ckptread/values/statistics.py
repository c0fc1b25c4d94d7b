"""Figures of one tensor's values, in one pass over its blocks.

Sums are taken in float64 over pieces that stay in the processor's cache, and merged by Chan's formula (Chan, Golub
and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances"), so that they do not
depend on the size of the blocks. NaN and infinities are counted, and left out of mean, std and L2 norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.reader import Tensor

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

ROW = 8 << 10
"""Elements of one dot product: OpenBLAS shares out those of more than 10,000 between threads of its own."""
PIECE = 4 * ROW
"""Elements that are worked on at once: 256 KiB as float64."""
BINS = 16
NUMERIC = "biufc"
STRINGS = "OSU"


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a tensor's values; None where they have no meaning (strings, empty tensors)."""

    count: int
    minimum: float | int | None = None
    """The least value, infinities included, NaN not; None for complex numbers."""
    maximum: float | int | None = None
    mean: float | None = None
    """Of the finite values."""
    std: float | None = None
    """Population standard deviation of the finite values; of a complex number, of its distance to the mean."""
    l2: float | None = None
    """Square root of the sum of squares of the finite values."""
    zeros: int = 0
    """Elements that equal zero; for strings, empty ones."""
    nans: int = 0
    infs: int = 0


class Histogram(msgspec.Struct, frozen=True):
    """How the finite values are spread over equal bins from ``low`` to ``high``."""

    low: float
    high: float
    counts: tuple[int, ...]


def statistics(tensor: Tensor) -> Statistics:
    """Return the figures of a whole tensor. Raises CheckpointError as reading does, also for its checksum."""
    running = Running()
    for piece in pieces(tensor):
        running.add(piece)
    return running.result()


def histogram(tensor: Tensor, stats: Statistics, bins: int = BINS) -> Histogram | None:
    """Return how a tensor's finite values are spread; None where there is no range to spread them over."""
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
    """Yield a tensor's values flat, in pieces that stay in cache; each is valid until the next one."""
    for block in tensor.blocks(out=tensor.buffer()):
        flat = block.reshape(-1)
        for at in range(0, flat.size, PIECE):
            yield flat[at : at + PIECE]


def as_float(values: Array) -> Array:
    """Return numbers as float64 (complex128 for complex numbers), exactly where 64 bits can hold them."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # a signalling NaN is one more NaN
        if values.dtype.kind == "c":
            return values.astype(np.complex128)
        if values.dtype.itemsize <= 2 and values.dtype.kind not in "biu":
            return values.astype(np.float32).astype(np.float64)  # ml_dtypes' own way to float64 is slow
        return values.astype(np.float64)


def square_sum(values: Array) -> float:
    """Return the sum of |x|² of flat floats, in rows too short for BLAS to start threads that wait for ours."""
    import numpy as np

    whole = values.size - values.size % ROW
    rows, rest = values[:whole].reshape(-1, ROW), values[whole:]
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.matmul(rows.conj()[:, None, :], rows[:, :, None]).sum().real + np.vdot(rest, rest).real)


def exact_float(values: Array) -> Array:
    """Return numbers as floats that hold them: 64-bit integers as long doubles, whose significand has 64 bits."""
    import numpy as np

    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return values.astype(np.longdouble)
    return values if values.dtype == np.longdouble else as_float(values)


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Whether values of this dtype are numbers: numpy's own, or ml_dtypes' small ones."""
    return dtype.kind in NUMERIC or (dtype.kind == "V" and dtype.names is None and dtype.type.__module__ != "numpy")


class Running:
    """Statistics in the making."""

    def __init__(self) -> None:
        self._count = self._finite = self._zeros = self._nans = self._infs = 0
        self._minimum: Any = None
        self._maximum: Any = None
        self._mean: complex | float = 0.0
        self._deviation = 0.0  # sum of squared distances to the mean
        self._squares = 0.0
        self._numeric = True
        self._real = True

    def add(self, values: Array) -> None:
        """Take in some values, flat."""
        self._count += values.size
        if not is_numeric(values.dtype):
            self._numeric = False
            if values.dtype.kind in STRINGS:
                self._zeros += sum(isinstance(value, bytes | str) and not value for value in values.tolist())
            return
        if values.size:
            self._add_numbers(values)

    def _add_numbers(self, values: Array) -> None:
        import numpy as np

        numbers = finite = as_float(values)
        self._real = numbers.dtype.kind != "c"
        self._zeros += int(np.count_nonzero(values == 0))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = numbers.mean()
        if not np.isfinite(mean):  # the usual case, and the fast one, is that all values are finite
            finite, numbers = self._leave_out_special(numbers)
            with np.errstate(over="ignore", invalid="ignore"):
                mean = finite.mean() if finite.size else mean
        if self._real and numbers.size:
            self._bounds(values if values.dtype.kind in "biu" else numbers)
        if finite.size:
            self._moments(finite, mean)

    def _leave_out_special(self, numbers: Array) -> tuple[Array, Array]:
        """Count NaN and infinities; return the finite numbers, and those that are no NaN."""
        import numpy as np

        mask, nans = np.isfinite(numbers), np.isnan(numbers)
        self._nans += int(np.count_nonzero(nans))
        self._infs += int(np.count_nonzero(~mask & ~nans))
        return numbers[mask], numbers[~nans]

    def _bounds(self, values: Array) -> None:
        """Integers keep their own type here: float64 would round the large ones."""
        low, high = values.min().item() + 0, values.max().item() + 0  # + 0: False is 0
        self._minimum = low if self._minimum is None else min(low, self._minimum)
        self._maximum = high if self._maximum is None else max(high, self._maximum)

    def _moments(self, values: Array, mean: Any) -> None:
        """Take in finite values. The sum of their squares is that around their mean, and what the mean makes of it."""
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            deviation = square_sum(values - mean)
            size = float(abs(mean))
            self._squares += deviation + size * size * values.size
            delta = mean - self._mean
            apart = float(abs(delta))
            together = self._finite + values.size
            self._mean += delta * (values.size / together)
            self._deviation += deviation + apart * apart * (self._finite * values.size / together)
            self._finite = together

    def result(self) -> Statistics:
        """Return the statistics of all that was taken in."""
        if not self._numeric or self._count == 0:
            return Statistics(count=self._count, zeros=self._zeros)
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
