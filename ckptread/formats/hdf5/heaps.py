"""The heaps of a file: names of older groups, links and attributes of newer ones, strings of any length.

Specification: HDF5 File Format Specification 3.0, III.D "Local Heaps", III.E "Global Heap", III.G "Fractal Heap".
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import msgspec

from ckptread.formats.hdf5.btree2 import read_tree_2
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock, Unsupported
from ckptread.untrusted.binary import Malformed

LOCAL_HEAP = Struct("<4sB3xQQQ")
"""Mark, version, bytes of the data, the first free one, the data's address."""
COLLECTION = Struct("<4sB3xQ")
"""Mark, version, bytes of the collection, this head included."""
HEAP_OBJECT = Struct("<HH4xQ")
"""Number, references, bytes; padded to a multiple of 8 bytes."""
USUAL_HEAP_BYTES = LOCAL_HEAP.size + 88
MAX_COLLECTION_BYTES = 64 << 20
MAX_LOCAL_HEAP_BYTES = 64 << 20

FRACTAL_HEAP = Struct("<4sBHHBIQQQQQQQQQQQQHQQHHQH")
"""Mark, version, bytes of an identification and of the filters, flags, largest managed object, then (each of 8 bytes)
the next huge identification, the tree of huge objects, free space and its manager, managed space, allocated space, the
iterator's place, managed objects, huge bytes and objects, tiny bytes and objects; the table's width, first and largest
block, bits of an offset, rows at the start, the root block's address and rows."""
CHECKED_BLOCKS = 2
"""A flag: blocks have a checksum in their heads."""
CHECKSUM_BYTES = 4
MANAGED, HUGE, TINY = range(3)
HUGE_RECORD = 1
MAX_INDIRECT_DEPTH = 32


def read_local_heap(head: Superblock, address: int) -> Parser[bytes]:
    """Return the data of the local heap at ``address``: names that end in NUL. Raises Malformed."""
    found = yield from head.read_structure(
        address, LOCAL_HEAP.size, USUAL_HEAP_BYTES, lambda _data, _at: LOCAL_HEAP.size
    )
    mark, _, nbytes, _, data = LOCAL_HEAP.unpack_from(found)
    if mark != b"HEAP":
        raise Malformed(f"no heap of names is at byte {head.base + address:,}", head.base + address)
    if nbytes > MAX_LOCAL_HEAP_BYTES:
        raise Malformed(f"a heap of names takes {nbytes:,} bytes", head.base + address)
    if data == address + LOCAL_HEAP.size and len(found) >= LOCAL_HEAP.size + nbytes:  # as libhdf5 writes them
        return found[LOCAL_HEAP.size : LOCAL_HEAP.size + nbytes]
    return (yield from head.read(data, nbytes))


def read_collection(head: Superblock, address: int) -> Parser[dict[int, bytes]]:
    """Return the objects of the global heap's collection at ``address``, by number. Raises Malformed."""
    mark, _, nbytes = COLLECTION.unpack((yield from head.read(address, COLLECTION.size)))
    if mark != b"GCOL" or not COLLECTION.size <= nbytes <= MAX_COLLECTION_BYTES:
        raise Malformed(f"no collection of the global heap is at byte {head.base + address:,}", head.base + address)
    data = yield from head.read(address, nbytes)
    found: dict[int, bytes] = {}
    at = COLLECTION.size
    while at + HEAP_OBJECT.size <= nbytes:
        number, _, length = HEAP_OBJECT.unpack_from(data, at)
        at += HEAP_OBJECT.size
        if number == 0 and length > 0:  # free space, which ends the collection
            break
        if number == 0:
            raise Malformed("the free space of a collection of the global heap has no size, on which the library hangs",
                            head.base + address + at)  # fmt: skip
        if at + length > nbytes:
            raise Malformed(f"an object of the global heap at byte {head.base + address + at:,} is too long",
                            head.base + address + at)  # fmt: skip
        found[number] = data[at : at + length]
        at += -(-length // 8) * 8
    return found


class DoublingTable(msgspec.Struct, frozen=True, gc=False):
    """How the blocks of a fractal heap grow: two rows of the first size, then each row's twice the one before."""

    width: int
    first: int
    largest: int

    def row_bytes(self, row: int) -> int:
        """Return the size of a block in a row."""
        return self.first if row == 0 else self.first << (row - 1)

    @property
    def direct_rows(self) -> int:
        """The rows whose blocks hold objects; those of later rows hold blocks."""
        return (self.largest // self.first).bit_length() + 1

    def rows_within(self, row: int) -> int:
        """Return how many rows a block of blocks has that is in a row."""
        return (self.row_bytes(row) // self.first // self.width).bit_length()

    def find(self, offset: int) -> tuple[int, int, int]:
        """Return the row, the number of the block in the table, and where it begins, of an offset in the heap."""
        row, begin = 0, 0
        while begin + self.row_bytes(row) * self.width <= offset:
            begin += self.row_bytes(row) * self.width
            row += 1
        column = (offset - begin) // self.row_bytes(row)
        return row, row * self.width + column, begin + column * self.row_bytes(row)


class FractalHeap(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a fractal heap."""

    id_bytes: int
    table: DoublingTable
    offset_bytes: int
    length_bytes: int
    root: int
    rows: int
    """Of the root block; 0 where it holds objects itself."""
    huge_tree: int
    huge: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    """Address and bytes of each object in that tree, by number: read with the first of them."""


def read_fractal_heap(head: Superblock, address: int) -> Parser[FractalHeap]:
    """Read the head of the heap at ``address``. Raises Malformed, and Unsupported where its blocks are filtered."""
    data = yield from head.read(address, FRACTAL_HEAP.size)
    fields = FRACTAL_HEAP.unpack(data)
    width, first, largest, bits, _, root, rows = fields[-7:]
    if fields[0] != b"FRHP" or not width or first == 0 or first & (first - 1) or largest & (largest - 1) or bits > 64:
        raise Malformed(f"no fractal heap is at byte {head.base + address:,}", head.base + address)
    if fields[3]:
        raise Unsupported("a heap went through filters")
    most = min(largest, fields[5])
    head.note(address, FRACTAL_HEAP.size + CHECKSUM_BYTES)
    return FractalHeap(
        id_bytes=fields[2],
        table=DoublingTable(width, first, max(first, largest)),
        offset_bytes=(bits + 7) // 8,
        length_bytes=(most.bit_length() + 7) // 8,
        root=root,
        rows=rows,
        huge_tree=fields[7],
    )


def read_heap_object(head: Superblock, heap: FractalHeap, name: bytes) -> Parser[bytes]:
    """Return the object that an identification names. Raises Malformed, Unsupported."""
    return (yield from read_heap_objects(head, heap, [name]))[0]


def read_heap_objects(head: Superblock, heap: FractalHeap, names: Sequence[bytes]) -> Parser[list[bytes]]:
    """Return the objects that these identifications name, fetched together. Raises Malformed, Unsupported."""
    found: list[bytes] = []
    managed: list[tuple[int, int]] = []
    for name in names:
        if len(name) < max(1, heap.id_bytes):
            raise Malformed("a name of an object in a heap is too short", head.base + heap.root)
        kind = name[0] >> 4 & 3
        if kind == TINY:
            found.append(name[1 : 2 + (name[0] & 15)])
        elif kind == HUGE:
            found.append((yield from _read_huge(head, heap, name)))
        else:
            managed.append((len(found), int.from_bytes(name[1 : 1 + heap.offset_bytes], "little")))
            found.append(name[1 + heap.offset_bytes : 1 + heap.offset_bytes + heap.length_bytes])
    addresses = yield from _find_places(head, heap, [offset for _, offset in managed])
    lengths = [int.from_bytes(found[number], "little") for number, _ in managed]
    objects = yield from head.read_all(list(zip(addresses, lengths, strict=True)))
    for (number, _), data in zip(managed, objects, strict=True):
        found[number] = data
    return found


def _find_places(head: Superblock, heap: FractalHeap, offsets: list[int]) -> Parser[list[int]]:
    """Return the addresses at which these offsets of the heap are: block by block, all of one depth together."""
    if heap.rows == 0:
        return [heap.root + offset for offset in offsets]
    entries_at = 13 + heap.offset_bytes
    """Of an indirect block: mark, version, the heap's address, its own offset; then the addresses."""
    found = [0] * len(offsets)
    waiting = [(number, heap.root, heap.rows, offset) for number, offset in enumerate(offsets)]
    for _ in range(MAX_INDIRECT_DEPTH):
        for address, rows in {(address, rows) for _, address, rows, _ in waiting}:
            head.note(address, entries_at + 8 * rows * heap.table.width + CHECKSUM_BYTES)
        steps = [heap.table.find(inner) for _, _, _, inner in waiting]
        places = [(each[1] + entries_at + 8 * step[1], 8) for each, step in zip(waiting, steps, strict=True)]
        below = []
        for each, step, data in zip(waiting, steps, (yield from head.read_all(places)), strict=True):
            address, inner = int.from_bytes(data, "little"), each[3] - step[2]
            if address == UNDEFINED:
                raise Malformed(f"no block of a heap holds its byte {offsets[each[0]]:,}", head.base + heap.root)
            if step[0] < heap.table.direct_rows:
                found[each[0]] = address + inner
            else:
                below.append((each[0], address, heap.table.rows_within(step[0]), inner))
        if not below:
            return found
        waiting = below
    raise Malformed(f"no block of a heap holds its byte {offsets[waiting[0][0]]:,}", head.base + heap.root)


def _read_huge(head: Superblock, heap: FractalHeap, name: bytes) -> Parser[bytes]:
    """Return an object that is too large for a block: in the file by itself, found by a tree."""
    number = int.from_bytes(name[1:], "little")
    if heap.id_bytes >= 17:  # large enough for the place itself
        address, nbytes = Struct("<QQ").unpack_from(name, 1)
        return (yield from head.read(address, nbytes))
    if not heap.huge:
        for record in (yield from read_tree_2(head, heap.huge_tree, HUGE_RECORD)):
            address, nbytes, own = Struct("<QQQ").unpack_from(record)
            heap.huge[own] = address, nbytes
    if number not in heap.huge:
        raise Malformed(f"a heap has no object {number:,}", head.base + heap.root)
    return (yield from head.read(*heap.huge[number]))
