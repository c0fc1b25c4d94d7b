"""The records of a zip archive, as they are stored.

Sections are those of the specification, PKWARE's APPNOTE.TXT.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import msgspec

from ckptread.tensors import Finding

STORED, DEFLATED = 0, 8  # 4.4.5
ENCRYPTED, DESCRIBED, UTF8 = 0x1, 0x8, 0x800  # 4.4.4: bits 0, 3 and 11
MAX_COMMENT = 0xFFFF
MASK16, MASK32 = 0xFFFF, 0xFFFFFFFF
"""A field with all bits set: its value is in the zip64 record instead."""

ENTRY_MARK, LOCAL_MARK, END_MARK = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
END64_MARK, LOCATOR_MARK, DESCRIPTOR_MARK = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"

LOCAL = Struct("<4s5H3L2H")  # 4.3.7
ENTRY = Struct("<4s6H3L5H2L")  # 4.3.12
END64 = Struct("<4sQ2H2L4Q")  # 4.3.14
LOCATOR = Struct("<4sLQL")  # 4.3.15
END = Struct("<4s4H2LH")  # 4.3.16
ZIP64_EXTRA = 0x0001  # 4.5.3
UNICODE_PATH_EXTRA = 0x7075  # 4.6.9


class LocalHeader(msgspec.Struct, frozen=True, gc=False):
    """The header before a member's bytes (4.3.7)."""

    mark: bytes
    version_needed: int
    flags: int
    method: int
    time: int
    date: int
    crc32: int
    stored_nbytes: int
    nbytes: int
    name_nbytes: int
    extra_nbytes: int


class DirectoryEntry(msgspec.Struct, frozen=True, gc=False):
    """A member's entry in the directory (4.3.12)."""

    mark: bytes
    version_made: int
    version_needed: int
    flags: int
    method: int
    time: int
    date: int
    crc32: int
    stored_nbytes: int
    nbytes: int
    name_nbytes: int
    extra_nbytes: int
    comment_nbytes: int
    disk: int
    internal: int
    external: int
    offset: int


class EndRecord64(msgspec.Struct, frozen=True, gc=False):
    """The end of the directory, in 64 bits (4.3.14)."""

    mark: bytes
    record_nbytes: int
    version_made: int
    version_needed: int
    disk: int
    directory_disk: int
    disk_count: int
    members: int
    directory_nbytes: int
    directory_offset: int


class EndRecord(msgspec.Struct, frozen=True, gc=False):
    """The end of the directory (4.3.16)."""

    mark: bytes
    disk: int
    directory_disk: int
    disk_count: int
    members: int
    directory_nbytes: int
    directory_offset: int
    comment_nbytes: int


class RawEntry(msgspec.Struct, frozen=True):
    """A directory entry with what follows it, its sizes widened from the zip64 field."""

    entry: DirectoryEntry
    name: bytes
    problem: str | None
    extra: bytes = b""
    cut: bool = False
    """Whether the file ends within the member, which is then shorter than its own header says."""


class Directory(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts of the archive are, and its entries."""

    entries: list[RawEntry]
    start: int
    """The offset of the directory; bytes between the last member and here belong to nothing."""
    base: int
    """How many bytes there are before the archive: every offset in it counts from here."""
    end: int
    """The offset behind the end record and its comment."""
    problems: list[Finding]


def zip64_values(extra: bytes) -> list[int]:
    """Return the 64-bit numbers of the zip64 field in the extra data, in order; none without such a field."""
    field = next((data for kind, data in extra_fields(extra) if kind == ZIP64_EXTRA), b"")
    return [int.from_bytes(field[i : i + 8], "little") for i in range(0, len(field) - 7, 8)]


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the bytes of each field of the extra data (4.5)."""
    at = 0
    while at + 4 <= len(extra):
        kind = int.from_bytes(extra[at : at + 2], "little")
        nbytes = int.from_bytes(extra[at + 2 : at + 4], "little")
        yield kind, extra[at + 4 : at + 4 + nbytes]
        at += 4 + nbytes


def decode_name(raw: bytes, flags: int) -> str:
    """Return a member's name: UTF-8 where its flag is set (undecodable bytes as surrogates), else code page 437."""
    if raw.isascii() or flags & UTF8:  # the same in both, where there are no others
        return raw.decode("utf-8", "surrogateescape")
    return raw.decode("cp437")
