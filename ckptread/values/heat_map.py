"""A tensor as a small matrix: the means over blocks of its rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptread.reader import Tensor
from ckptread.values.numbers import is_numeric
from ckptread.values.widening import as_float

if TYPE_CHECKING:
    from ckptread.tensors import Array

BLOCK_BYTES = 1 << 20
WIDEST_ROW = BLOCK_BYTES // 16
"""Elements of a row, which is never divided, whatever its dtype."""


def heat_map(tensor: Tensor, rows: int, columns: int, *, signed: bool = False) -> Array | None:
    """Return the mean magnitude of the finite values in at most ``rows`` by ``columns`` blocks; ``signed``, the mean.

    Rows are all axes but the last. A block without finite values is NaN. None for what is not a matrix of numbers.
    """
    import numpy as np

    width = tensor.shape[-1] if tensor.ndim > 1 else 0
    height = tensor.size // width if width else 0
    if height < 2 or not 1 < width <= WIDEST_ROW or not is_numeric(tensor.dtype):
        return None
    columns, rows = min(columns, width), min(rows, height)
    sums, counts = np.zeros((2, rows, columns))
    starts, at = -(-np.arange(columns) * width // columns), 0
    for block in tensor.blocks(BLOCK_BYTES, out=tensor.buffer(BLOCK_BYTES)):
        values = as_float(block.reshape(-1, width))
        values = values if signed else np.abs(values)
        finite = np.isfinite(values)
        bands = (at + np.arange(len(values))) * rows // height
        np.add.at(sums, bands, np.add.reduceat(np.where(finite, values, 0), starts, axis=1))
        np.add.at(counts, bands, np.add.reduceat(finite, starts, axis=1, dtype=np.float64))
        at += len(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = sums / counts
    return found
