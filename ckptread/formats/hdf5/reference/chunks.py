"""Finds the chunks of a dataset in the HDF5 worker, and checks that they are complete."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import h5py
from h5py import h5d, h5s, h5t

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.filters import DEFLATE, FLETCHER32, LZF, NBIT, SCALEOFFSET, SZIP
from ckptread.formats.hdf5.reference import FAILURES
from ckptread.limits import MAX_CHUNK_BYTES
from ckptread.tensors import element_count

UNCHECKED = {SZIP, NBIT, SCALEOFFSET}
"""Filters whose streams only the library can read."""
LZF_TOKEN = re.compile(
    b"[\x20-\xdf].|[\xe0-\xff]..|" + b"|".join(re.escape(bytes([n])) + b".{%d}" % (n + 1) for n in range(32)), re.DOTALL
)
MAX_LOOKUPS, MAX_LOOKUP_BYTES = 4096, 16 << 20
"""Up to here, every chunk is also looked up, which reads it: a few hundredths of a second."""
FETCH_AGAIN = "fetch the file again"


class StoredChunk(NamedTuple):
    """A chunk that is stored."""

    position: tuple[int, ...]
    """Of its first element in the dataset."""
    filter_mask: int
    """The filters that were left out for it, a bit each."""
    offset: int
    """In the file, user block included."""
    nbytes: int


def stored_chunks(dataset: h5d.DatasetID) -> list[StoredChunk]:
    """Return the chunks that are stored, each at its true position.

    Raises DamagedFileError where the index contradicts itself. The library iterates over an index in one way and looks
    chunks up in another: of a damaged one, it would silently read one chunk for another, or none.
    """
    grid, unlimited = _grid(dataset)
    found = _iterate_chunks(dataset, grid, unlimited)
    positions = [chunk.position for chunk in found]
    if not (_ascend(positions) or (unlimited and _ascend([_swizzled(p, unlimited) for p in positions]))):
        raise DamagedFileError("", "the index of its chunks is damaged: they are out of order", advice=FETCH_AGAIN)
    few = len(found) <= MAX_LOOKUPS and sum(chunk.nbytes for chunk in found) <= MAX_LOOKUP_BYTES
    if few and not all(_agrees(dataset, chunk) for chunk in found):
        problem = "the index of its chunks is damaged: one is not found at its position"
        raise DamagedFileError("", problem, advice=FETCH_AGAIN)
    return found


def _ascend(positions: Sequence[tuple[int, ...]]) -> bool:
    return all(one < other for one, other in pairwise(positions))


def _swizzled(position: tuple[int, ...], unlimited: int) -> tuple[int, ...]:
    """Return a position in the order of an extensible array: the unlimited dimension comes first."""
    return (position[unlimited], *position[:unlimited], *position[unlimited + 1 :])


def _is_inside(dataset: h5d.DatasetID, position: tuple[int, ...]) -> bool:
    return all(at < dim for at, dim in zip(position, dataset.get_space().shape, strict=True))


def _look_up(dataset: h5d.DatasetID, position: tuple[int, ...]) -> tuple[int, bytes] | None:
    """Return the filter mask and stored bytes of the chunk at a position, None where there is none."""
    try:
        mask, data = dataset.read_direct_chunk(position)
    except FAILURES:
        return None
    return mask, data


def _agrees(dataset: h5d.DatasetID, chunk: StoredChunk) -> bool:
    """Whether the library finds this chunk by its position too, or it is outside the dataset, which was shrunk."""
    if not _is_inside(dataset, chunk.position):
        return True
    found = _look_up(dataset, chunk.position)
    return found is not None and (found[0], len(found[1])) == (chunk.filter_mask, chunk.nbytes)


def _iterate_chunks(dataset: h5d.DatasetID, grid: list[int], unlimited: int | None) -> list[StoredChunk]:
    """Return the chunks as the library iterates over them, with its wrong positions corrected.

    An extensible array indexes the chunks of a dataset with one unlimited dimension. If that is not the first one, the
    array is "swizzled": its order has the unlimited dimension moved to the front. H5Dearray.c of HDF5 1.14 and 2.0
    looks chunks up in that order, but its idx_iterate computes positions as if the array were in the dataset's order.
    """
    found: list[StoredChunk] = []
    dataset.chunk_iter(
        lambda info: found.append(StoredChunk(tuple(info.chunk_offset), info.filter_mask, info.byte_offset, info.size))
    )
    if unlimited is None or unlimited == 0 or not found:
        return found
    chunk = dataset.get_create_plist().get_chunk()
    numbers = [_array_index(each.position, chunk, grid, unlimited) for each in found]
    # With wrong positions, the last chunk is at one where there is none.
    last = max(range(len(found)), key=numbers.__getitem__)
    if _is_stored(dataset, found[last].position):
        return found
    corrected = [
        each._replace(position=_position_at(number, chunk, grid, unlimited))
        for each, number in zip(found, numbers, strict=True)
    ]
    if not _is_stored(dataset, corrected[last].position):
        raise DamagedFileError("", "the index of its chunks is damaged: one is not found at its position")
    return corrected


def _grid(dataset: h5d.DatasetID) -> tuple[list[int], int | None]:
    """Return the most chunks along each dimension (1 if unlimited), and the one unlimited dimension or None."""
    limits = dataset.get_space().get_simple_extent_dims(True)
    chunk = dataset.get_create_plist().get_chunk()
    unlimited = [axis for axis, limit in enumerate(limits) if limit == h5s.UNLIMITED]
    grid = [1 if limit == h5s.UNLIMITED else -(-limit // dim) for limit, dim in zip(limits, chunk, strict=True)]
    return grid, unlimited[0] if len(unlimited) == 1 else None


def _array_index(position: Sequence[int], chunk: Sequence[int], grid: Sequence[int], unlimited: int) -> int:
    """Return the index in the array from which the library computed a position, in the dataset's order."""
    index = position[unlimited] // chunk[unlimited]
    for axis in range(unlimited + 1, len(chunk)):
        index = index * grid[axis] + position[axis] // chunk[axis]
    return index


def _position_at(index: int, chunk: Sequence[int], grid: Sequence[int], unlimited: int) -> tuple[int, ...]:
    """Return the true position of an index: C order with the unlimited dimension moved to the front."""
    scaled = [0] * len(chunk)
    for axis in reversed([axis for axis in range(len(chunk)) if axis != unlimited]):
        index, scaled[axis] = divmod(index, grid[axis])
    scaled[unlimited] = index
    return tuple(at * dim for at, dim in zip(scaled, chunk, strict=True))


def _is_stored(dataset: h5d.DatasetID, position: tuple[int, ...]) -> bool:
    return _is_inside(dataset, position) and _look_up(dataset, position) is not None


def verify_chunks(dataset: h5py.Dataset) -> None:
    """Verify the chunk index and every chunk's decompressed size: libhdf5 pads short chunks with stale heap memory."""
    plist = dataset.id.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED:
        return
    codes = [plist.get_filter(n)[0] for n in range(plist.get_nfilters())]
    address_bytes = dataset.file.id.get_create_plist().get_sizes()[0]
    expected = element_count(tuple(plist.get_chunk())) * _disk_bytes(dataset.id.get_type(), address_bytes)
    for chunk in stored_chunks(dataset.id):
        applied = {code for n, code in enumerate(codes) if not chunk.filter_mask >> n & 1}
        if not applied & UNCHECKED and _expanded_bytes(dataset, chunk, applied) != expected:
            raise DamagedFileError("", f"the chunk at {list(chunk.position)} does not inflate to its size")


def _expanded_bytes(dataset: h5py.Dataset, chunk: StoredChunk, applied: set[int]) -> int:
    """Return the size of a chunk with its filters undone."""
    checksum_bytes = 4 if FLETCHER32 in applied else 0
    if not applied & {DEFLATE, LZF}:
        return chunk.nbytes - checksum_bytes
    data = dataset.id.read_direct_chunk(chunk.position)[1]
    expands = _inflated_bytes if DEFLATE in applied else _lzf_bytes
    return expands(data[: len(data) - checksum_bytes])


def _disk_bytes(kind: h5t.TypeID, address_bytes: int) -> int:
    """Return the size of a type in the file: values on the heap are a length, an address and an index."""
    what = kind.get_class()
    if what == h5t.VLEN or (what == h5t.STRING and kind.is_variable_str()):
        return 4 + address_bytes + 4
    if what == h5t.ARRAY:
        return element_count(tuple(kind.get_array_dims())) * _disk_bytes(kind.get_super(), address_bytes)
    if what == h5t.COMPOUND:
        members = [kind.get_member_type(n) for n in range(kind.get_nmembers())]
        growth = sum(_disk_bytes(member, address_bytes) - int(member.get_size()) for member in members)
        return int(kind.get_size()) + growth
    return int(kind.get_size())


def _lzf_bytes(data: bytes) -> int:
    """Return the size that a LibLZF stream expands to; -1 where it is incomplete.

    A byte below 32 is one less than the number of literal bytes that follow. Any other begins a repetition: its upper
    three bits are the length less two; where all three are set, the next byte is added.
    """
    tokens = LZF_TOKEN.findall(data)
    if sum(map(len, tokens)) != len(data):
        return -1
    return sum(t[0] + 1 if t[0] < 32 else (t[0] >> 5) + 2 if t[0] < 224 else t[1] + 9 for t in tokens)


def _inflated_bytes(data: bytes) -> int:
    """Return the size that a deflate stream inflates to; -1 where it is incomplete."""
    inflater = zlib.decompressobj()
    try:
        size = len(inflater.decompress(data, MAX_CHUNK_BYTES + 1))
    except zlib.error as error:
        raise DamagedFileError("", f"a chunk is not a deflate stream: {error}") from error
    if size > MAX_CHUNK_BYTES:
        raise UnsafeFileError("", f"a chunk inflates to more than the {MAX_CHUNK_BYTES:,} bytes that are read")
    return size if inflater.eof else -1
