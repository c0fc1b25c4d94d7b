"""The files of a group, joined end to end: a weight may begin in one and end in the next."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, takewhile

import msgspec

from ckptread.storage.source import Source
from ckptread.wording import plural, quoted

USUAL_BYTES = 4 << 20
"""The size that the converter gives every file of a group but the last."""

UNCERTAIN = "its place is unknown: it is uncertain how much belongs into the files before it"


class ShardPiece(msgspec.Struct, frozen=True):
    """A run of bytes of one file."""

    source: Source
    offset: int
    nbytes: int


class JoinedShards:
    """The files of a group; ``sources`` has None for those that cannot be opened."""

    def __init__(self, paths: Sequence[str], sources: Sequence[Source | None], sizes: Sequence[int | None]) -> None:
        """``sizes`` is how much belongs into each file; from the first None on, no place is known."""
        known = [size for size in takewhile(lambda size: size is not None, sizes) if size is not None]
        self._paths = paths
        self._sources = sources
        self._ends = list(accumulate(known))
        self._certain = len(known) == len(sizes)

    @property
    def size(self) -> int:
        """How many bytes have a known place."""
        return self._ends[-1] if self._ends else 0

    def pieces(self, offset: int, nbytes: int) -> tuple[list[ShardPiece], str | None]:
        """Return where a run of bytes is, and why it is not complete, or None."""
        found: list[ShardPiece] = []
        at, end = offset, offset + nbytes
        number = bisect_right(self._ends, at)
        while at < end and number < len(self._ends):
            start = self._ends[number - 1] if number else 0
            size = min(end, self._ends[number]) - at
            source = self._sources[number]
            if source is None:
                return found, f"its file {quoted(self._paths[number])} cannot be opened"
            missing = at - start + size - source.size
            if missing > 0:
                return found, f"{quoted(self._paths[number])} ends before it: {plural(missing, 'byte')} missing"
            found.append(ShardPiece(source, at - start, size))
            at, number = at + size, number + 1
        if at == end:
            return found, None
        return found, "the files of weights end before it" if self._certain else UNCERTAIN

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill a buffer; every file must have its part."""
        at = 0
        for piece in self.pieces(offset, buffer.nbytes)[0]:
            piece.source.read_into(piece.offset, buffer[at : at + piece.nbytes])
            at += piece.nbytes


def expected_sizes(found: Sequence[int | None], total: int | None) -> list[int | None]:
    """Return how much of a group belongs into each of its files, of the sizes ``found``; None where it is uncertain.

    ``total`` is that of all, None where the manifest does not say so. A file that is missing, truncated or too long
    leaves the others in their places, as long as its own size is certain: all but the last one have the same.
    """
    present = [size for size in found if size is not None]
    if len(present) == len(found) and sum(present) == total:
        return list(found)
    if len(found) == 1:
        return [total or found[0]]
    equal = equal_sizes(found, total)
    if total is None or equal is not None:
        return equal or list(found)
    if len(present) == len(found) - 1 and sum(present) <= total:
        return [total - sum(present) if size is None else size for size in found]
    return first_size(found)


def first_size(found: Sequence[int | None]) -> list[int | None]:
    """Return the size of the first file, whose place is certain whatever its own size should be."""
    return [*found[:1], *[None] * len(found[1:])]


def equal_sizes(found: Sequence[int | None], total: int | None) -> list[int | None] | None:
    """Return sizes of which all but the last are equal, if two files or the converter's custom confirm them."""
    sizes = [size or 0 for size in found[:-1]]
    usual = max(sizes, default=0)
    last = found[-1] if total is None else total - usual * len(sizes)
    confirmed = usual == USUAL_BYTES or sizes.count(usual) > 1
    return [*[usual] * len(sizes), last] if confirmed and 0 <= (last or 0) <= usual else None
