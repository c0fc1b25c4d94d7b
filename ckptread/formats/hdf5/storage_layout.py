"""How a dataset is stored: its layout, its filters, and the value of what was never written.

Specification: HDF5 File Format Specification 3.0, IV.A.2.e "Fill Value (Old)", f "Fill Value", i "Data Layout",
l "Data Storage - Filter Pipeline".
"""

from __future__ import annotations

import struct
from struct import Struct

import msgspec

from ckptread.formats.hdf5.superblock import UNDEFINED, Unsupported
from ckptread.limits import MAX_FILTERS
from ckptread.untrusted.binary import Malformed, text

COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL = range(4)
OLD_HEAD_BYTES = 8
"""Of versions 1 and 2: version, rank, class, reserved."""
SINGLE, IMPLICIT, FIXED_ARRAY, EXTENSIBLE_ARRAY, TREE_2 = range(1, 6)
TREE_1 = 0
"""Not a number of the specification's: the index of all versions before 4."""
INDEX_BYTES = {SINGLE: 0, IMPLICIT: 0, FIXED_ARRAY: 1, EXTENSIBLE_ARRAY: 5, TREE_2: 6}
SINGLE_FILTERED = 2
"""A flag of version 4: the only chunk went through filters, and its size and mask follow."""
ADDRESS = Struct("<Q")
FILL_NEVER = 1


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout message."""

    kind: int
    address: int = UNDEFINED
    """Of the bytes, or of the index of the chunks."""
    nbytes: int | None = None
    """Stored bytes, where the message says."""
    offset: int = 0
    """Of compact bytes, in the source."""
    dims: tuple[int, ...] = ()
    """Of a chunk; the last one is the bytes of an element."""
    index: int = TREE_1
    parameters: bytes = b""
    """Of the index: what the message says of it."""

    @property
    def chunk(self) -> tuple[int, ...]:
        """The shape of a chunk."""
        return self.dims[:-1]


class Filter(msgspec.Struct, frozen=True, gc=False):
    """One filter of a pipeline."""

    number: int
    name: str
    """As the file calls it; "" where it does not."""
    values: tuple[int, ...]


def read_layout(data: bytes, offset: int) -> Layout:
    """Read a layout message, which begins at ``offset`` of the source. Raises Malformed, Unsupported."""
    try:
        if data[0] in (1, 2):
            return _read_layout_1(data, offset)
        if data[0] in (3, 4):
            return _read_layout_3(data, offset)
    except (struct.error, IndexError) as error:
        raise Malformed("a layout is truncated", offset) from error
    raise Unsupported(f"version {data[0]} of a layout is not known")


def _read_layout_1(data: bytes, offset: int) -> Layout:
    rank, kind, at = data[1], data[2], OLD_HEAD_BYTES
    address = UNDEFINED
    if kind != COMPACT:
        address, at = ADDRESS.unpack_from(data, at)[0], at + ADDRESS.size
    dims = Struct(f"<{rank}I").unpack_from(data, at)
    at += 4 * rank
    if kind == COMPACT:
        nbytes = int.from_bytes(data[at : at + 4], "little")
        return Layout(kind=kind, nbytes=nbytes, offset=offset + at + 4)
    return Layout(kind=kind, address=address, dims=dims if kind == CHUNKED else ())


def _read_layout_3(data: bytes, offset: int) -> Layout:
    version, kind = data[0], data[1]
    if kind == COMPACT:
        return Layout(kind=kind, nbytes=int.from_bytes(data[2:4], "little"), offset=offset + 4)
    if kind == CONTIGUOUS:
        address, nbytes = Struct("<QQ").unpack_from(data, 2)
        return Layout(kind=kind, address=address, nbytes=nbytes)
    if kind == CHUNKED and version == 3:
        rank = data[2]
        dims = Struct(f"<{rank}I").unpack_from(data, 11)
        return Layout(kind=kind, address=ADDRESS.unpack_from(data, 3)[0], dims=dims)
    if kind == CHUNKED:
        return _read_chunked_4(data)
    if kind == VIRTUAL:
        return Layout(kind=kind)
    raise Malformed(f"a layout is of the unknown class {kind}", offset)


def _read_chunked_4(data: bytes) -> Layout:
    flags, rank, width = data[2], data[3], data[4]
    dims = [int.from_bytes(data[5 + n * width : 5 + (n + 1) * width], "little") for n in range(rank)]
    at = 5 + rank * width
    index = data[at]
    if index not in INDEX_BYTES:
        raise Unsupported(f"the index {index} of chunks is not known")
    size = 12 if index == SINGLE and flags & SINGLE_FILTERED else INDEX_BYTES[index]
    parameters = data[at + 1 : at + 1 + size]
    address = ADDRESS.unpack_from(data, at + 1 + size)[0]
    return Layout(kind=CHUNKED, address=address, dims=tuple(dims), index=index, parameters=parameters)


def read_filters(data: bytes, offset: int) -> tuple[Filter, ...]:
    """Read a filter pipeline, in the order in which filters are applied on writing. Raises Malformed, Unsupported."""
    if len(data) < 2:
        raise Malformed("a filter pipeline is truncated", offset)
    version, count = data[0], data[1]
    if version not in (1, 2):
        raise Unsupported(f"version {version} of a filter pipeline is not known")
    if count > MAX_FILTERS:
        raise Malformed(f"a pipeline has {count} filters", offset)
    found: list[Filter] = []
    at = 8 if version == 1 else 2
    try:
        for _ in range(count):
            one, at = _read_filter(data, at, version)
            found.append(one)
    except struct.error as error:
        raise Malformed("a filter pipeline is truncated", offset) from error
    return tuple(found)


def _read_filter(data: bytes, at: int, version: int) -> tuple[Filter, int]:
    number = int.from_bytes(data[at : at + 2], "little")
    length = 0
    at += 2
    if version == 1 or number >= 256:  # those of the library's own have no name
        length = int.from_bytes(data[at : at + 2], "little")
        at += 2
    _, count = Struct("<HH").unpack_from(data, at)
    at += 4
    name = text(data[at : at + length].split(b"\0")[0])
    at += length
    values = Struct(f"<{count}I").unpack_from(data, at)
    at += 4 * (count + count % 2 if version == 1 else count)
    return Filter(number, name, values), at


def read_fill(data: bytes, offset: int = 0) -> bytes:
    """Read a fill value message, versions 1 to 3; b"" where the value is the usual zero, or undefined."""
    version = data[0] if data else 0
    if version in (1, 2) and len(data) >= 8 and (version == 1 or data[3]):
        return _sized(data, 4, offset)
    if version == 3 and len(data) >= 6 and data[1] & 0x20:
        return _sized(data, 2, offset)
    return b""


def is_never_filled(data: bytes) -> bool:
    """Whether a fill value message says that nothing is filled: chunks that were not written have no values at all."""
    return (data[2] if data[0] < 3 else data[1] >> 2 & 3) == FILL_NEVER if len(data) > 2 else False


def read_old_fill(data: bytes, offset: int = 0) -> bytes:
    """Read a fill value message of the oldest kind. Raises Malformed, as ``read_fill``."""
    return _sized(data, 0, offset)


def _sized(data: bytes, at: int, offset: int) -> bytes:
    """Return the bytes behind a number of four bytes that says how many they are; -1 stands for an undefined value."""
    nbytes = max(0, int.from_bytes(data[at : at + 4], "little", signed=True))
    if at + 4 + nbytes > len(data):
        raise Malformed(f"a fill value of {nbytes:,} bytes is truncated", offset + at)
    return data[at + 4 : at + 4 + nbytes]
