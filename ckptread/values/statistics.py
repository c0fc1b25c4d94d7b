"""Statistics of one tensor, in one pass over its bytes, and a histogram."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from ckptread.reader import Tensor
from ckptread.values.numbers import is_numeric
from ckptread.values.running_statistics import RunningStatistics, Statistics
from ckptread.values.widening import as_float, product_sum

if TYPE_CHECKING:
    from ckptread.tensors import Array

READ_BYTES = 256 << 10
"""How much of a tensor is read at once."""
BINS = 16


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
    return math.sqrt(math.fsum(product_sum(values, values) for values in _finite_pieces(tensor)))


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
    stored = tensor.stored
    if stored is None:
        yield from (block.reshape(-1) for block in tensor.blocks(READ_BYTES, out=tensor.buffer(READ_BYTES)))
        return
    import numpy as np

    state = 0
    for at in range(0, stored.nbytes, READ_BYTES):
        data = stored.read(at, min(READ_BYTES, stored.nbytes - at))
        state = stored.extend(state, data)
        yield np.frombuffer(data, tensor.dtype)
    stored.verify([(state, stored.nbytes)])
