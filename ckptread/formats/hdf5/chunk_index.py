"""Where the chunks of a dataset are: the six kinds of index.

Specification: HDF5 File Format Specification 3.0, III.A.1 "Version 1 B-trees" (node type 1), III.A.2 "Version 2
B-trees" (types 10 and 11), VII "Appendix C: Types of Indexes for Dataset Chunks". Sizes that the specification leaves
open are as in H5Dearray.c, H5Dfarray.c, H5EAhdr.c and H5FAdblock.c.
"""

from __future__ import annotations

from itertools import pairwise
from struct import Struct

from ckptread.formats.hdf5 import storage_layout as layouts
from ckptread.formats.hdf5.btree1 import CHUNKS, read_tree_1
from ckptread.formats.hdf5.btree2 import read_tree_2
from ckptread.formats.hdf5.chunk_arrays import read_extensible_array, read_fixed_array
from ckptread.formats.hdf5.chunk_grid import Chunk, ChunkGrid, Position, check_count
from ckptread.formats.hdf5.dataspace import UNLIMITED
from ckptread.formats.hdf5.objects import DatasetObject
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock
from ckptread.limits import MAX_CHUNKS
from ckptread.tensors import element_count
from ckptread.untrusted.binary import Malformed

CHUNK_RECORD, FILTERED_RECORD = 10, 11


def read_chunk_index(head: Superblock, dataset: DatasetObject) -> Parser[dict[Position, Chunk]]:
    """Return the chunks that are stored, by position. Raises Malformed."""
    layout = dataset.layout
    if layout.address == UNDEFINED:
        return {}
    grid = _grid(dataset)
    if layout.index == layouts.SINGLE:
        if any(count > 1 for count in grid.counts):
            raise Malformed("the index of several chunks is that of a single one", head.base + layout.address)
        return {(0,) * len(grid.chunk): _single(head, dataset, grid)}
    if layout.index == layouts.TREE_1:
        return (yield from _read_tree_1(head, layout.address, grid))
    if layout.index == layouts.TREE_2:
        return (yield from _read_tree_2(head, layout.address, grid))
    if layout.index == layouts.IMPLICIT:
        return _implicit(head, layout.address, grid)
    reads = read_fixed_array if layout.index == layouts.FIXED_ARRAY else read_extensible_array
    found: dict[Position, Chunk] = {}
    for number, chunk in (yield from reads(head, layout.address, grid)):
        found[grid.position(number)] = chunk
    return found


def _grid(dataset: DatasetObject) -> ChunkGrid:
    shape, limits, chunk = dataset.space.shape or (), dataset.space.limits, dataset.layout.chunk
    if 0 in chunk or len(chunk) != len(shape):
        raise Malformed("a chunk has no size, or another rank than its dataset", 0)
    unlimited = [axis for axis, limit in enumerate(limits) if limit == UNLIMITED]
    extensible = dataset.layout.index == layouts.EXTENSIBLE_ARRAY
    if extensible and len(unlimited) != 1:
        raise Malformed("an extensible array is the index of a dataset without one unlimited dimension", 0)
    counts = tuple(
        1 if limit == UNLIMITED else max(1, -(-limit // dim)) for limit, dim in zip(limits, chunk, strict=True)
    )
    return ChunkGrid(
        chunk=chunk,
        counts=counts,
        unlimited=unlimited[0] if extensible else None,
        nbytes=element_count(chunk) * dataset.kind.size,
        filtered=bool(dataset.filters),
    )


def _single(head: Superblock, dataset: DatasetObject, grid: ChunkGrid) -> Chunk:
    parameters, offset = dataset.layout.parameters, head.base + dataset.layout.address
    if not parameters:
        return Chunk(0, offset, grid.nbytes)
    nbytes, mask = Struct("<QI").unpack(parameters)
    return Chunk(mask, offset, nbytes)


def _implicit(head: Superblock, address: int, grid: ChunkGrid) -> dict[Position, Chunk]:
    """All chunks are there, one after the other."""
    count = element_count(grid.counts)
    if count > MAX_CHUNKS:
        raise Malformed(f"there are {count:,} chunks; at most {MAX_CHUNKS:,} are read", head.base + address)
    offset = head.base + address
    return {grid.position(n): Chunk(0, offset + n * grid.nbytes, grid.nbytes) for n in range(count)}


def _read_tree_1(head: Superblock, address: int, grid: ChunkGrid) -> Parser[dict[Position, Chunk]]:
    entry = Struct(f"<II{len(grid.chunk) + 2}Q")
    """Stored bytes, mask, position, that within an element, address."""
    found: list[tuple[Position, Chunk]] = []
    position_of = Struct(f"<8x{len(grid.chunk) + 1}Q").unpack_from
    for each in (yield from read_tree_1(head, address, CHUNKS, entry.size - 8, position_of)):
        nbytes, mask, *position, inner, child = entry.unpack(each)
        if inner or any(at % dim for at, dim in zip(position, grid.chunk, strict=True)):
            raise Malformed("a chunk is at a position where none begins", head.base + address)
        found.append((tuple(position), Chunk(mask, head.base + child, nbytes)))
    return _in_order(found, head.base + address)


def _read_tree_2(head: Superblock, address: int, grid: ChunkGrid) -> Parser[dict[Position, Chunk]]:
    scaled = Struct(f"<{len(grid.chunk)}Q")
    found: list[tuple[Position, Chunk]] = []
    for record in (yield from read_tree_2(head, address, FILTERED_RECORD if grid.filtered else CHUNK_RECORD)):
        chunk = grid.entry(record, 0, head.base)
        if len(record) != grid.entry_bytes + scaled.size or chunk is None:
            raise Malformed("a record of the index of the chunks is invalid", head.base + address)
        numbers = scaled.unpack_from(record, grid.entry_bytes)
        found.append((tuple(at * dim for at, dim in zip(numbers, grid.chunk, strict=True)), chunk))
    return _in_order(found, head.base + address)


def _in_order(found: list[tuple[Position, Chunk]], at: int) -> dict[Position, Chunk]:
    """Return chunks by position. Raises Malformed where a tree has them in another order."""
    check_count(len(found), at)
    if any(one[0] >= other[0] for one, other in pairwise(found)):
        raise Malformed("the index of the chunks is out of order", at)  # the library would miss some: it halves
    return dict(found)
