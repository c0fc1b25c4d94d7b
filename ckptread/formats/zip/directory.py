"""The directory at the end of a zip archive, read and widened to 64 bits.

Sections are those of the specification, PKWARE's APPNOTE.TXT. Nothing is trusted yet: what the entries claim is
checked by :mod:`ckptread.formats.zip.members`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ckptread.errors import DamagedFileError, UnknownFormatError, UnsafeFileError, UnsupportedError
from ckptread.formats.zip.records import (
    END,
    END64,
    END64_MARK,
    END_MARK,
    ENTRY,
    ENTRY_MARK,
    LOCAL_MARK,
    LOCATOR,
    LOCATOR_MARK,
    MASK16,
    MASK32,
    MAX_COMMENT,
    Directory,
    DirectoryEntry,
    EndRecord,
    EndRecord64,
    RawEntry,
    zip64_values,
)
from ckptread.limits import INDEX_BYTES, MAX_ENTRIES
from ckptread.storage.source import Source
from ckptread.tensors import Finding
from ckptread.wording import plural

TRUNCATED = "zip-truncated"
"""The code of the error for an archive without its end."""


def read_directory(source: Source) -> Directory:
    """Read the directory at the end of a zip archive.

    Raises UnknownFormatError where the file is not a zip archive, DamagedFileError where it is truncated (with the code
    ``TRUNCATED``) or its end is invalid, UnsafeFileError where it is beyond the limits, UnsupportedError where it is
    split.
    """
    at, end = _find_end(source)
    count, nbytes, offset, stop = _widen(source, at, end)
    if count > MAX_ENTRIES:
        raise UnsafeFileError(source.name, f"it holds {count:,} members; at most {MAX_ENTRIES:,} are read")
    if nbytes > INDEX_BYTES:
        raise UnsafeFileError(source.name, f"its directory takes {nbytes:,} bytes")
    base = stop - nbytes - offset
    if base < 0:
        raise DamagedFileError(
            source.name,
            f"its directory, {nbytes:,} bytes at byte {offset:,}, extends past the end record at byte {stop:,}",
            advice="bytes are missing from it: download it again",
        )
    problems: list[Finding] = []
    entries = _entries(source, stop - nbytes, nbytes, problems)
    if len(entries) != count:
        message = f"the end record counts {count:,} members, the directory holds {len(entries):,}"
        problems.append(
            Finding(code="zip-count", severity="error", message=message, key=None, file=source.name, offset=at)
        )
    return Directory(
        entries=entries, start=stop - nbytes, base=base, end=at + END.size + end.comment_nbytes, problems=problems
    )


def _find_end(source: Source) -> tuple[int, EndRecord]:
    """Find the last end record whose comment ends with the file, or else one with other bytes behind it."""
    start = max(0, source.size - END.size - MAX_COMMENT)
    tail = source.read(start, source.size - start)
    fallback = None
    at = tail.rfind(END_MARK)
    while at >= 0:
        if at + END.size <= len(tail):
            end = EndRecord(*END.unpack_from(tail, at))
            behind = at + END.size + end.comment_nbytes
            if behind == len(tail):
                _refuse_second_end(source, tail, at, end)
                return start + at, end
            if behind < len(tail) and fallback is None:
                fallback = start + at, end
        at = tail.rfind(END_MARK, 0, at)
    if fallback is not None:
        return fallback
    if source.size >= 4 and source.read(0, 4) == LOCAL_MARK:
        raise DamagedFileError(
            source.name,
            "this zip archive is truncated: the directory at its end is missing",
            advice="download it again; 'ckptread salvage' saves what is intact",
            offset=source.locate(source.size)[1],
            code=TRUNCATED,
        )
    raise UnknownFormatError(source.name, "it is not a zip archive: it has no end record")


def _refuse_second_end(source: Source, tail: bytes, at: int, end: EndRecord) -> None:
    """Raise where a comment has an end record: many programs take the last one, whether or not its comment fits."""
    if end.comment_nbytes and tail.rfind(END_MARK) > at:
        problem = "its comment has another end record: programs differ in which archive they read"
        raise UnsafeFileError(source.name, problem, code="zip-second-archive")


def _widen(source: Source, at: int, end: EndRecord) -> tuple[int, int, int, int]:
    """Return the number of members, the directory's size and offset, and its end, widened where zip64."""
    locator = source.read(at - LOCATOR.size, LOCATOR.size) if at >= LOCATOR.size + END64.size else b""
    if not locator.startswith(LOCATOR_MARK):
        _refuse_split(source, (end.disk, end.directory_disk), end.disk_count, end.members)
        return end.members, end.directory_nbytes, end.directory_offset, at
    stop = at - LOCATOR.size - END64.size
    wide = EndRecord64(*END64.unpack(source.read(stop, END64.size)))
    if wide.mark != END64_MARK or wide.record_nbytes != END64.size - 12:
        raise DamagedFileError(source.name, f"there is no zip64 end record at byte {stop:,}, where one should be")
    _refuse_split(source, (wide.disk, wide.directory_disk), wide.disk_count, wide.members)
    narrow = (end.members, end.directory_nbytes, end.directory_offset)
    full = (wide.members, wide.directory_nbytes, wide.directory_offset)
    if any(a not in (b, mask) for a, b, mask in zip(narrow, full, (MASK16, MASK32, MASK32), strict=True)):
        raise DamagedFileError(source.name, "its two end records, of 32 and of 64 bits, disagree")
    return *full, stop


def _refuse_split(source: Source, disks: tuple[int, int], disk_count: int, count: int) -> None:
    if any(disks) or disk_count != count:
        raise UnsupportedError(source.name, "it is one part of a zip archive in several files", advice="join them")


def _entries(source: Source, start: int, nbytes: int, problems: list[Finding]) -> list[RawEntry]:
    """Read every entry; after a damaged one, continue at the next signature."""
    data = source.read(start, nbytes)
    entries: list[RawEntry] = []
    at = 0
    while at + ENTRY.size <= nbytes and len(entries) <= MAX_ENTRIES:
        found = data.find(ENTRY_MARK, at)
        if found != at:
            message = f"the directory is damaged at byte {start + at:,}"
            problems.append(
                Finding(code="zip-directory", severity="error", message=message, file=source.name, offset=start + at)
            )
        if found < 0 or found + ENTRY.size > nbytes:
            return entries
        entry, at = _read_entry(data, found)
        entries.append(entry)
    if at < nbytes:
        message = f"{plural(nbytes - at, 'byte', 'belong')} to no member, but to the directory"
        problems.append(
            Finding(code="zip-extra-bytes", severity="warning", message=message, file=source.name, offset=start + at)
        )
    return entries


def _read_entry(data: bytes, at: int) -> tuple[RawEntry, int]:
    """Return the entry at a position in the directory, and the position behind it."""
    entry = DirectoryEntry(*ENTRY.unpack_from(data, at))
    name_at = at + ENTRY.size
    extra_at = name_at + entry.name_nbytes
    end = extra_at + entry.extra_nbytes + entry.comment_nbytes
    extra = data[extra_at : extra_at + entry.extra_nbytes]
    entry, problem = _widened(entry, extra)
    if end > len(data):
        problem = "its entry extends past the end of the directory"
    return RawEntry(entry, data[name_at:extra_at], problem, extra), end


def _widened(entry: DirectoryEntry, extra: bytes) -> tuple[DirectoryEntry, str | None]:
    """Take the sizes and the offset that do not fit 32 bits from the zip64 field (4.5.3)."""
    names = [name for name in ("nbytes", "stored_nbytes", "offset") if getattr(entry, name) == MASK32]
    if entry.disk not in (0, MASK16):
        return entry, "it is in another file of a split archive"
    if not names:
        return entry, None
    values = zip64_values(extra)
    if len(values) < len(names):
        return entry, "its 64-bit sizes are missing"
    wide: dict[str, Any] = dict(zip(names, values, strict=False))
    return msgspec.structs.replace(entry, **wide), None
