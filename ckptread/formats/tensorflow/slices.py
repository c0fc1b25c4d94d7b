"""A tensor that a TensorFlow checkpoint keeps in several slices: a partitioned variable, put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.formats.tensorflow.messages import FULL
from ckptread.limits import PAIRS_PER_SLICE
from ckptread.slicing import overlap
from ckptread.tensors import element_count

if TYPE_CHECKING:
    import numpy as np


Extents = tuple[tuple[int, int], ...]


class Piece(msgspec.Struct, frozen=True):
    """One slice: its position in the complete tensor."""

    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def text(self) -> str:
        """The slice as numpy writes it: ``[0:4, 0:4]``."""
        axes = zip(self.start, self.shape, strict=False)
        return "[" + ", ".join(f"{start}:{start + length}" for start, length in axes) + "]"


def piece_of(extents: Extents, shape: tuple[int, ...]) -> Piece:
    """Return the position of a slice of (start, length) per axis; no axes at all is the complete tensor."""
    full = extents or tuple((0, FULL) for _ in shape)
    return Piece(
        tuple(start for start, _ in full),
        tuple(dim if length == FULL else length for (_, length), dim in zip(full, shape, strict=False)),
    )


def tiling_problem(pieces: Sequence[Piece], shape: tuple[int, ...]) -> str | None:
    """Say why the slices do not make up the tensor, each element exactly once; None where they do."""
    for piece in pieces:
        if not _is_inside(piece, shape):
            return f"the slice at {list(piece.start)} of shape {list(piece.shape)} lies outside the tensor"
    missing = element_count(shape) - sum(element_count(p.shape) for p in pieces)
    # Slices that do not overlap, and have as many elements as the tensor, are the whole of it.
    problem = _overlap_problem([piece for piece in pieces if element_count(piece.shape)], len(shape))
    return problem or (f"{missing:,} of its elements are in no slice" if missing else None)


def _is_inside(piece: Piece, shape: tuple[int, ...]) -> bool:
    if not len(piece.start) == len(piece.shape) == len(shape):
        return False
    return all(s >= 0 and n >= 0 and s + n <= dim for s, n, dim in zip(piece.start, piece.shape, shape, strict=True))


def _overlap_problem(pieces: Sequence[Piece], rank: int) -> str | None:
    """Sweep along the axis that is cut most often; a slice is compared with those that share a part of that axis."""
    if len(pieces) < 2:
        return None
    if rank == 0:
        return "a scalar is in more than one slice"
    axis = max(range(rank), key=lambda a: len({piece.start[a] for piece in pieces}))
    active: list[Piece] = []
    compared = 0
    for piece in sorted(pieces, key=lambda p: p.start[axis]):
        active = [each for each in active if each.start[axis] + each.shape[axis] > piece.start[axis]]
        compared += len(active)
        if compared > PAIRS_PER_SLICE * len(pieces):
            return f"its {len(pieces)} slices are cut in too many ways to be compared"
        if any(_overlap(piece, each) for each in active):
            return f"the slice at {list(piece.start)} overlaps another one"
        active.append(piece)
    return None


def _overlap(one: Piece, other: Piece) -> bool:
    ends = zip(one.start, one.shape, other.start, other.shape, strict=True)
    return all(s < t + m and t < s + n for s, n, t, m in ends)


def assemble(
    pieces: Sequence[Piece],
    wanted: Sequence[range],
    out: np.ndarray[Any, Any],
    read: Callable[[int, Sequence[range], np.ndarray[Any, Any]], None],
) -> None:
    """Fill ``out`` with the ``wanted`` indices of the whole tensor.

    ``read(number, ranges, part)`` fills ``part`` with the ``ranges`` of the slice of that number.
    """
    for number, piece in enumerate(pieces):
        edges = zip(wanted, piece.start, piece.shape, strict=True)
        parts = [overlap(axis, start, start + length) for axis, start, length in edges]
        if any(part is None for part in parts):
            continue
        settled = [part for part in parts if part is not None]
        ranges = [range(length)[inner] for length, (_, inner) in zip(piece.shape, settled, strict=True)]
        places: tuple[Any, ...] = (*(place for place, _ in settled), ...)  # "...": a view, of a scalar too
        read(number, ranges, out[places])
