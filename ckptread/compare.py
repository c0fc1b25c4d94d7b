"""Whether the values of two tensors differ, and how, in one pass over the blocks of both.

Blocks whose bytes are equal are not worked on while nothing has differed; once something has, they are read once
more for the norms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ckptread.change import Change, RunningChange, Tolerance
from ckptread.reader import BLOCK_BYTES, Tensor

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SLACK = 32
"""Bytes behind a buffer, so that a scalar of any dtype has room in it."""


def compare_values(a: Tensor, b: Tensor, tolerance: Tolerance) -> Change | None:
    """Compare two tensors of one shape; None where they are the same, bit for bit.

    Raises CheckpointError as reading does, also for a checksum.
    """
    blocks = _Blocks(a, b)
    running = RunningChange(tolerance)
    unequal_from = None
    for number, (one, other) in enumerate(blocks.read()):
        equal = tolerance.nan_equal and _same_bytes(one, other)
        if equal and unequal_from is None:
            continue
        unequal_from = number if unequal_from is None else unequal_from
        if equal:
            running.add_equal(one)
        else:
            running.add(one, other)
    if unequal_from is None:
        return None
    for one, _ in blocks.read(unequal_from):
        running.add_equal(one)
    change = running.result()
    same = not (tolerance.nan_equal or change.changed or change.signed_zeros or change.nans_a)
    return None if same and same_kind(a.dtype, b.dtype) else change


def same_kind(a: np.dtype[Any], b: np.dtype[Any]) -> bool:
    """Whether two dtypes are the same but for the order of their bytes."""
    return a.newbyteorder("=") == b.newbyteorder("=")


class _Blocks:
    """The blocks of two tensors of one shape, side by side, in two buffers that are used again and again."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        self._tensors = (a, b)
        self._elements = max(1, BLOCK_BYTES // max(1, a.dtype.itemsize, b.dtype.itemsize))
        self._buffers = [bytearray(self._nbytes(tensor) + SLACK) for tensor in self._tensors]

    def _nbytes(self, tensor: Tensor) -> int:
        return min(tensor.nbytes, self._elements * tensor.dtype.itemsize)

    def read(self, stop: int | None = None) -> Iterator[tuple[Array, Array]]:
        """Yield the first ``stop`` pairs of blocks, or all; each is valid until the next one."""
        a, b = self._tensors
        blocks = zip(
            a.blocks(self._elements * a.dtype.itemsize, out=self._buffers[0]),
            b.blocks(self._elements * b.dtype.itemsize, out=self._buffers[1]),
            strict=True,
        )
        for number, pair in enumerate(blocks):
            if number == stop:
                return
            yield pair


def _same_bytes(a: Array, b: Array) -> bool:
    """Whether two blocks are the same, bit for bit; eight bytes at a time, which is as fast as memory."""
    import numpy as np

    if not same_kind(a.dtype, b.dtype):
        return False
    b = b.astype(a.dtype, copy=False)
    if a.dtype.hasobject:
        return bool(np.array_equal(a, b))
    one, other = a.reshape(-1).view("u1"), b.reshape(-1).view("u1")
    even = one.size - one.size % 8
    return bool((one[:even].view("u8") == other[:even].view("u8")).all() and (one[even:] == other[even:]).all())
