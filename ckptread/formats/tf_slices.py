"""A tensor that a TensorFlow checkpoint keeps in several slices: a partitioned variable, put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from ckptread.formats.tf_messages import FULL
from ckptread.slicing import overlap
from ckptread.tensors import element_count

if TYPE_CHECKING:
    import numpy as np

MAX_CELLS = 1 << 20
"""The most cells that the slices' edges may cut a tensor into; a partitioned variable has one per slice."""

Extents = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One slice: where it lies in the whole tensor."""

    start: tuple[int, ...]
    shape: tuple[int, ...]


def piece_of(extents: Extents, shape: tuple[int, ...]) -> Piece:
    """Return where a slice of (start, length) per axis lies; no axes at all mean the whole tensor."""
    full = extents or tuple((0, FULL) for _ in shape)
    return Piece(
        tuple(start for start, _ in full),
        tuple(dim if length == FULL else length for (_, length), dim in zip(full, shape, strict=False)),
    )


def tiling_problem(pieces: Sequence[Piece], shape: tuple[int, ...]) -> str | None:
    """Say why the slices do not make up the tensor, each element exactly once; None where they do."""
    for piece in pieces:
        ends = zip(piece.start, piece.shape, shape, strict=False)
        if len(piece.shape) != len(shape) or any(s < 0 or n < 0 or s + n > dim for s, n, dim in ends):
            return f"the slice at {list(piece.start)} of shape {list(piece.shape)} lies outside the tensor"
    filled = [piece for piece in pieces if element_count(piece.shape)]
    cuts = [sorted({p.start[a] for p in filled} | {p.start[a] + p.shape[a] for p in filled}) for a in range(len(shape))]
    if element_count(tuple(len(c) for c in cuts)) > MAX_CELLS:
        return f"its {len(pieces)} slices cut it into too many parts"
    places = [{cut: number for number, cut in enumerate(axis)} for axis in cuts]
    seen: set[tuple[int, ...]] = set()
    for piece in filled:
        spans = zip(piece.start, piece.shape, places, strict=True)
        cells = set(product(*(range(place[s], place[s + n]) for s, n, place in spans)))
        if seen & cells:
            return f"the slice at {list(piece.start)} overlaps another one"
        seen |= cells
    missing = element_count(shape) - sum(element_count(p.shape) for p in filled)
    return f"{missing:,} of its elements are in no slice" if missing else None


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
