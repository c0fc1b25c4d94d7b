"""Chunks by their numbers: fixed and extensible arrays.

Specification: HDF5 File Format Specification 3.0, VII "Appendix C: Types of Indexes for Dataset Chunks". Sizes that the
specification leaves open are as in H5Dearray.c, H5Dfarray.c, H5EAhdr.c and H5FAdblock.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

import msgspec

from ckptread.formats.hdf5.chunk_grid import Chunk, ChunkGrid, check_count
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock
from ckptread.untrusted.binary import Malformed

CHECKSUM_BYTES = 4
FIXED_HEAD = Struct("<4sBBBBQQ")
"""Mark, version, client, bytes of an element, bits of a page, elements, the data block's address."""
EXTENSIBLE_HEAD = Struct("<4sBBBBBBBB32xQ8xQ")
"""Mark, version, client, bytes of an element, bits of the largest number, elements of the index block, of the smallest
data block, the fewest pointers of a super block, bits of a page; statistics, of which one is
the number behind the last entry ever set; the index block's address."""
MAX_DATA_BLOCKS = 100_000

Numbered = list[tuple[int, Chunk]]


def read_fixed_array(head: Superblock, address: int, grid: ChunkGrid) -> Parser[Numbered]:
    """Return the chunks of the fixed array at ``address``, by number. Raises Malformed."""
    mark, _, _, size, bits, count, block = FIXED_HEAD.unpack((yield from head.read(address, FIXED_HEAD.size)))
    if mark != b"FAHD" or size != grid.entry_bytes or bits > 32:
        raise Malformed(f"no fixed array is at byte {head.base + address:,}", head.base + address)
    check_count(count, head.base + address)
    head.note(address, FIXED_HEAD.size + CHECKSUM_BYTES)
    if block == UNDEFINED:
        return []
    prefix = yield from head.read(block, 14)
    if prefix[:4] != b"FADB":
        raise Malformed(f"no data of a fixed array are at byte {head.base + block:,}", head.base + block)
    if count <= 1 << bits:
        head.note(block, 14 + count * size + CHECKSUM_BYTES)
        return (yield from _read_entries(head, grid, [(0, block + 14, count)]))
    pages = -(-count // (1 << bits))
    bitmap = yield from head.read(block + 14, -(-pages // 8))
    start = block + 14 + len(bitmap) + CHECKSUM_BYTES
    head.note(block, start - block)
    return (yield from _read_entries(head, grid, list(_pages(head, grid, 0, start, count, 1 << bits, bitmap))))


Run = tuple[int, int, int]
"""The number of the first entry of a run, its address, and how many there are."""


def _pages(
    head: Superblock, grid: ChunkGrid, first: int, start: int, count: int, per_page: int, bitmap: bytes
) -> Iterator[Run]:
    """Yield the pages of a data block that were written; each is followed by a checksum."""
    page_bytes = per_page * grid.entry_bytes + CHECKSUM_BYTES
    for number in range(-(-count // per_page)):
        if bitmap[number // 8] & 0x80 >> number % 8:
            entries, at = min(per_page, count - number * per_page), start + number * page_bytes
            head.note(at, entries * grid.entry_bytes + CHECKSUM_BYTES)
            yield first + number * per_page, at, entries


def _read_entries(head: Superblock, grid: ChunkGrid, runs: Sequence[Run]) -> Parser[Numbered]:
    """Return the chunks of runs of entries, with their numbers; those never written are left out."""
    size = grid.entry_bytes
    blocks = yield from head.read_all([(address, count * size) for _, address, count in runs])
    found: Numbered = []
    for (first, _, count), data in zip(runs, blocks, strict=True):
        for number in range(count):
            chunk = grid.entry(data, number * size, head.base)
            if chunk is not None:
                found.append((first + number, chunk))
    check_count(len(found), 0)
    return found


class ArrayShape(msgspec.Struct, frozen=True, gc=False):
    """How the blocks of an extensible array grow."""

    offset_bytes: int
    """Bytes of a block's own place in the array, in its prefix."""
    in_index: int
    """Entries that the index block holds itself."""
    smallest: int
    """Entries of the smallest data block."""
    pointers: int
    """The fewest pointers to data blocks that a super block has."""
    per_page: int
    supers: int
    """Super blocks in all, those counted whose pointers the index block holds itself."""

    @property
    def direct_supers(self) -> int:
        """The super blocks whose pointers the index block holds itself."""
        return 2 * (self.pointers.bit_length() - 1)

    @property
    def direct_blocks(self) -> int:
        """The data blocks that the index block points to."""
        return 2 * (self.pointers - 1)

    def blocks(self, number: int) -> int:
        """Return how many data blocks a super block has."""
        return 1 << number // 2

    def entries(self, number: int) -> int:
        """Return how many entries a data block of a super block has."""
        return (1 << (number + 1) // 2) * self.smallest

    def first(self, number: int) -> int:
        """Return the number of a super block's first entry, those in the index block not counted."""
        return sum(self.blocks(n) * self.entries(n) for n in range(number))


def read_extensible_array(head: Superblock, address: int, grid: ChunkGrid) -> Parser[Numbered]:
    """Return the chunks of the extensible array at ``address``, by number. Raises Malformed."""
    fields = EXTENSIBLE_HEAD.unpack((yield from head.read(address, EXTENSIBLE_HEAD.size)))
    mark, _, _, size, bits, in_index, smallest, pointers, page_bits, count, block = fields
    powers = all(each and not each & (each - 1) for each in (smallest, pointers))
    if mark != b"EAHD" or size != grid.entry_bytes or not powers or bits > 64 or page_bits > 32:
        raise Malformed(f"no extensible array is at byte {head.base + address:,}", head.base + address)
    head.note(address, EXTENSIBLE_HEAD.size + CHECKSUM_BYTES)
    if block == UNDEFINED:
        return []
    shape = ArrayShape((bits + 7) // 8, in_index, smallest, pointers, 1 << page_bits,
                       1 + max(0, bits - (smallest.bit_length() - 1)))  # fmt: skip
    found = yield from _read_index_block(head, block, grid, shape)
    return [(number, chunk) for number, chunk in found if number < count]  # the library looks no further either


def _read_index_block(head: Superblock, block: int, grid: ChunkGrid, shape: ArrayShape) -> Parser[Numbered]:
    """Return the chunks of the index block, of the data blocks that it points to, and of those below super blocks."""
    direct, supers = shape.direct_blocks, max(0, shape.supers - shape.direct_supers)
    entries_bytes = shape.in_index * grid.entry_bytes
    data = yield from head.read(block, 14 + entries_bytes + 8 * (direct + supers))
    if data[:4] != b"EAIB":
        raise Malformed(f"no index of an extensible array is at byte {head.base + block:,}", head.base + block)
    head.note(block, len(data) + CHECKSUM_BYTES)
    addresses = Struct(f"<{direct + supers}Q").unpack_from(data, 14 + entries_bytes)
    found = yield from _read_entries(head, grid, [(0, block + 14, shape.in_index)])
    runs: list[Run] = list(_direct_runs(head, grid, shape, addresses[:direct]))
    for number, at in enumerate(addresses[direct:], shape.direct_supers):
        if at != UNDEFINED:
            runs += yield from _read_super_block(head, at, grid, shape, number)
    return found + (yield from _read_entries(head, grid, runs))


def _direct_runs(head: Superblock, grid: ChunkGrid, shape: ArrayShape, addresses: Sequence[int]) -> Iterator[Run]:
    """Yield the data blocks that the index block points to: too small to have pages."""
    place = 0
    for number in range(shape.direct_supers):
        for n in range(shape.blocks(number)):
            address = addresses[place]
            place += 1
            count = shape.entries(number)
            if address != UNDEFINED:
                first = shape.in_index + shape.first(number) + n * count
                head.note(address, 14 + shape.offset_bytes + count * grid.entry_bytes + CHECKSUM_BYTES)
                yield first, address + 14 + shape.offset_bytes, count


def _read_super_block(head: Superblock, at: int, grid: ChunkGrid, shape: ArrayShape, number: int) -> Parser[list[Run]]:
    """Return the runs of entries of all data blocks of a super block."""
    blocks, count = shape.blocks(number), shape.entries(number)
    if blocks > MAX_DATA_BLOCKS:
        raise Malformed("an extensible array has too many blocks", head.base + at)
    pages = count // shape.per_page if count > shape.per_page else 0
    bitmap_bytes = -(-pages // 8)
    prefix = 14 + shape.offset_bytes
    data = yield from head.read(at, prefix + blocks * (bitmap_bytes + 8))
    if data[:4] != b"EASB":
        raise Malformed(f"no super block is at byte {head.base + at:,}", head.base + at)
    head.note(at, len(data) + CHECKSUM_BYTES)
    bitmaps = data[prefix : prefix + blocks * bitmap_bytes]
    addresses = Struct(f"<{blocks}Q").unpack_from(data, prefix + blocks * bitmap_bytes)
    runs: list[Run] = []
    for n, address in enumerate(addresses):
        first = shape.in_index + shape.first(number) + n * count
        if address == UNDEFINED:
            continue
        if pages:
            start = address + prefix + CHECKSUM_BYTES
            bits = bitmaps[n * bitmap_bytes : (n + 1) * bitmap_bytes]
            head.note(address, prefix + CHECKSUM_BYTES)
            runs += _pages(head, grid, first, start, count, shape.per_page, bits)
        else:
            head.note(address, prefix + count * grid.entry_bytes + CHECKSUM_BYTES)
            runs.append((first, address + prefix, count))
    return runs
