"""What is noted about a dataset or a group, name by name.

Specification: HDF5 File Format Specification 3.0, IV.A.2.m "The Attribute Message", v "The Attribute Info Message".
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import Any

import msgspec

from ckptread.formats.hdf5 import object_header as header
from ckptread.formats.hdf5.btree2 import read_tree_2
from ckptread.formats.hdf5.dataspace import read_dataspace
from ckptread.formats.hdf5.datatype import ENUM, FLOAT, INTEGER, STRING, Datatype, read_datatype
from ckptread.formats.hdf5.heaps import read_collection, read_fractal_heap, read_heap_objects
from ckptread.formats.hdf5.numpy_types import element_of
from ckptread.formats.hdf5.object_header import HeaderMessage, read_messages
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock, Unsupported
from ckptread.limits import GROUP_TEXT_BYTES, MAX_ATTRIBUTE_BYTES
from ckptread.tensors import element_count
from ckptread.untrusted.binary import Malformed, text

Value = str | int | float | list[str] | None
"""What an attribute says that is of use here: text, a number, a list of texts; None for any other."""

HEAD = Struct("<BBHHH")
"""Version, flags, bytes of the name, of the type and of the shape."""
SHARED_TYPE, SHARED_SPACE = 1, 2
NAME_RECORD, NAME_BYTES = 8, 8
"""Of version 2 trees: the identification of an attribute in a heap, then the flags of its message."""
ORDER_TRACKED = 1
HEAP_REFERENCE = Struct("<IQI")
"""A string of any length: its bytes, the address of a collection of the global heap, the number of the object there."""
CODES = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f2": "e", "f4": "f",
         "f8": "d"}  # fmt: skip
NULL_TERMINATED, NULL_PADDED, SPACE_PADDED = range(3)


class RawAttribute(msgspec.Struct, frozen=True):
    """An attribute, of which the values are not decoded."""

    name: str
    kind: Datatype
    shape: tuple[int, ...] | None
    values: bytes


class GlobalHeap(msgspec.Struct):
    """The collections that have been read, by address: strings of many attributes are in one."""

    head: Superblock
    collections: dict[int, dict[int, bytes]] = msgspec.field(default_factory=dict)

    def read(self, reference: bytes) -> Parser[bytes]:
        """Return the bytes that a reference leads to. Raises Malformed."""
        nbytes, address, number = HEAP_REFERENCE.unpack(reference)
        if address == 0 or nbytes == 0:
            return b""
        if address not in self.collections:
            self.collections[address] = yield from read_collection(self.head, address)
        found = self.collections[address].get(number)
        if found is None or len(found) < nbytes:
            place = self.head.base + address
            raise Malformed(f"the collection of the global heap at byte {place:,} has no object {number}", place)
        return found[:nbytes]


class Attributes(msgspec.Struct, frozen=True):
    """The attributes of one object."""

    values: dict[str, Any]
    unreadable: list[str]


def read_attributes(head: Superblock, messages: list[HeaderMessage], heap: GlobalHeap) -> Parser[Attributes]:
    """Return the attributes that say something of a model, by name, and the names of those that cannot be read."""
    values: dict[str, Any] = {}
    unreadable: list[str] = []
    budget = GROUP_TEXT_BYTES
    for message in (yield from attribute_messages(head, messages, unreadable)):
        name = "?"
        try:
            raw = yield from read_attribute(head, message)
            name = raw.name
            value = yield from decode_attribute(raw, heap)
        except (Malformed, Unsupported):
            unreadable.append(name)
            continue
        budget -= len(str(value))
        if value is not None and budget > 0:
            values[name] = value
    return Attributes(values, unreadable)


def attribute_messages(
    head: Superblock, messages: list[HeaderMessage], unreadable: list[str]
) -> Parser[list[HeaderMessage]]:
    """Return the messages of attributes: those of the header, then those that a heap holds."""
    found = [message for message in messages if message.kind == header.ATTRIBUTE]
    for message in messages:
        if message.kind == header.ATTRIBUTE_INFO:
            try:
                found += yield from _dense_attributes(head, message)
            except (Malformed, Unsupported):
                unreadable.append("?")
    return found


def _dense_attributes(head: Superblock, message: HeaderMessage) -> Parser[list[HeaderMessage]]:
    tracked = message.data[1:2] and message.data[1] & ORDER_TRACKED
    at = 4 if tracked else 2
    if len(message.data) < at + 16:
        raise Malformed("the message about an object's attributes is truncated", message.offset)
    address, tree = Struct("<QQ").unpack_from(message.data, at)
    if address == UNDEFINED:
        return []
    heap = yield from read_fractal_heap(head, address)
    records = yield from read_tree_2(head, tree, NAME_RECORD)
    objects = yield from read_heap_objects(head, heap, [record[:NAME_BYTES] for record in records])
    return [
        HeaderMessage(header.ATTRIBUTE, record[NAME_BYTES], data, head.base + address)
        for record, data in zip(records, objects, strict=True)
    ]


def read_attribute(head: Superblock, message: HeaderMessage) -> Parser[RawAttribute]:
    """Take an attribute message apart. Raises Malformed, Unsupported."""
    data, offset = message.data, message.offset
    if message.flags & header.SHARED:
        raise Unsupported("an attribute is shared")
    try:
        version, flags, name_bytes, type_bytes, space_bytes = HEAD.unpack_from(data)
    except struct.error as error:
        raise Malformed("an attribute is truncated", offset) from error
    at = HEAD.size + (1 if version == 3 else 0)
    parts = []
    for nbytes in (name_bytes, type_bytes, space_bytes):
        parts.append(data[at : at + nbytes])
        at += -(-nbytes // 8) * 8 if version == 1 else nbytes
    name = text(parts[0].split(b"\0")[0])
    if version > 1 and flags & SHARED_SPACE:
        raise Unsupported("the shape of an attribute is shared")
    shared = version > 1 and flags & SHARED_TYPE
    kind = (yield from read_shared_type(head, parts[1], offset)) if shared else read_datatype(parts[1], 0, offset)[0]
    shape = read_dataspace(parts[2], offset).shape
    return RawAttribute(name, kind, shape, data[at:])


def read_shared_type(head: Superblock, data: bytes, offset: int) -> Parser[Datatype]:
    """Return a type that has an object of its own. Raises Malformed; Unsupported where it is in a heap of messages."""
    if len(data) < 10 or (data[0] == 3 and data[1] != 2):
        raise Unsupported("a type is in the heap of shared messages")
    address = int.from_bytes(data[8:16] if data[0] == 1 else data[2:10], "little")
    for message in (yield from read_messages(head, address)):
        if message.kind == header.DATATYPE:
            return read_datatype(message.data, 0, message.offset)[0]
    raise Malformed(f"no type is described at byte {head.base + address:,}", offset)


def decode_attribute(raw: RawAttribute, heap: GlobalHeap) -> Parser[Value]:
    """Return what an attribute says: text, a number or a list of texts. Raises Malformed, Unsupported."""
    if element_of(raw.kind) is None:
        raise Unsupported("an attribute is of a type that numpy has not")
    if raw.shape is None or len(raw.shape) > 1:
        return None
    count, size = element_count(raw.shape), raw.kind.size
    if count == 0:
        return []  # what Keras writes for a layer without weights: no names, as floats
    if count * size > MAX_ATTRIBUTE_BYTES:
        return None
    if len(raw.values) < count * size:
        raise Malformed("an attribute is truncated", 0)
    pieces = [raw.values[at : at + size] for at in range(0, count * size, size)]
    if raw.kind.is_text:
        texts = []
        for piece in pieces:
            whole = piece if raw.kind.kind == STRING else (yield from heap.read(piece))
            texts.append(_text(whole, raw.kind))
        return texts if raw.shape else texts[0]
    return None if raw.shape else _number(pieces[0], raw.kind)


def _text(data: bytes, kind: Datatype) -> str:
    if kind.kind != STRING:
        return text(data.split(b"\0", 1)[0])
    padding = kind.flags & 15
    if padding == NULL_TERMINATED:
        data = data.split(b"\0")[0]
    return text(data.rstrip(b" ") if padding == SPACE_PADDED else data.rstrip(b"\0"))


def _number(data: bytes, kind: Datatype) -> int | float | None:
    if kind.kind not in (INTEGER, FLOAT, ENUM):
        return None
    element = element_of(kind)
    if element is not None and element.format == "?":
        return None
    if element is None or not element.plain or element.format[-2:] not in CODES:
        raise Unsupported("an attribute is of a type that numpy has not")
    order = ">" if element.format.startswith(">") else "<"
    number = Struct(order + CODES[element.format[-2:]])
    if number.size != len(data):
        raise Malformed("an attribute is not of its type's size", 0)
    value: int | float = number.unpack(data)[0]
    return value
