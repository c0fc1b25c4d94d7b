"""Whether the values of two tensors differ, and how, in one pass over both.

Tensors that lie in their files as they are are read as bytes, in parts that threads share. Pieces whose bytes are
equal are not worked on while nothing has differed, and numpy is not even imported; once something has, they are read
once more for the norms. The figures do not depend on the number of threads: parts are the same, and added in order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.reader import BLOCK_BYTES, Tensor
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.storage.threads import run_in_order
from ckptread.values.difference import Change, RunningChange, Tolerance
from ckptread.values.float_kernels import Distance

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

PIECE_BYTES = 256 << 10
"""What is read of a tensor at once: two such pieces are still in the processor's own cache when they are compared."""
PART_PIECES = 16
"""Pieces that one thread works on before it is handed others."""


def compare_values(a: Tensor, b: Tensor, tolerance: Tolerance, *, threads: int | None = None) -> Change | None:
    """Compare two tensors of one shape; None where they are the same, bit for bit.

    ``threads`` is how many share a large tensor; None is as many as are of use. Raises CheckpointError as reading
    does, also for a checksum.
    """
    one, other = a.stored, b.stored
    other_order = a.info.dtype != b.info.dtype and same_kind(a.dtype, b.dtype)
    if one is None or other is None or other_order:
        running = _compare_blocks(a, b, tolerance)
    else:
        running = _Parts(a, b, one, other, tolerance).compare(threads)
    if running is None:
        return None
    change = running.result()
    same = not (tolerance.nan_equal or change.changed or change.signed_zeros or change.nans_a)
    return None if same and same_kind(a.dtype, b.dtype) else change


def same_kind(a: np.dtype[Any], b: np.dtype[Any]) -> bool:
    """Whether two dtypes are the same but for the order of their bytes."""
    return a.newbyteorder("=") == b.newbyteorder("=")


class _Part(msgspec.Struct, frozen=True):
    """What came of comparing some elements of two tensors."""

    start: int
    sums: tuple[int, int]
    """The checksum of the bytes of either side."""
    running: RunningChange | None
    """None where all bytes are equal, and nothing has been worked out."""


class _Parts:
    """Two tensors as bytes, compared in parts."""

    def __init__(self, a: Tensor, b: Tensor, one: TensorBytes, other: TensorBytes, tolerance: Tolerance) -> None:
        self._tensors = (a, b)
        self._one, self._other = one, other
        self._tolerance = tolerance
        self._alike = tolerance.nan_equal and a.info.dtype == b.info.dtype
        self._piece = max(1, PIECE_BYTES // max(one.item_bytes, other.item_bytes))
        self._starts = range(0, a.size, self._piece * PART_PIECES)
        self._differ = False
        self._lent = threading.local()

    def compare(self, threads: int | None) -> RunningChange | None:
        """Return how they differ; None where they are the same. Raises CheckpointError, also for a checksum."""
        threads = 1 if len(self._starts) == 1 else threads
        parts = list(run_in_order(self._compare_part, self._starts, threads=threads))
        for side, stored in enumerate((self._one, self._other)):
            stored.verify([(p.sums[side], self._count(p.start) * stored.item_bytes) for p in parts])
        if not self._differ:
            return None
        equal = [part.start for part in parts if part.running is None]
        later = run_in_order(self._work_out, equal, threads=1 if len(equal) < 2 else threads)
        whole = RunningChange(self._tolerance)
        for part in parts:
            whole.merge(part.running or next(later).running or whole)
        return whole

    def _count(self, start: int) -> int:
        """Return how many elements the part has that begins at ``start``."""
        return min(self._starts.step, self._tensors[0].size - start)

    def _compare_part(self, start: int) -> _Part:
        """Compare a part; as soon as something in the tensor differs, its figures are worked out."""
        if self._differ or not self._alike:
            return self._work_out(start)
        one, other, sum_one, sum_other = self._one, self._other, 0, 0
        same_sum = one.checksum and other.checksum and one.checksum.algorithm == other.checksum.algorithm
        for x, y in self._pieces(start):
            if x != y:
                self._differ = True
                return self._work_out(start)
            sum_one = one.extend(sum_one, x)
            sum_other = sum_one if same_sum else other.extend(sum_other, y)
        return _Part(start, (sum_one, sum_other), None)

    def _pieces(self, start: int) -> Iterator[tuple[bytes, bytes]]:
        one, other = self._one, self._other
        end = start + self._count(start)
        for at in range(start, end, self._piece):
            size = min(self._piece, end - at)
            yield (
                one.read(at * one.item_bytes, size * one.item_bytes),
                other.read(at * other.item_bytes, size * other.item_bytes),
            )

    def _work_out(self, start: int) -> _Part:
        """Work out the figures of a part, and take its checksums."""
        import numpy as np

        self._differ = True
        self._lent.distance = getattr(self._lent, "distance", None) or Distance()
        running = RunningChange(self._tolerance, self._lent.distance)
        dtype_a, dtype_b = (tensor.dtype for tensor in self._tensors)
        sum_one = sum_other = 0
        for x, y in self._pieces(start):
            sum_one, sum_other = self._one.extend(sum_one, x), self._other.extend(sum_other, y)
            if self._alike and x == y:
                running.add_equal(np.frombuffer(x, dtype_a))
            else:
                running.add(np.frombuffer(x, dtype_a), np.frombuffer(y, dtype_b))
        running.rest()  # a part that waits for its turn holds no buffers
        return _Part(start, (sum_one, sum_other), running)


def _compare_blocks(a: Tensor, b: Tensor, tolerance: Tolerance) -> RunningChange | None:
    """Compare two tensors of which one at least is not a run of bytes, in blocks as their readers give them."""
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
    return running


class _Blocks:
    """The blocks of two tensors of one shape, side by side, in two buffers that are used again and again."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        self._tensors = (a, b)
        self._elements = max(1, BLOCK_BYTES // max(1, a.dtype.itemsize, b.dtype.itemsize))
        self._buffers = [tensor.buffer(self._elements * tensor.dtype.itemsize) for tensor in self._tensors]

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


def _same_object(a: Any, b: Any) -> bool:
    """Whether two strings, references, or lists of an HDF5 file are the same; a list is an array in its own right."""
    import numpy as np

    if isinstance(a, tuple) and isinstance(b, tuple):  # a record
        return len(a) == len(b) and all(map(_same_object, a, b))
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return type(a) is type(b) and bool(a == b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.hasobject:
        return all(map(_same_object, a.reshape(-1).tolist(), b.reshape(-1).tolist()))
    return a.tobytes() == b.tobytes()


def _same_bytes(a: Array, b: Array) -> bool:
    """Whether two blocks are the same, bit for bit; eight bytes at a time, which is as fast as memory."""
    if not same_kind(a.dtype, b.dtype):
        return False
    b = b.astype(a.dtype, copy=False)
    if a.dtype.hasobject:
        return all(map(_same_object, a.reshape(-1).tolist(), b.reshape(-1).tolist()))
    one, other = a.reshape(-1).view("u1"), b.reshape(-1).view("u1")
    even = one.size - one.size % 8
    return bool((one[:even].view("u8") == other[:even].view("u8")).all() and (one[even:] == other[even:]).all())
