"""The chunks that a dataset may have, and how an entry of an index of them is stored."""

from __future__ import annotations

import msgspec

from ckptread.formats.hdf5.superblock import UNDEFINED
from ckptread.limits import MAX_CHUNKS
from ckptread.untrusted.binary import Malformed


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """Where one chunk is."""

    mask: int
    """Bit n is set where the filter n was left out for this chunk."""
    offset: int
    nbytes: int


Position = tuple[int, ...]
"""Of a chunk's first element in the dataset."""


class ChunkGrid(msgspec.Struct, frozen=True, kw_only=True):
    """The chunks that a dataset may have, and how an entry of its index is stored."""

    chunk: tuple[int, ...]
    counts: tuple[int, ...]
    """How many chunks each dimension may have at most; 1 stands for the unlimited one of an extensible array."""
    unlimited: int | None
    """The dimension that comes first in an extensible array."""
    nbytes: int
    """Of a chunk, filters undone."""
    filtered: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of a stored chunk's size in an entry: one more than the size of an unfiltered chunk needs."""
        return min(8, 1 + ((self.nbytes.bit_length() - 1) + 8) // 8)

    @property
    def entry_bytes(self) -> int:
        """Bytes of an entry of an array: an address; the stored size and the mask too, where there are filters."""
        return 8 + (self.size_bytes + 4 if self.filtered else 0)

    def entry(self, data: bytes, at: int, base: int) -> Chunk | None:
        """Read one entry of an array; None where its chunk was never written."""
        address = int.from_bytes(data[at : at + 8], "little")
        if address == UNDEFINED:
            return None
        if not self.filtered:
            return Chunk(0, base + address, self.nbytes)
        end = at + 8 + self.size_bytes
        return Chunk(int.from_bytes(data[end : end + 4], "little"), base + address,
                     int.from_bytes(data[at + 8 : end], "little"))  # fmt: skip

    def position(self, number: int) -> Position:
        """Return where the chunk of a number begins: C order, the unlimited dimension moved to the front."""
        scaled = [0] * len(self.chunk)
        for axis in reversed(range(len(self.chunk))):
            if axis != self.unlimited:
                number, scaled[axis] = divmod(number, self.counts[axis])
        if self.unlimited is not None:
            scaled[self.unlimited] = number
        return tuple(at * dim for at, dim in zip(scaled, self.chunk, strict=True))


def check_count(count: int, at: int) -> None:
    """Raise Malformed where there are more chunks than are read."""
    if count > MAX_CHUNKS:
        raise Malformed(f"there are more than {MAX_CHUNKS:,} chunks", at)
