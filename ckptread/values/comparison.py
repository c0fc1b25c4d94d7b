"""Whether the values of two tensors differ, and how, in one pass over both.

Tensors that are stored as plain bytes are read as bytes, in parts that threads share. Until a difference is found,
equal pieces cost nothing more, and numpy is not even imported; once there is one, they are read again for the norms.
The result does not depend on the number of threads: the parts are the same, and are added in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

import msgspec

from ckptread.reader import BLOCK_BYTES, Tensor
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.storage.threads import run_in_order
from ckptread.values.difference import Change, ChangeSums, Tolerance
from ckptread.values.equality import same_bits, same_kind
from ckptread.values.running_change import RunningChange

if TYPE_CHECKING:
    from ckptread.tensors import Array

PIECE_BYTES = 256 << 10
"""How much of a tensor is read at once: two such pieces are still in the processor's cache when they are compared."""
PART_PIECES = 16
"""Pieces that one thread compares at a time."""


def compare_values(a: Tensor, b: Tensor, tolerance: Tolerance, *, threads: int | None = None) -> Change | None:
    """Compare two tensors of one shape; return None if they are the same, bit for bit.

    ``threads`` is how many share a large tensor; None is as many as are of use. Raises CheckpointError as reading
    does, also for a checksum.
    """
    one, other = a.stored, b.stored
    other_order = a.info.dtype != b.info.dtype and same_kind(a.dtype, b.dtype)
    if one is None or other is None or other_order:
        sums = compare_blocks(_Blocks(a, b).read, tolerance)
    else:
        sums = _Parts(a, b, one, other, tolerance).compare(threads)
    return change_between(a, b, sums, tolerance)


def change_between(a: Tensor, b: Tensor, sums: ChangeSums | None, tolerance: Tolerance) -> Change | None:
    """Return how two tensors differ, given the sums over all elements; None if they are the same, bit for bit."""
    if sums is None:
        return None
    # Where NaN is not equal to NaN, sums are taken of equal values too
    same = not (tolerance.nan_equal or sums.changed or sums.signed_zeros or sums.nans_a)
    return None if same and same_kind(a.dtype, b.dtype) else sums.change()


def compare_blocks(read: Callable[[], Iterator[tuple[Array, Array]]], tolerance: Tolerance) -> ChangeSums | None:
    """Compare pairs of blocks that ``read()`` yields; return None if they are the same, bit for bit.

    They are read again, as far as needed, for the norms of blocks that were equal before the first difference.
    """
    running, equal_first, differ = RunningChange(tolerance), 0, False
    for one, other in read():
        equal = tolerance.nan_equal and same_bits(one, other)
        differ = differ or not equal
        if not differ:
            equal_first += 1
        elif equal:
            running.add_equal(one)
        else:
            running.add(one, other)
    if not differ:
        return None
    for one, _ in islice(read(), equal_first):
        running.add_equal(one)
    return running.sums


class _Blocks:
    """The blocks of two tensors of one shape, side by side, in two buffers that are used again and again."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        self._tensors = (a, b)
        self._elements = max(1, BLOCK_BYTES // max(1, a.dtype.itemsize, b.dtype.itemsize))
        self._buffers = [tensor.buffer(self._elements * tensor.dtype.itemsize) for tensor in self._tensors]

    def read(self) -> Iterator[tuple[Array, Array]]:
        """Yield pairs of blocks; each is valid until the next one."""
        a, b = (
            tensor.blocks(self._elements * tensor.dtype.itemsize, out=buffer)
            for tensor, buffer in zip(self._tensors, self._buffers, strict=True)
        )
        return zip(a, b, strict=True)


class _Part(msgspec.Struct, frozen=True):
    """The result of comparing some elements of two tensors."""

    start: int
    checksums: tuple[int, int]
    """The checksum of the bytes of either side."""
    sums: ChangeSums | None
    """None if all bytes are equal, and nothing was computed."""


class _Parts:
    """Two tensors as bytes, compared in parts."""

    def __init__(self, a: Tensor, b: Tensor, one: TensorBytes, other: TensorBytes, tolerance: Tolerance) -> None:
        self._tensors = (a, b)
        self._one, self._other = one, other
        self._tolerance = tolerance
        self._compare_bytes = tolerance.nan_equal and a.info.dtype == b.info.dtype
        self._piece = max(1, PIECE_BYTES // max(one.item_bytes, other.item_bytes))
        self._size = a.size
        self._starts = range(0, self._size, self._piece * PART_PIECES)
        self._differ = False

    def compare(self, threads: int | None) -> ChangeSums | None:
        """Return how they differ; None if they are the same. Raises CheckpointError, also for a checksum."""
        if len(self._starts) == 1:
            parts = [self._compare_part(0)]
        else:
            parts = list(run_in_order(self._compare_part, self._starts, threads=threads))
        for side, stored in enumerate((self._one, self._other)):
            stored.verify([(p.checksums[side], self._count(p.start) * stored.item_bytes) for p in parts])
        if not self._differ:
            return None
        if len(parts) == 1:
            return parts[0].sums
        equal = [part.start for part in parts if part.sums is None]
        later = run_in_order(
            lambda start: self._measure_part(start, self._pieces(start)),
            equal,
            threads=1 if len(equal) < 2 else threads,
        )
        total = ChangeSums()
        for part in parts:
            total.merge(part.sums or next(later).sums or ChangeSums())
        return total

    def _count(self, start: int) -> int:
        """Return how many elements the part has that begins at ``start``."""
        return min(self._starts.step, self._size - start)

    def _compare_part(self, start: int) -> _Part:
        """Compare a part by its bytes; as soon as something in the tensor differs, measure it instead."""
        if self._differ or not self._compare_bytes:
            return self._measure_part(start, self._pieces(start))
        one, other, sum_one, sum_other = self._one, self._other, 0, 0
        same_sum = one.checksum and other.checksum and one.checksum.algorithm == other.checksum.algorithm
        pieces = self._pieces(start)
        for number, (x, y) in enumerate(pieces):
            if x != y:
                return self._measure_part(start, self._pieces(start) if number else chain([(x, y)], pieces))
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

    def _measure_part(self, start: int, pieces: Iterable[tuple[bytes, bytes]]) -> _Part:
        """Measure how a part differs, given all of its pieces, and compute its checksums."""
        import numpy as np

        self._differ = True
        running = RunningChange(self._tolerance)
        dtype_a, dtype_b = (tensor.dtype for tensor in self._tensors)
        sum_one = sum_other = 0
        for x, y in pieces:
            sum_one, sum_other = self._one.extend(sum_one, x), self._other.extend(sum_other, y)
            if self._compare_bytes and x == y:
                running.add_equal(np.frombuffer(x, dtype_a))
            else:
                running.add(np.frombuffer(x, dtype_a), np.frombuffer(y, dtype_b))
        return _Part(start, (sum_one, sum_other), running.sums)
