"""Why a member of a zip archive is refused: contradictions, impossible claims, what is not supported.

Sections are those of the specification, PKWARE's APPNOTE.TXT.
"""

from __future__ import annotations

from ckptread.formats.zip.records import (
    DEFLATED,
    DESCRIBED,
    ENCRYPTED,
    MASK32,
    STORED,
    UNICODE_PATH_EXTRA,
    UTF8,
    DirectoryEntry,
    LocalHeader,
    RawEntry,
    decode_name,
    extra_fields,
    zip64_values,
)
from ckptread.storage.inflate import MAX_EXPANSION
from ckptread.wording import quoted

METHODS = {1: "shrunk", 6: "imploded", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstandard", 95: "xz", 99: "AES"}


def find_contradiction(raw: RawEntry, local: LocalHeader, behind: bytes) -> str | None:
    """Return how a member's own header contradicts the directory, or None."""
    entry = raw.entry
    if behind[: local.name_nbytes] != raw.name:
        own = quoted(decode_name(behind[: local.name_nbytes], local.flags))
        return f"its own header names it {own}"
    if (local.flags ^ entry.flags) & (ENCRYPTED | DESCRIBED | UTF8):
        return "its own header states other flags than the directory"
    if local.method != entry.method:
        return f"its own header says method {local.method}, the directory {entry.method}"
    stated = [local.nbytes, local.stored_nbytes]
    if MASK32 in stated:
        values = iter(zip64_values(behind[local.name_nbytes :]))
        stated = [next(values, MASK32) if number == MASK32 else number for number in stated]
    agreed = [*stated, local.crc32] == [entry.nbytes, entry.stored_nbytes, entry.crc32]
    # With a descriptor behind the bytes, sizes and CRC were not known yet when the header was written.
    if agreed or (local.flags & DESCRIBED and local.crc32 == 0 and set(stated) <= {0, MASK32}):
        return None
    return "its own header states another size or CRC-32 than the directory"


def find_other_name(raw: RawEntry, own_extra: bytes) -> str | None:
    """Return why programs call a member differently: a field beside its name may replace it (4.6.9); or None."""
    name = decode_name(raw.name, raw.entry.flags)
    for kind, data in (*extra_fields(raw.extra), *extra_fields(own_extra)):
        other = data[5:].decode("utf-8", "surrogateescape")
        if kind == UNICODE_PATH_EXTRA and other != name:
            return f"some programs call it {quoted(other)}, by a field beside its name"
    return None


def find_false_claim(name: str, member: DirectoryEntry) -> str | None:
    """Return why so many bytes cannot hold what the member claims, or None."""
    if "\0" in name:
        return "its name holds a zero byte, where some programs end it"
    if member.method == STORED and member.nbytes != member.stored_nbytes:
        return f"it is stored, but claims {member.nbytes:,} bytes in {member.stored_nbytes:,}"
    if member.method == DEFLATED and member.nbytes > MAX_EXPANSION * member.stored_nbytes:
        return f"it claims {member.nbytes:,} bytes, more than {member.stored_nbytes:,} deflated bytes can hold"
    if member.nbytes == 0 and member.crc32:
        return "it is empty, but its CRC-32 is not that of nothing"
    return None


def find_unsupported(raw: RawEntry, local: LocalHeader) -> str | None:
    """Return why a sound member cannot be read here, or None."""
    if local.flags & ENCRYPTED:
        return "it is encrypted"
    method = raw.entry.method
    if method not in (STORED, DEFLATED):
        return f"it is compressed by {METHODS.get(method, f'method {method}')}; only stored and deflated ones are read"
    return None
