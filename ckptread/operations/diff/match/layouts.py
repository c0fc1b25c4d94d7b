"""How the values of one tensor are laid out in another: axes permuted, unit axes dropped, two axes merged into one.

Frameworks lay out the same weights differently: a Dense kernel (in, out) is a weight (out, in) elsewhere, a
convolution's HWIO is OIHW, a depthwise one's (H, W, C, M) is (C*M, 1, H, W).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

import msgspec

from ckptread.tensors import element_count

MOST_AXES = 8
"""Of more axes that are not 1, no permutation is looked for."""
MOST_ARRANGEMENTS = 24
"""Of a pair of shapes; a cube of a kernel with as many channels in as out allows 12."""

Shape = tuple[int, ...]
Runs = list[list[int]]
"""For each axis of a tensor, which axes of an arrangement's shape it is made of, one after another."""


class Arrangement(msgspec.Struct, frozen=True):
    """B is ``a.reshape(shape).transpose(axes).reshape(b.shape)``."""

    shape: Shape
    """A's shape, without its unit axes where B has fewer axes, and one axis split in two where B has these two."""
    axes: tuple[int, ...]
    """For each axis of B, which one of ``shape`` it is; B may have merged two neighbours into one."""

    @property
    def turned(self) -> Shape:
        """The shape after the axes were permuted: B's, before two axes are merged."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def permutes(self) -> bool:
        """Whether the order of the values differs: unit axes aside, the axes are not in their own order."""
        order = self.order
        return list(order) != sorted(order)

    @property
    def order(self) -> tuple[int, ...]:
        """The permutation of the axes that are not 1."""
        long = [axis for axis, dim in enumerate(self.shape) if dim != 1]
        return tuple(long.index(axis) for axis in self.axes if self.shape[axis] != 1)

    def fits(self, a: Shape, b: Shape) -> bool:
        """Whether a tensor of shape ``a`` can be laid out like this in one of shape ``b``."""
        return runs(a, self.shape) is not None and runs(b, self.turned) is not None

    def text(self, a: Shape) -> str:
        """Say in words what was done to A, whose shape is ``a``."""
        reshaped = "" if a == self.shape else f"as {list(self.shape)}, "
        return f"{reshaped}axes {list(self.axes)}" if self.permutes or not reshaped else f"as {list(self.shape)}"


def plain(shape: Shape) -> Arrangement:
    """Return the arrangement that changes nothing."""
    return Arrangement(shape, tuple(range(len(shape))))


@lru_cache(maxsize=4096)
def arrangements(a: Shape, b: Shape) -> tuple[Arrangement, ...]:
    """Return the ways in which values of shape ``a`` can be laid out in shape ``b``, the usual ones first.

    At most MOST_ARRANGEMENTS, and only the plain one of more than MOST_AXES axes.
    """
    if a == b and (0 in a or len(_long(a)) > MOST_AXES):
        return (plain(a),)
    if 0 in a or element_count(a) != element_count(b) or max(len(_long(a)), len(_long(b))) > MOST_AXES:
        return ()
    found = _permutations(a, b) if sorted(a) == sorted(b) else _reshaped(_long(a), _long(b))
    return tuple(islice(_once(found), MOST_ARRANGEMENTS))


def _once(found: Iterable[Arrangement]) -> Iterator[Arrangement]:
    """Yield each once: axes of one length make the same arrangement in several ways."""
    seen: set[Arrangement] = set()
    for arrangement in found:
        if arrangement not in seen:
            seen.add(arrangement)
            yield arrangement


def _long(shape: Shape) -> Shape:
    """The dimensions that are not 1."""
    return tuple(dim for dim in shape if dim != 1)


def _reshaped(a: Shape, b: Shape) -> Iterator[Arrangement]:
    """Without unit axes: permuted, or with two axes of either side merged on the other."""
    if len(a) == len(b):
        if sorted(a) == sorted(b):
            yield from _permutations(a, b)
    elif len(a) == len(b) + 1:
        for at in range(len(b)):
            for merged in _merged(a, b, at):
                yield Arrangement(a, _split_axis(merged.axes, at))
    elif len(b) == len(a) + 1:
        for at in range(len(a)):
            for merged in _merged(b, a, at):
                yield _inverse(Arrangement(b, _split_axis(merged.axes, at)))


def _merged(longer: Shape, shorter: Shape, at: int) -> Iterator[Arrangement]:
    """The permutations once the axes ``at`` and ``at + 1`` of the longer shape are one."""
    shape = (*longer[:at], longer[at] * longer[at + 1], *longer[at + 2 :])
    if sorted(shape) == sorted(shorter):
        yield from _permutations(shape, shorter)


def _split_axis(axes: tuple[int, ...], at: int) -> tuple[int, ...]:
    """A permutation in which axis ``at`` was two axes."""
    return tuple(each for axis in axes for each in ([at, at + 1] if axis == at else [axis + 1 if axis > at else axis]))


def _inverse(arrangement: Arrangement) -> Arrangement:
    axes = tuple(arrangement.axes.index(axis) for axis in range(len(arrangement.axes)))
    return Arrangement(arrangement.turned, axes)


def _permutations(a: Shape, b: Shape) -> Iterator[Arrangement]:
    """The permutations that make ``b`` of ``a``: the usual ones, then all others; unit axes keep their order."""
    rank = len(a)
    front, back = tuple(range(rank - 2)), tuple(range(2, rank))
    usual = [tuple(range(rank)), tuple(reversed(range(rank)))]
    if rank > 2:
        usual += [(rank - 1, rank - 2, *front), (rank - 2, rank - 1, *front), (*back, 1, 0), (*back, 0, 1)]
    for axes in usual:
        if tuple(a[axis] for axis in axes) == b and _keeps_units(a, axes):
            yield Arrangement(a, axes)
    for axes in _search(a, b, ()):
        yield Arrangement(a, axes)


def _keeps_units(shape: Shape, axes: tuple[int, ...]) -> bool:
    units = [axis for axis in axes if shape[axis] == 1]
    return units == sorted(units)


def _search(a: Shape, b: Shape, chosen: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every choice leads to a permutation, as both have the same dimensions: there are no dead ends to search."""
    if len(chosen) == len(b):
        yield chosen
        return
    free = [axis for axis in range(len(a)) if axis not in chosen and a[axis] == b[len(chosen)]]
    for axis in free[:1] if b[len(chosen)] == 1 else free:
        yield from _search(a, b, (*chosen, axis))


def runs(shape: Shape, finer: Shape) -> Runs | None:
    """Return of which axes of ``finer`` each axis of ``shape`` is made; None where it is not made of them."""
    found: Runs = []
    at = 0
    for dim in shape:
        run: list[int] = []
        size = 1
        while at < len(finer) and (size < dim or (finer[at] == 1 and not run)):
            size *= finer[at]
            run.append(at)
            at += 1
            if size == dim:
                break
        if size != dim:
            return None
        found.append(run)
    return found if all(dim == 1 for dim in finer[at:]) and 0 not in finer else None


def box(arrangement: Arrangement, a: Runs, b: Runs, elements: int) -> list[int]:
    """Return how many indices of each axis a block of at most ``elements`` elements has.

    It grows along the innermost axes of both sides in turn, so that neither is read in small pieces; an axis grows
    only when those within it, in its own run, are whole: then the block is a slice of either tensor.
    """
    extents = [1] * len(arrangement.shape)
    inner = [list(reversed(range(len(extents)))), list(reversed(arrangement.axes))]
    size, turn, idle = 1, 0, 0
    while idle < len(inner):
        axis = _next_axis(inner[turn], arrangement.shape, extents, [*a, *b])
        turn = 1 - turn
        larger = min(arrangement.shape[axis], 2 * extents[axis]) if axis is not None else 0
        if axis is None or size // extents[axis] * larger > elements:
            idle += 1
            continue
        size, extents[axis], idle = size // extents[axis] * larger, larger, 0
    return extents


def _next_axis(order: Sequence[int], shape: Shape, extents: Sequence[int], constraints: Runs) -> int | None:
    """The first axis that can still grow: not whole, and with whole axes behind it in every run it is in."""
    for axis in order:
        behind = [other for run in constraints if axis in run for other in run[run.index(axis) + 1 :]]
        if extents[axis] < shape[axis] and all(extents[other] == shape[other] for other in behind):
            return axis
    return None


def select(of: Runs, finer: Shape, starts: Sequence[int], stops: Sequence[int]) -> tuple[slice, ...]:
    """Return the slice of a tensor that a block of the finer shape is."""
    chosen = []
    for run in of:
        first = last = 0
        for axis in run:
            first = first * finer[axis] + starts[axis]
            last = last * finer[axis] + stops[axis] - 1
        chosen.append(slice(first, last + 1))
    return tuple(chosen)
