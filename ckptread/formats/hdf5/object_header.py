"""The messages of an object: what describes a dataset or a group.

Specification: HDF5 File Format Specification 3.0, IV.A "Disk Format: Level 2A - Data Object Headers".
"""

from __future__ import annotations

from struct import Struct

import msgspec

from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import Superblock
from ckptread.untrusted.binary import Malformed

# IV.A.2: the messages that are read here.
DATASPACE, LINK_INFO, DATATYPE, OLD_FILL, FILL, LINK, EXTERNAL_FILES, LAYOUT = 1, 2, 3, 4, 5, 6, 7, 8
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, DRIVER_INFO, ATTRIBUTE_INFO = 11, 12, 16, 17, 20, 21

HEAD_1 = Struct("<BBHII")
"""IV.A.1.a: version, reserved, messages, references, bytes of the messages."""
MESSAGE_1 = Struct("<HHB3x")
MESSAGE_2, ORDERED_2 = Struct("<BHB"), Struct("<BHBxx")
"""Type, bytes, flags; in the last one, the message's number in the order of creation follows."""
PLACE = Struct("<QQ")
"""Of a continuation: address and bytes."""
HEAD_1_BYTES = 16
USUAL_BYTES = 272
"""Of a dataset without attributes, as libhdf5 writes it."""
CHECKSUM_BYTES = 4
"""Behind the messages of version 2."""
MARK_2, CONTINUED_2 = b"OHDR", b"OCHK"
HEAD_2_BYTES = 6
"""IV.A.1.b: mark, version, flags."""
TIMES, LIMITS, ORDERED = 0x20, 0x10, 0x04
"""Flags of version 2: times are stored, the limits of attributes, the order of creation of each message."""
SHARED = 0x02
"""A message's flag: its data is where the message is, not the message."""
MAX_MESSAGES = 1 << 20
MAX_BLOCKS = 1024
"""Continuation blocks of one object: each holds at least a message, and most objects have none."""


class HeaderMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of an object."""

    kind: int
    flags: int
    data: bytes
    offset: int
    """Of the data, in the source."""


MessageBlock = tuple[int, int]
"""A run of messages: its address, and its bytes."""


def read_messages(head: Superblock, address: int) -> Parser[list[HeaderMessage]]:
    """Return all messages of the object at ``address``. Raises Malformed."""

    def size_of(start: bytes, address: int) -> int:
        if start.startswith(MARK_2):
            return _place_of_size_2(start[5]) + (1 << (start[5] & 3))
        version, _, _, _, nbytes = HEAD_1.unpack_from(start)
        if version != 1:
            raise Malformed(f"no object is described at byte {head.base + address:,}", head.base + address)
        return HEAD_1_BYTES + int(nbytes)

    start = yield from head.read_structure(address, HEAD_1_BYTES, USUAL_BYTES, size_of)
    if start.startswith(MARK_2):
        return (yield from _read_messages_2(head, address, start))
    _, _, count, _, nbytes = HEAD_1.unpack_from(start)
    block = (address + HEAD_1_BYTES, nbytes)
    return (yield from _read_blocks(head, block, start[HEAD_1_BYTES : HEAD_1_BYTES + nbytes], MESSAGE_1, count))


def _place_of_size_2(flags: int) -> int:
    """Return where a header of version 2 states its size."""
    return HEAD_2_BYTES + (16 if flags & TIMES else 0) + (4 if flags & LIMITS else 0)


def _read_messages_2(head: Superblock, address: int, start: bytes) -> Parser[list[HeaderMessage]]:
    flags = start[5]
    at = _place_of_size_2(flags)
    begin = at + (1 << (flags & 3))
    nbytes = int.from_bytes(start[at:begin], "little")
    head.note(address, begin + nbytes + CHECKSUM_BYTES)
    data = start[begin : begin + nbytes]
    if len(data) < nbytes:
        data = yield from head.read(address + begin, nbytes)
    form = ORDERED_2 if flags & ORDERED else MESSAGE_2
    return (yield from _read_blocks(head, (address + begin, nbytes), data, form))


def _read_blocks(
    head: Superblock, first: MessageBlock, data: bytes, form: Struct, most: int = MAX_MESSAGES
) -> Parser[list[HeaderMessage]]:
    """Return at most so many messages of a block and of those that go on from it; ``form`` is what they begin with."""
    found: list[HeaderMessage] = []
    _add_messages(found, data, 0, form, head.base + first[0], most)
    blocks = [first, *_continuations(found)]
    for number, block in enumerate(blocks):
        if number == 0:
            continue
        if number > MAX_BLOCKS or blocks.index(block) < number:
            raise Malformed("its messages go on in a circle", head.base + block[0])
        data, at = (yield from head.read(*block)), 0
        if form is not MESSAGE_1:
            data, at = _continued(head, block, data), len(CONTINUED_2)
        start = len(found)
        _add_messages(found, data, at, form, head.base + block[0], most)
        blocks += _continuations(found[start:])
    return found


def _add_messages(found: list[HeaderMessage], data: bytes, at: int, form: Struct, offset: int, most: int) -> None:
    """Take the messages of a block apart; fewer bytes at its end than a message begins with are a gap."""
    head_bytes, unpack, end = form.size, form.unpack_from, len(data)
    while at + head_bytes <= end and len(found) < most:
        kind, nbytes, flags = unpack(data, at)
        at += head_bytes
        stop = at + nbytes
        if stop > end:
            raise Malformed(f"the message at byte {offset + at:,} is longer than its block", offset + at)
        found.append(HeaderMessage(kind, flags, data[at:stop], offset + at))
        at = stop


def _continued(head: Superblock, block: MessageBlock, data: bytes) -> bytes:
    """Return a block that goes on from another one of version 2, its checksum left out."""
    head.note(*block)
    if not data.startswith(CONTINUED_2):
        raise Malformed(f"no messages go on at byte {head.base + block[0]:,}", head.base + block[0])
    return data[:-CHECKSUM_BYTES]


def _continuations(messages: list[HeaderMessage]) -> list[MessageBlock]:
    return [_continuation(each) for each in messages if each.kind == CONTINUATION]


def _continuation(message: HeaderMessage) -> MessageBlock:
    if len(message.data) < PLACE.size:
        raise Malformed("a continuation is too short", message.offset)
    address, nbytes = PLACE.unpack_from(message.data)
    return address, nbytes
