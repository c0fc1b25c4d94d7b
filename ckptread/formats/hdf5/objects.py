"""The objects of a file, each read once: groups with their links and attributes, and what each dataset is.

Objects are found by following links from the root. Which names lead to an object is for whoever lists the file.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import Any

import msgspec

from ckptread.formats.hdf5 import object_header as header
from ckptread.formats.hdf5.attributes import Attributes, GlobalHeap, read_attribute, read_attributes, read_shared_type
from ckptread.formats.hdf5.dataspace import Dataspace, read_dataspace
from ckptread.formats.hdf5.datatype import OPAQUE, REFERENCE, STRING, Datatype, read_datatype
from ckptread.formats.hdf5.heaps import read_local_heap
from ckptread.formats.hdf5.links import HARD, Links, read_links, read_remaining_links
from ckptread.formats.hdf5.object_header import HeaderMessage, read_messages
from ckptread.formats.hdf5.rounds import Parser, Rounds
from ckptread.formats.hdf5.storage_layout import (
    CHUNKED,
    COMPACT,
    CONTIGUOUS,
    Filter,
    Layout,
    is_never_filled,
    read_fill,
    read_filters,
    read_layout,
    read_old_fill,
)
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock, Unsupported
from ckptread.limits import MAX_ENTRIES, MAX_REFERENCES
from ckptread.tensors import element_count
from ckptread.untrusted.binary import Malformed, text

EXTERNAL_LIST = Struct("<8xQQ")
"""Version, reserved bytes and counts; the address of a heap of names, and the first file's name in it."""
STATES_DTYPE = b"dtype"
"""The attribute in which Keras says what opaque bytes are."""


class DatasetObject(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset, as its messages describe it."""

    address: int
    kind: Datatype
    space: Dataspace
    layout: Layout
    filters: tuple[Filter, ...] = ()
    fill: bytes = b""
    external: str | None = None
    """The first of the other files that have its bytes."""
    stated_dtype: str | None = None
    """What an attribute says that its opaque bytes are."""
    null_references: int = 0
    """How many of its references lead nowhere, where they are few and contiguous."""


class GroupObject(msgspec.Struct, frozen=True):
    """A group."""

    address: int
    links: Links
    attributes: Attributes


class LostObject(msgspec.Struct, frozen=True):
    """An object that cannot be read: damaged, or of a kind that only the library reads."""

    address: int
    problem: str
    unsupported: bool
    offset: int | None = None


class OtherObject(msgspec.Struct, frozen=True):
    """What is neither a dataset nor a group: a type that has a name."""

    address: int


Object = DatasetObject | GroupObject | LostObject | OtherObject


class ObjectReader:
    """Reads all objects that links lead to, from the root on."""

    def __init__(self, head: Superblock, rounds: Rounds, *, remains: bool = False) -> None:
        """With ``remains``, those links of a damaged group are followed that can be read."""
        self.found: dict[int, Object] = {}
        """By address. An object that is waiting for its bytes is not there yet."""
        self._head = head
        self._rounds = rounds
        self._read_links = read_remaining_links if remains else read_links
        self._heap = GlobalHeap(head)
        self._types: dict[bytes, Datatype] = {}
        """By their messages: most datasets are of the same one."""
        self._asked: set[int] = set()

    def read(self, address: int) -> Parser[None]:
        """Read an object and, each in a parser of its own, all that it leads to."""
        self._asked.add(address)
        try:
            messages = yield from read_messages(self._head, address)
            found = yield from self._read_object(address, messages)
        except Malformed as error:
            found = LostObject(address, error.problem, False, error.at)
        except Unsupported as error:
            found = LostObject(address, str(error), True)
        self.found[address] = found
        if isinstance(found, GroupObject):
            self._follow(found)

    def _follow(self, group: GroupObject) -> None:
        for link in group.links.found:
            if link.kind == HARD and link.address not in self._asked and len(self._asked) < MAX_ENTRIES:
                self._asked.add(link.address)
                self._rounds.add(self.read(link.address))

    def _read_object(self, address: int, messages: list[HeaderMessage]) -> Parser[Object]:
        kinds = {message.kind: message for message in reversed(messages)}  # of two, the library takes the first
        if header.LAYOUT in kinds:
            return (yield from self._read_dataset(address, messages, kinds))
        if not kinds.keys() & {header.SYMBOL_TABLE, header.LINK, header.LINK_INFO}:
            return OtherObject(address)
        links = yield from self._read_links(self._head, messages)
        return GroupObject(address, links, (yield from read_attributes(self._head, messages, self._heap)))

    def _read_dataset(
        self, address: int, messages: list[HeaderMessage], kinds: dict[int, HeaderMessage]
    ) -> Parser[Object]:
        if header.DATATYPE not in kinds or header.DATASPACE not in kinds:
            raise Malformed("a dataset has no type or no shape", self._head.base + address)
        kind = yield from self._type(kinds[header.DATATYPE])
        space = kinds[header.DATASPACE]
        if space.flags & header.SHARED:
            raise Unsupported("the shape of a dataset is shared")
        layout, filters = kinds[header.LAYOUT], kinds.get(header.FILTERS)
        if filters is not None and filters.flags & header.SHARED:
            raise Unsupported("the filters of a dataset are shared")
        shape, place = read_dataspace(space.data, space.offset), read_layout(layout.data, layout.offset)
        return DatasetObject(
            address=address,
            kind=kind,
            space=shape,
            layout=place,
            filters=() if filters is None else read_filters(filters.data, filters.offset),
            fill=_fill(kinds, place),
            external=(yield from self._external_file(kinds.get(header.EXTERNAL_FILES))),
            stated_dtype=(yield from self._stated_dtype(messages)) if kind.kind == OPAQUE else None,
            null_references=(yield from self._null_references(kind, shape, place)) if kind.kind == REFERENCE else 0,
        )

    def _external_file(self, message: HeaderMessage | None) -> Parser[str | None]:
        """Return the name of the first file in a list of external ones; "" where it is lost."""
        if message is None:
            return None
        try:
            heap, place = EXTERNAL_LIST.unpack_from(message.data)
            names = yield from read_local_heap(self._head, heap)
        except (struct.error, Malformed):
            return ""
        return text(names[place:].partition(b"\0")[0])

    def _null_references(self, kind: Datatype, space: Dataspace, layout: Layout) -> Parser[int]:
        """Return how many references lead nowhere: all, where none was written; 0 where they are many, or in chunks."""
        count = 0 if space.shape is None else element_count(space.shape)
        if layout.kind == CONTIGUOUS and layout.address == UNDEFINED:
            return count
        if layout.kind == CHUNKED or count > MAX_REFERENCES or (layout.nbytes or 0) < count * kind.size:
            return 0
        offset = layout.offset if layout.kind == COMPACT else self._head.base + layout.address
        data = yield offset, count * kind.size
        empty = bytes(kind.size)
        return sum(data[at : at + kind.size] == empty for at in range(0, len(data), kind.size))

    def _type(self, message: HeaderMessage) -> Parser[Datatype]:
        if message.flags & header.SHARED:
            return (yield from read_shared_type(self._head, message.data, message.offset))
        if message.data not in self._types:
            self._types[message.data] = read_datatype(message.data, 0, message.offset)[0]
        return self._types[message.data]

    def _stated_dtype(self, messages: list[HeaderMessage]) -> Parser[Any]:
        """Return the text of the attribute that says what a dataset's bytes are; None where there is none."""
        for message in messages:
            if message.kind == header.ATTRIBUTE and STATES_DTYPE in message.data:
                raw = yield from read_attribute(self._head, message)
                if raw.name == STATES_DTYPE.decode() and raw.kind.is_text:
                    whole = raw.values
                    if raw.kind.kind != STRING:
                        whole = yield from self._heap.read(raw.values[: raw.kind.size])
                    return text(whole.rstrip(b"\0"))
        return None


def _fill(kinds: dict[int, HeaderMessage], layout: Layout) -> bytes:
    if layout.kind == CHUNKED and header.FILL in kinds and is_never_filled(kinds[header.FILL].data):
        return b""  # the library leaves the buffer as it is, and h5py's are zeros
    for kind, read in ((header.FILL, read_fill), (header.OLD_FILL, read_old_fill)):
        if kind in kinds:
            return read(kinds[kind].data, kinds[kind].offset)
    return b""
