"""How a fuzzer's bytes become what a parser reads: records, behind lengths and checksums that fit."""

import struct
import zlib

import google_crc32c

from tests import table_writer


def records(data):
    """Split bytes into records, each behind its length in two bytes; the last one may be cut short."""
    at, found = 0, []
    while at + 2 <= len(data):
        nbytes = int.from_bytes(data[at : at + 2], "little")
        found.append(data[at + 2 : at + 2 + nbytes])
        at += 2 + nbytes
    return found


def joined(parts):
    """Return the bytes that ``records`` splits into these parts: what seeds are made of."""
    return b"".join(struct.pack("<H", len(part)) + part for part in parts)


def pairs(parts):
    """Return keys and values: records by twos."""
    return list(zip(parts[::2], parts[1::2], strict=False))


def table_of(entries):
    """Return a table of these entries in one block, in the order given, however odd the keys."""
    return table_writer.table(entries or [(b"", b"")])


def with_checksum(value, data):
    """Put the right tensor checksum behind a bundle entry that says where in ``data`` its bytes lie.

    The last of two equal fields counts, in protocol buffers; an entry that is no message stays as it is.
    """
    from ckptread.formats.tensorflow.messages import BUNDLE_ENTRY
    from ckptread.untrusted.binary import Malformed

    try:
        fields = BUNDLE_ENTRY.decode(value)
    except Malformed:
        return value
    at, nbytes = fields.get("offset", 0), fields.get("size", 0)
    if not (0 <= at <= len(data) and 0 <= nbytes <= len(data)):
        return value
    return value + b"\x35" + struct.pack("<I", table_writer.masked(data[at : at + nbytes]))


def strings_of(parts):
    """Return a bundle's bytes of a tensor of strings, and its checksum."""
    lengths = b"".join(table_writer.varint(len(part)) for part in parts)
    fixed = b"".join(struct.pack("<I", len(part)) for part in parts)
    state = google_crc32c.extend(0, fixed)
    middle = struct.pack("<I", table_writer.mask(state))
    body = b"".join(parts)
    return lengths + middle + body, google_crc32c.extend(google_crc32c.extend(state, middle), body)


def deflated(data, level=6):
    """Return a whole zlib stream."""
    return zlib.compress(data, level)
