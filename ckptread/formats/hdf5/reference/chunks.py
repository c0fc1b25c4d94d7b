"""Where the chunks of a dataset lie, and whether they are whole. Part of the child of hdf5.py."""

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
from ckptread.limits import MAX_CHUNK_BYTES
from ckptread.tensors import element_count

UNCHECKED = {SZIP, NBIT, SCALEOFFSET}
"""Filters whose streams only the library can read."""
LZF_TOKEN = re.compile(
    b"[\x20-\xdf].|[\xe0-\xff]..|" + b"|".join(re.escape(bytes([n])) + b".{%d}" % (n + 1) for n in range(32)), re.DOTALL
)
MOST_LOOKED_UP, LOOKED_UP_BYTES = 4096, 16 << 20
"""So many chunks are looked up one by one, which reads them: a few hundredths of a second."""
AGAIN = "fetch the file again"


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

    Raises DamagedFileError where the index contradicts itself: the library, which goes through it in one way and looks
    a chunk up in another, would then read one chunk for another, or none at all, and say nothing.
    """
    grid, unlimited = _grid(dataset)
    found = _gone_through(dataset, grid, unlimited)
    positions = [chunk.position for chunk in found]
    if not (_ascend(positions) or (unlimited and _ascend([_swizzled(p, unlimited) for p in positions]))):
        raise DamagedFileError("", "the index of its chunks is damaged: they stand out of order", advice=AGAIN)
    few = len(found) <= MOST_LOOKED_UP and sum(chunk.nbytes for chunk in found) <= LOOKED_UP_BYTES
    if few and not all(_agrees(dataset, chunk) for chunk in found):
        raise DamagedFileError("", "the index of its chunks is damaged: one is not found by its place", advice=AGAIN)
    return found


def _ascend(positions: Sequence[tuple[int, ...]]) -> bool:
    return all(one < other for one, other in pairwise(positions))


def _swizzled(position: tuple[int, ...], unlimited: int) -> tuple[int, ...]:
    """Return a position as an extensible array has it: the unlimited dimension comes first."""
    return (position[unlimited], *position[:unlimited], *position[unlimited + 1 :])


def _agrees(dataset: h5d.DatasetID, chunk: StoredChunk) -> bool:
    """Whether the library finds this chunk by its position, or need not, for it lies outside the dataset by now."""
    if any(at >= dim for at, dim in zip(chunk.position, dataset.get_space().shape, strict=True)):
        return True
    try:
        mask, data = dataset.read_direct_chunk(chunk.position)
    except (OSError, RuntimeError, ValueError):
        return False
    return (mask, len(data)) == (chunk.filter_mask, chunk.nbytes)


def _gone_through(dataset: h5d.DatasetID, grid: list[int], unlimited: int | None) -> list[StoredChunk]:
    """Return the chunks as the library tells them, going through the index.

    The library (HDF5 1.14 and 2.0) counts wrongly through an extensible array, the index of a dataset with one
    unlimited dimension, unless that dimension is the first: these positions are put right.
    """
    said: list[StoredChunk] = []
    dataset.chunk_iter(
        lambda info: said.append(StoredChunk(tuple(info.chunk_offset), info.filter_mask, info.byte_offset, info.size))
    )
    if unlimited is None or unlimited == 0 or not said:
        return said
    chunk = dataset.get_create_plist().get_chunk()
    numbers = [_number(each.position, chunk, grid, unlimited) for each in said]
    # Counted wrongly, the last chunk stands where none is: its number times the chunks of a row, or beyond all.
    last = max(range(len(said)), key=numbers.__getitem__)
    if _is_there(dataset, said[last].position):
        return said
    true = [each._replace(position=_position(n, chunk, grid, unlimited)) for each, n in zip(said, numbers, strict=True)]
    if not _is_there(dataset, true[last].position):
        raise DamagedFileError("", "the library finds a chunk nowhere that its index tells of")
    return true


def _grid(dataset: h5d.DatasetID) -> tuple[list[int], int | None]:
    """Return how many chunks each dimension may have at most, and which one alone is unlimited (1 stands for it)."""
    limits = dataset.get_space().get_simple_extent_dims(True)
    chunk = dataset.get_create_plist().get_chunk()
    unlimited = [axis for axis, limit in enumerate(limits) if limit == h5s.UNLIMITED]
    grid = [1 if limit == h5s.UNLIMITED else -(-limit // dim) for limit, dim in zip(limits, chunk, strict=True)]
    return grid, unlimited[0] if len(unlimited) == 1 else None


def _number(position: Sequence[int], chunk: Sequence[int], grid: Sequence[int], unlimited: int) -> int:
    """Return the number in the array that the library was at: it counts as if the array were in the dataset's order.

    H5Dearray.c: its idx_iterate knows nothing of the ``swizzled`` order that idx_get_addr looks up by.
    """
    number = position[unlimited] // chunk[unlimited]
    for axis in range(unlimited + 1, len(chunk)):
        number = number * grid[axis] + position[axis] // chunk[axis]
    return number


def _position(number: int, chunk: Sequence[int], grid: Sequence[int], unlimited: int) -> tuple[int, ...]:
    """Return the position of a number: the array is in C order with the unlimited dimension moved to the front."""
    scaled = [0] * len(chunk)
    for axis in reversed([axis for axis in range(len(chunk)) if axis != unlimited]):
        number, scaled[axis] = divmod(number, grid[axis])
    scaled[unlimited] = number
    return tuple(at * dim for at, dim in zip(scaled, chunk, strict=True))


def _is_there(dataset: h5d.DatasetID, position: tuple[int, ...]) -> bool:
    """Whether the library finds a chunk at this position: looking one up is sound, unlike counting."""
    if any(at >= dim for at, dim in zip(position, dataset.get_space().shape, strict=True)):
        return False
    try:
        dataset.read_direct_chunk(position)
    except (OSError, RuntimeError, ValueError):
        return False
    return True


def verify_chunks(dataset: h5py.Dataset) -> None:
    """See to the index, and that every chunk comes to its size, before the library reads them.

    It would pad a short one with old memory.
    """
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
    """Return how many bytes a chunk comes to, once the filters that were applied to it are undone."""
    checksum_bytes = 4 if FLETCHER32 in applied else 0
    if not applied & {DEFLATE, LZF}:
        return chunk.nbytes - checksum_bytes
    data = dataset.id.read_direct_chunk(chunk.position)[1]
    expands = _inflated_bytes if DEFLATE in applied else _lzf_bytes
    return expands(data[: len(data) - checksum_bytes])


def _disk_bytes(kind: h5t.TypeID, address_bytes: int) -> int:
    """Return the size of a type in the file: what lies on its heap is a length, an address and an index there."""
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
    """Return how many bytes a chunk expands to, as LibLZF does it; -1 where it is no whole stream.

    A byte below 32 says how many follow as they are, less one; any other begins a repetition, whose length stands in
    its upper three bits, less two, and where these are all set, the next byte is added.
    """
    tokens = LZF_TOKEN.findall(data)
    if sum(map(len, tokens)) != len(data):
        return -1
    return sum(t[0] + 1 if t[0] < 32 else (t[0] >> 5) + 2 if t[0] < 224 else t[1] + 9 for t in tokens)


def _inflated_bytes(data: bytes) -> int:
    """Return how many bytes a chunk inflates to; more than a chunk may have counts as too many."""
    inflater = zlib.decompressobj()
    try:
        size = len(inflater.decompress(data, MAX_CHUNK_BYTES + 1))
    except zlib.error as error:
        raise DamagedFileError("", f"a chunk is no deflate stream: {error}") from error
    if size > MAX_CHUNK_BYTES:
        raise UnsafeFileError("", "a chunk inflates beyond what is read")
    return size if inflater.eof else -1
