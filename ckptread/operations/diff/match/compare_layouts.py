"""Whether one tensor holds another's values in an order of its own, element by element, and how they differ.

A small tensor is read whole. A large one is read in blocks that are a slice of either side, wide enough on both that
neither is read in small pieces; only two blocks are held.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Literal

from ckptread.operations.diff.match.layouts import Arrangement, arrangements, box, plain, runs, select
from ckptread.reader import Tensor
from ckptread.values.comparison import change_between, compare_blocks
from ckptread.values.difference import Change, Tolerance
from ckptread.values.equality import same_bits
from ckptread.values.running_change import RunningChange

if TYPE_CHECKING:
    from ckptread.tensors import Array

Agreement = Literal["bits", "values"]

WHOLE_BYTES = 32 << 20
"""A tensor of this size is read whole, and verified against its checksum as it is."""
BOX_BYTES = 16 << 20
"""Of a larger one, what is read at once: a block of 2,048 rows and columns of float32."""
CORNER = 256
"""Elements that are looked at first where little speaks for a match."""


def find_agreement(a: Tensor, b: Tensor, arrangement: Arrangement) -> Agreement | None:
    """Say whether B holds A's values under this arrangement: bit for bit, or equal ones (after exact widening).

    Ends at the first block that differs. Raises CheckpointError as reading does.
    """
    found: Agreement = "bits"
    for one, other in blocks(a, b, arrangement):
        block = _agreement(one, other)
        if block is None:
            return None
        found = "values" if block == "values" else found
    return found


def find_arrangement(a: Tensor, b: Tensor) -> Arrangement | None:
    """Return an arrangement, other than the plain one, under which B holds A's values; None where there is none.

    Raises CheckpointError as reading does.
    """
    wanted = [each for each in arrangements(a.shape, b.shape) if each != plain(b.shape)]
    return next((each for each in wanted if _equal_values(*_corner(a, b, each)) and find_agreement(a, b, each)), None)


def _corner(a: Tensor, b: Tensor, arrangement: Arrangement) -> tuple[Array, Array]:
    """Return a few values of both: unequal tensors seldom agree in all of these."""
    return next(_boxes(a, b, arrangement, CORNER))


def compare_arranged(a: Tensor, b: Tensor, arrangement: Arrangement, tolerance: Tolerance) -> Change | None:
    """Return how B, under this arrangement, differs from A; None where they are the same, bit for bit.

    Raises CheckpointError as reading does; of a tensor that is not read whole, also after a pass for its checksum.
    """
    for tensor in (a, b):
        if tensor.nbytes > WHOLE_BYTES and tensor.info.extent and tensor.info.extent.checksum:
            _verify(tensor)
    sums = compare_blocks(lambda: blocks(a, b, arrangement), tolerance)
    return change_between(a, b, sums, tolerance)


def _verify(tensor: Tensor) -> None:
    for _ in tensor.blocks():
        pass


def blocks(a: Tensor, b: Tensor, arrangement: Arrangement) -> Iterator[tuple[Array, Array]]:
    """Yield the same elements of both sides, in the order and shape of the arrangement's own axes.

    The arrangement has to fit both shapes.
    """
    if max(a.nbytes, b.nbytes) <= WHOLE_BYTES:
        yield _arranged(a.read(), b.read(), arrangement)
    else:
        yield from _boxes(a, b, arrangement, max(1, BOX_BYTES // max(a.dtype.itemsize, b.dtype.itemsize)))


def _boxes(a: Tensor, b: Tensor, arrangement: Arrangement, elements: int) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of at most so many elements."""
    shape, turned = arrangement.shape, arrangement.turned
    runs_a, runs_b = runs(a.shape, shape) or [], runs(b.shape, turned) or []
    extents = box(arrangement, runs_a, [[arrangement.axes[axis] for axis in run] for run in runs_b], elements)
    for starts in product(*(range(0, dim, extent) for dim, extent in zip(shape, extents, strict=True))):
        stops = [min(start + extent, dim) for start, extent, dim in zip(starts, extents, shape, strict=True)]
        one = a[select(runs_a, shape, starts, stops)]
        turn = [[bounds[axis] for axis in arrangement.axes] for bounds in (starts, stops)]
        other = b[select(runs_b, turned, *turn)]
        size = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
        yield _arranged(one, other, Arrangement(size, arrangement.axes))


def rearranged(a: Array, arrangement: Arrangement) -> Array:
    """Return all values of A in the order that B has them in: a view of the arrangement's axes, permuted."""
    return a.reshape(arrangement.shape).transpose(arrangement.axes)


def _arranged(a: Array, b: Array, arrangement: Arrangement) -> tuple[Array, Array]:
    """Return both in the shape and order of the arrangement's axes; B as a view."""
    inverse = tuple(arrangement.axes.index(axis) for axis in range(len(arrangement.axes)))
    return a.reshape(arrangement.shape), b.reshape(arrangement.turned).transpose(inverse)


def _agreement(a: Array, b: Array) -> Agreement | None:
    if same_bits(a, b):
        return "bits"
    return "values" if _equal_values(a, b) else None


def _equal_values(a: Array, b: Array) -> bool:
    running = RunningChange(Tolerance())
    running.add(a, b)
    return running.sums.changed == 0
