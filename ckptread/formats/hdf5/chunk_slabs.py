"""What is decoded at once of a dataset that is read in blocks across many large chunks.

Where chunks lie side by side, and all that are beside each other take more memory than the cache has, each block would
decode every one of them again. So as many rows as the cache has room for are taken from each chunk at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptread.limits import SLAB_BYTES
from ckptread.tensors import element_count

Box = tuple[range, ...]
"""Part of a dataset: a range of each axis."""


def plan_slab(shape: Sequence[int], chunk: Sequence[int], itemsize: int, ranges: Sequence[range]) -> Box | None:
    """Return what to decode for a block and for those after it; None where the cache holds all chunks beside it."""
    axis = _slab_axis(shape, itemsize)
    beside = element_count(tuple(-(-dim // n) for dim, n in zip(shape[axis + 1 :], chunk[axis + 1 :], strict=True)))
    rows, row_bytes = ranges[axis], element_count(tuple(shape[axis + 1 :])) * itemsize
    if beside * element_count(tuple(chunk)) * itemsize <= SLAB_BYTES or chunk[axis] == 1:
        return None
    if any(r.step != 1 for r in ranges) or any(len(r) > 1 for r in ranges[:axis]):
        return None
    count = max(SLAB_BYTES // row_bytes, 1)
    if len(rows) > count:
        return None
    return (*ranges[:axis], range(rows.start, min(rows.start + count, shape[axis])), *map(range, shape[axis + 1 :]))


def _slab_axis(shape: Sequence[int], itemsize: int) -> int:
    """Return the first axis of which one index fits in the cache."""
    inner = [element_count(tuple(shape[axis + 1 :])) * itemsize for axis in range(len(shape))]
    return next(axis for axis, nbytes in enumerate(inner) if nbytes <= SLAB_BYTES)


def is_next(shape: Sequence[int], ranges: Sequence[range], end: int) -> bool:
    """Whether a block has whole rows, or begins where the one before it ended, as an element's number."""
    complete = all(len(r) == dim for r, dim in zip(ranges[1:], shape[1:], strict=True))
    return complete or element_number(shape, [r.start for r in ranges]) == end


def element_number(shape: Sequence[int], position: Sequence[int]) -> int:
    """Return the number of an element, in C order."""
    number = 0
    for dim, at in zip(shape, position, strict=True):
        number = number * dim + at
    return number


def holds(box: Box, ranges: Sequence[range]) -> bool:
    """Whether a block is inside a box."""
    return all(b.start <= r.start and r.stop <= b.stop for b, r in zip(box, ranges, strict=True))


def inside(box: Box, ranges: Sequence[range]) -> tuple[slice, ...]:
    """Return where a block is in the values of the box that holds it."""
    return tuple(slice(r.start - b.start, r.stop - b.start) for r, b in zip(ranges, box, strict=True))
