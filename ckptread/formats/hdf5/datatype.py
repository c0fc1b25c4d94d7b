"""What the elements of a dataset or an attribute are: a datatype message, and what numpy calls it.

Specification: HDF5 File Format Specification 3.0, IV.A.2.d "The Datatype Message".
"""

from __future__ import annotations

import struct
from struct import Struct

import msgspec

from ckptread.tensors import element_count
from ckptread.untrusted.binary import Malformed, text

INTEGER, FLOAT, TIME, STRING, BIT_FIELD, OPAQUE, COMPOUND, REFERENCE, ENUM, VARIABLE, ARRAY = range(11)
CLASS_NAMES = ("integer", "float", "time", "string", "bitfield", "opaque", "compound", "reference", "enum", "vlen",
               "array")  # fmt: skip
HEAD_BYTES = 8
"""Class and version, three bytes of flags, the size of an element."""
HEAP_BYTES = 16
"""Of a string or list of any length: a length, the address of a collection of the global heap, a number in it."""
MAX_DEPTH = 16
MAX_MEMBERS = 4096
MAX_ARRAY_RANK = 32

INTEGER_FIELDS = Struct("<HH")
"""Offset and precision, in bits."""
FLOAT_FIELDS = Struct("<HHBBBBI")
"""Offset and precision, then exponent's place and bits, mantissa's place and bits, bias."""


class Datatype(msgspec.Struct, frozen=True, kw_only=True):
    """A type as the file describes it."""

    kind: int
    """Its class: INTEGER, FLOAT, ..."""
    size: int
    """Bytes of an element, as stored."""
    flags: int
    """The bit field of its class."""
    fields: tuple[int, ...] = ()
    """The properties of an integer or float."""
    base: Datatype | None = None
    """Of an array, enumeration or list: what it is made of."""
    dims: tuple[int, ...] = ()
    members: tuple[TypeMember, ...] = ()
    """Of a compound type: name, offset and type of each."""
    labels: tuple[tuple[str, bytes], ...] = ()
    """Of an enumeration: names with their stored values."""
    tag: str = ""
    """Of opaque bytes: what the writer says that they are."""

    @property
    def is_text(self) -> bool:
        """Whether it is a string: of one size, or of any."""
        return self.kind == STRING or (self.kind == VARIABLE and self.flags & 15 == 1)

    @property
    def in_heap(self) -> bool:
        """Whether elements are in the global heap, or refer to other objects."""
        if self.kind in (VARIABLE, REFERENCE):
            return True
        inner = [member[2] for member in self.members] + ([] if self.base is None else [self.base])
        return any(each.in_heap for each in inner)

    @property
    def memory_size(self) -> int:
        """Bytes of an element in memory, as the library counts them: a string or list of any length is a pointer."""
        if self.kind == VARIABLE:
            return 8 if self.is_text else 16
        if self.kind == ARRAY and self.base is not None:
            return element_count(self.dims) * self.base.memory_size
        return self.size + sum(each.memory_size - each.size for _, _, each in self.members)

    @property
    def numpy_size(self) -> int:
        """Bytes of an element in numpy: an object of any kind is a pointer."""
        if self.kind in (VARIABLE, REFERENCE):
            return 8
        if self.kind == ARRAY and self.base is not None:
            return element_count(self.dims) * self.base.numpy_size
        return self.memory_size

    @property
    def called(self) -> str:
        """What to call it where numpy has no name."""
        return f"HDF5 {CLASS_NAMES[self.kind]} of {self.size} bytes"


TypeMember = tuple[str, int, Datatype]


def read_datatype(data: bytes, at: int, offset: int, depth: int = MAX_DEPTH) -> tuple[Datatype, int]:
    """Read the type at ``at`` of ``data``, which begins at ``offset`` of the source. Raises Malformed."""
    if depth == 0 or at + HEAD_BYTES > len(data):
        raise Malformed("a type is nested too deep" if depth == 0 else "a type is truncated", offset + at)
    kind, version = data[at] & 15, data[at] >> 4
    if kind >= len(CLASS_NAMES) or not 1 <= version <= 4:
        raise Malformed(f"a type is of the unknown class {kind}, version {version}", offset + at)
    flags, size = int.from_bytes(data[at + 1 : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
    if size == 0 or (kind == VARIABLE and size != HEAP_BYTES):
        raise Malformed(f"a type of class {kind} has elements of {size} bytes", offset + at)
    found = Datatype(kind=kind, size=size, flags=flags)
    at += HEAD_BYTES
    try:
        if kind in PROPERTIES:
            fields = PROPERTIES[kind]
            return msgspec.structs.replace(found, fields=fields.unpack_from(data, at)), at + fields.size
        if kind in (VARIABLE, ENUM, ARRAY, COMPOUND):
            return _NESTED[kind](found, version, data, at, offset, depth)
    except (IndexError, struct.error) as error:
        raise Malformed("a type is truncated", offset + at) from error
    if kind == OPAQUE:
        tag = text(data[at : at + (flags & 0xFF)].split(b"\0")[0])
        return msgspec.structs.replace(found, tag=tag), at + (flags & 0xFF)
    return found, at


PROPERTIES = {INTEGER: INTEGER_FIELDS, BIT_FIELD: INTEGER_FIELDS, FLOAT: FLOAT_FIELDS, TIME: Struct("<H")}


def _read_list(found: Datatype, version: int, data: bytes, at: int, offset: int, depth: int) -> tuple[Datatype, int]:
    base, at = read_datatype(data, at, offset, depth - 1)
    return msgspec.structs.replace(found, base=base), at


def _read_array(found: Datatype, version: int, data: bytes, at: int, offset: int, depth: int) -> tuple[Datatype, int]:
    rank = data[at]
    if rank > MAX_ARRAY_RANK:
        raise Malformed(f"an array type has {rank} dimensions", offset + at)
    at += 4 if version < 3 else 1
    dims = Struct(f"<{rank}I").unpack_from(data, at)
    at += 4 * rank * (2 if version < 3 else 1)  # behind them, a permutation that nothing uses
    base, at = read_datatype(data, at, offset, depth - 1)
    if found.size != element_count(dims) * base.size:
        raise Malformed("an array type is not of the size of its elements", offset + at)
    return msgspec.structs.replace(found, base=base, dims=dims), at


def _read_enum(found: Datatype, version: int, data: bytes, at: int, offset: int, depth: int) -> tuple[Datatype, int]:
    base, at = read_datatype(data, at, offset, depth - 1)
    names: list[str] = []
    for _ in range(_member_count(found, offset + at)):
        name, at = _read_name(data, at, padded=version < 3)
        names.append(name)
    if found.size != base.size or at + len(names) * base.size > len(data):
        raise Malformed("an enumeration is not of the size of its values", offset + at)
    values = [data[at + n * base.size : at + (n + 1) * base.size] for n in range(len(names))]
    labels = tuple(zip(names, values, strict=True))
    return msgspec.structs.replace(found, base=base, labels=labels), at + len(names) * base.size


def _read_compound(
    found: Datatype, version: int, data: bytes, at: int, offset: int, depth: int
) -> tuple[Datatype, int]:
    members: list[TypeMember] = []
    width = 4 if version < 3 else max(1, (found.size.bit_length() + 7) // 8)
    for _ in range(_member_count(found, offset + at)):
        name, at = _read_name(data, at, padded=version < 3)
        place = int.from_bytes(data[at : at + width], "little")
        at += width
        dims: tuple[int, ...] = ()
        if version == 1:
            dims = Struct(f"<{min(data[at], 4)}I").unpack_from(data, at + 12)
            at += 28
        kind, at = read_datatype(data, at, offset, depth - 1)
        if dims:
            kind = Datatype(kind=ARRAY, size=element_count(dims) * kind.size, flags=0, base=kind, dims=dims)
        if place + kind.size > found.size:
            raise Malformed(
                f"a member of a type of {found.size:,} bytes ends at byte {place + kind.size:,}", offset + at
            )
        members.append((name, place, kind))
    return msgspec.structs.replace(found, members=tuple(members)), at


_NESTED = {VARIABLE: _read_list, ENUM: _read_enum, ARRAY: _read_array, COMPOUND: _read_compound}


def _member_count(found: Datatype, offset: int) -> int:
    count = found.flags & 0xFFFF
    if count > MAX_MEMBERS:
        raise Malformed(f"a type has {count:,} members", offset)
    return count


def _read_name(data: bytes, at: int, *, padded: bool) -> tuple[str, int]:
    end = data.index(b"\0", at) if b"\0" in data[at:] else len(data)
    length = end - at + 1
    return text(data[at:end]), at + (-(-length // 8) * 8 if padded else length)
