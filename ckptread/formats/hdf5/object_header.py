"""The messages of an object: what describes a dataset or a group.

Specification: HDF5 File Format Specification 3.0, IV.A "Disk Format: Level 2A - Data Object Headers".
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import Superblock
from ckptread.untrusted.binary import Malformed

# IV.A.2: the messages that are read here.
DATASPACE, LINK_INFO, DATATYPE, OLD_FILL, FILL, LINK, EXTERNAL_FILES, LAYOUT = 1, 2, 3, 4, 5, 6, 7, 8
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, DRIVER_INFO, ATTRIBUTE_INFO = 11, 12, 16, 17, 20, 21

HEAD_1 = Struct("<BBHII")
"""IV.A.1.a: version, reserved, messages, references, bytes of the messages."""
MESSAGE_1 = Struct("<HHB3x")
"""Type, bytes, flags."""
HEAD_1_BYTES = 16
CHECKSUM_BYTES = 4
"""Behind the messages of version 2."""
MARK_2, CONTINUED_2 = b"OHDR", b"OCHK"
HEAD_2_BYTES = 6
"""IV.A.1.b: mark, version, flags."""
TIMES, LIMITS, ORDERED = 0x20, 0x10, 0x04
"""Flags of version 2: times are stored, the limits of attributes, the order of creation of each message."""
SHARED = 0x02
"""A message's flag: its data is where the message is, not the message."""
MAX_BLOCKS = 1024
"""Continuation blocks of one object: each holds at least a message, and most objects have none."""


class HeaderMessage(NamedTuple):
    """One message of an object."""

    kind: int
    flags: int
    data: bytes
    offset: int
    """Of the data, in the source."""


class MessageBlock(NamedTuple):
    """A run of messages."""

    address: int
    nbytes: int


def read_messages(head: Superblock, address: int) -> Parser[list[HeaderMessage]]:
    """Read all messages of the object at ``address``. Raises Malformed."""
    start = yield head.range(address, HEAD_1_BYTES)
    if start.startswith(MARK_2):
        return (yield from _read_messages_2(head, address, start))
    if start[0] == 1:
        return (yield from _read_messages_1(head, address, start))
    raise Malformed(f"no object is described at byte {head.base + address:,}", head.base + address)


def _read_messages_1(head: Superblock, address: int, start: bytes) -> Parser[list[HeaderMessage]]:
    _, _, count, _, nbytes = HEAD_1.unpack_from(start)
    found: list[HeaderMessage] = []
    blocks = [MessageBlock(address + HEAD_1_BYTES, nbytes)]
    for block in _each(blocks, head):
        data = yield head.range(*block)
        for message in _messages_1(data, head.base + block.address):
            if len(found) == count:
                return found
            found.append(message)
            if message.kind == CONTINUATION:
                blocks.append(_continuation(message))
    return found


def _messages_1(data: bytes, offset: int) -> Iterator[HeaderMessage]:
    at = 0
    while at + MESSAGE_1.size <= len(data):
        kind, nbytes, flags = MESSAGE_1.unpack_from(data, at)
        at += MESSAGE_1.size
        if at + nbytes > len(data):
            raise Malformed(f"the message at byte {offset + at:,} is longer than its block", offset + at)
        yield HeaderMessage(kind, flags, data[at : at + nbytes], offset + at)
        at += nbytes


def _read_messages_2(head: Superblock, address: int, start: bytes) -> Parser[list[HeaderMessage]]:
    flags = start[5]
    at = HEAD_2_BYTES + (16 if flags & TIMES else 0) + (4 if flags & LIMITS else 0)
    width = 1 << (flags & 3)
    nbytes = int.from_bytes((yield head.range(address + at, width)), "little")
    found: list[HeaderMessage] = []
    head.note(address, at + width + nbytes + CHECKSUM_BYTES)
    blocks = [MessageBlock(address + at + width, nbytes)]
    for number, block in enumerate(_each(blocks, head)):
        data = yield head.range(*block)
        begin = 0
        if number:
            head.note(*block)
            begin, data = len(CONTINUED_2), data[:-CHECKSUM_BYTES]
            if not data.startswith(CONTINUED_2):
                raise Malformed(f"no messages go on at byte {head.base + block.address:,}", head.base + block.address)
        for message in _messages_2(data, begin, head.base + block.address, ordered=bool(flags & ORDERED)):
            found.append(message)
            if message.kind == CONTINUATION:
                blocks.append(_continuation(message))
    return found


def _messages_2(data: bytes, at: int, offset: int, *, ordered: bool) -> Iterator[HeaderMessage]:
    head_bytes = 6 if ordered else 4
    while at + head_bytes <= len(data):  # fewer bytes at the end are a gap
        kind, nbytes, flags = data[at], data[at + 1] | data[at + 2] << 8, data[at + 3]
        at += head_bytes
        if at + nbytes > len(data):
            raise Malformed(f"the message at byte {offset + at:,} is longer than its block", offset + at)
        yield HeaderMessage(kind, flags, data[at : at + nbytes], offset + at)
        at += nbytes


def _each(blocks: list[MessageBlock], head: Superblock) -> Iterator[MessageBlock]:
    """Yield the blocks, those that are added meanwhile too; each once."""
    seen: set[int] = set()
    for block in blocks:
        if block.address in seen or len(seen) > MAX_BLOCKS:
            raise Malformed("its messages go on in a circle", head.base + block.address)
        seen.add(block.address)
        yield block


def _continuation(message: HeaderMessage) -> MessageBlock:
    if len(message.data) < 16:
        raise Malformed("a continuation is too short", message.offset)
    return MessageBlock(int.from_bytes(message.data[:8], "little"), int.from_bytes(message.data[8:16], "little"))
