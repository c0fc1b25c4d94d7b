"""numpy's basic slicing for an array in a file, and how to read few bytes for a slice.

A selection becomes one ``range`` per axis, always ascending. After reading, axes that were given as an integer are
dropped from the result, and axes with a negative step are reversed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING

import msgspec

from ckptread.errors import SliceError
from ckptread.tensors import element_count
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.tensors import Array

Index = int | slice | EllipsisType
Selection = Index | tuple[Index, ...]
ReadInto = Callable[[int, memoryview], None]
"""``read_into(offset, buffer)`` fills the buffer from a byte offset of the tensor's extent."""

SPAN_BYTES = 4 << 20
"""The largest span that is read at once for a slice with gaps, to drop the gaps afterwards."""
GAP_BYTES = 64 << 10
"""Reading a gap of this size costs less than another system call."""


class Slicing(msgspec.Struct, frozen=True):
    """A selection from an array of known shape."""

    ranges: tuple[range, ...]
    """The indices to read on each axis, ascending."""
    dropped: tuple[bool, ...]
    """True for an axis that was given as an integer."""
    reversed: tuple[bool, ...]
    """True for an axis that was given a negative step."""

    @property
    def box(self) -> tuple[int, ...]:
        """The shape that is read, before axes are dropped."""
        return tuple(len(r) for r in self.ranges)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return tuple(len(r) for r, gone in zip(self.ranges, self.dropped, strict=True) if not gone)

    def is_whole(self, shape: Sequence[int]) -> bool:
        """Whether this is the complete array, in its own order."""
        return self.box == tuple(shape) and not any(self.reversed)

    def part(self, block: Sequence[Index]) -> tuple[Index, ...]:
        """Return a selection from this selection's result as a selection from the array itself.

        ``block`` has an integer or an ascending slice for some leading axes of the result.
        """
        chosen: list[Index] = []
        rest = list(block)
        for indices, gone, back in zip(self.ranges, self.dropped, self.reversed, strict=True):
            if gone:
                chosen.append(indices[0])
                continue
            ordered = indices[::-1] if back else indices
            wanted = ordered[rest.pop(0)] if rest else ordered  # type: ignore[index]
            chosen.append(wanted if isinstance(wanted, int) else _as_slice(wanted))
        return tuple(chosen)

    def finish(self, box: Array) -> Array:
        """Return the result from the box that was read, as a view: reverse and drop axes."""
        if not any(self.reversed) and not any(self.dropped):
            return box
        ascending = box[tuple(slice(None, None, -1 if back else 1) for back in self.reversed)]
        result: Array = ascending.reshape(self.shape)
        return result


def _as_slice(indices: range) -> slice:
    """Return a slice with these indices; its end before the first element is None."""
    stop = indices.stop if indices.stop >= 0 else None
    return slice(indices.start, stop, indices.step) if len(indices) else slice(0, 0)


def normalize(selection: Selection, shape: Sequence[int]) -> Slicing:
    """Return the indices of a numpy-style selection (integers, slices, one Ellipsis) on each axis.

    Raises SliceError where numpy raises IndexError, and TypeError for anything but basic slicing.
    """
    given = selection if isinstance(selection, tuple) else (selection,)
    ranges, dropped, reversed_axes = [], [], []
    for axis, (item, dim) in enumerate(zip(_expand_axes(given, len(shape)), shape, strict=True)):
        indices = _indices(item, dim, axis)
        back = indices.step < 0
        ranges.append(indices[::-1] if back else indices)
        dropped.append(not isinstance(item, slice))
        reversed_axes.append(back)
    return Slicing(tuple(ranges), tuple(dropped), tuple(reversed_axes))


def _expand_axes(given: tuple[Index, ...], rank: int) -> list[int | slice]:
    """Replace the Ellipsis and missing axes by full slices."""
    for item in given:
        if not (isinstance(item, slice) or item is ... or _is_integer(item)):
            raise TypeError(f"a tensor is sliced by integers, slices and '...', not by {type(item).__name__}")
    dots = [at for at, item in enumerate(given) if item is ...]
    if len(dots) > 1:
        raise SliceError("a selection has at most one '...'")
    if len(given) - len(dots) > rank:
        raise SliceError(f"{len(given) - len(dots)} indices for a tensor of {rank} dimensions")
    at = dots[0] if dots else len(given)
    missing = rank - (len(given) - len(dots))
    filled = [*given[:at], *[slice(None)] * missing, *given[at + 1 :]]
    return [item for item in filled if item is not ...]


def _is_integer(item: object) -> bool:
    """Whether this is an integer. ndarray defines ``__index__``, but only integer arrays of size 1 support it."""
    try:
        return not isinstance(item, bool) and operator.index(item) is not None  # type: ignore[arg-type]
    except TypeError:
        return False


def _indices(item: int | slice, dim: int, axis: int) -> range:
    if isinstance(item, slice):
        return range(dim)[item]
    index = item.__index__()
    if not -dim <= index < dim:
        raise SliceError(f"index {index} is outside axis {axis}, which has {plural(dim, 'element')}")
    return range(index % dim, index % dim + 1)


def overlap(wanted: range, start: int, stop: int) -> tuple[slice, slice] | None:
    """Return which elements of the piece ``start:stop`` of an axis are wanted, and where they go in the result.

    The first slice indexes the result of reading ``wanted``, the second one the piece. Returns None if the piece has no
    wanted element.
    """
    if not wanted:
        return None
    first = max(0, -((wanted.start - start) // wanted.step))
    last = min(len(wanted) - 1, (stop - 1 - wanted.start) // wanted.step)
    if first > last:
        return None
    low = wanted[first] - start
    return slice(first, last + 1), slice(low, wanted[last] - start + 1, wanted.step)


def split(shape: Sequence[int], item_bytes: int, max_bytes: int) -> Iterator[tuple[Index, ...]]:
    """Divide an array into selections of at most ``max_bytes`` each (or one element), in C order.

    Each is contiguous in C order, and their concatenation is the complete array.
    """
    if element_count(tuple(shape)) == 0:
        return
    axis = 0
    while axis < len(shape) and element_count(tuple(shape[axis + 1 :])) * item_bytes > max_bytes:
        axis += 1
    if axis >= len(shape):
        yield from _prefixes(shape)
        return
    rows = max(1, max_bytes // max(1, element_count(tuple(shape[axis + 1 :])) * item_bytes))
    for prefix in _prefixes(shape[:axis]):
        for start in range(0, shape[axis], rows):
            yield (*prefix, slice(start, min(start + rows, shape[axis])))


def _prefixes(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    import itertools

    yield from itertools.product(*map(range, shape))


def read_box(read_into: ReadInto, shape: Sequence[int], ranges: Sequence[range], out: Array) -> None:
    """Read ``ranges`` of a C-ordered array of ``shape`` into ``out``, and few bytes besides.

    ``out`` has one axis per range and the stored dtype; it need not be contiguous.
    """
    strides = [element_count(tuple(shape[axis + 1 :])) * out.itemsize for axis in range(len(shape))]
    if out.size:
        _read_level(read_into, strides, ranges, 0, out)


def _read_level(read_into: ReadInto, strides: Sequence[int], ranges: Sequence[range], at: int, out: Array) -> None:
    """Read the last axes, those of ``ranges``; ``at`` is the byte offset that the axes before them select."""
    first = at + sum(r[0] * stride for r, stride in zip(ranges, strides, strict=True))
    span = sum((r[-1] - r[0]) * stride for r, stride in zip(ranges, strides, strict=True)) + out.itemsize
    if span == out.nbytes and out.flags.c_contiguous:
        read_into(first, out.reshape(-1).view("u1").data)
        return
    gap = strides[0] * ranges[0].step
    dense = gap <= GAP_BYTES or span <= 8 * out.nbytes
    if span <= SPAN_BYTES and dense:
        _read_span(read_into, strides, ranges, first, span, out)
    else:
        rows = max(1, SPAN_BYTES // gap) if dense else 1
        for start in range(0, len(ranges[0]), rows):
            part = ranges[0][start : start + rows]
            if len(part) > 1 or len(ranges) == 1:
                _read_level(read_into, strides, (part, *ranges[1:]), at, out[start : start + rows])
            else:
                _read_level(read_into, strides[1:], ranges[1:], at + part[0] * strides[0], out[start])


def _read_span(
    read_into: ReadInto,
    strides: Sequence[int],
    ranges: Sequence[range],
    first: int,
    span: int,
    out: Array,
) -> None:
    """Read everything from the first wanted element to the last, and copy the wanted ones."""
    import numpy as np

    buffer = np.empty(span, np.uint8)
    read_into(first, buffer.data)
    steps = [r.step * stride for r, stride in zip(ranges, strides, strict=True)]
    out[...] = np.ndarray(out.shape, out.dtype, buffer, strides=steps)
