"""The members of a zip archive whose directory is lost, found by the headers before their bytes.

An interrupted download lacks the end of the file, which is where a zip archive has its directory. But the header before
each member (4.3.7) has its name, its size and its checksum too.
"""

from __future__ import annotations

from ckptread.errors import CheckpointError
from ckptread.formats.zip.records import (
    DESCRIBED,
    ENTRY_MARK,
    LOCAL,
    LOCAL_MARK,
    MASK32,
    STORED,
    Directory,
    DirectoryEntry,
    LocalHeader,
    RawEntry,
    zip64_values,
)
from ckptread.limits import MAX_ENTRIES
from ckptread.storage.source import Source
from ckptread.tensors import Finding


def find_members(source: Source, error: CheckpointError) -> Directory:
    """Return what a directory that cannot be read (``error`` says why) would list, by the members' own headers.

    A stored member that the file ends within is as long as what is left of it: its checksum then does not agree. A
    member whose size is not in its header, or that is incomplete otherwise, ends the list. Never raises for damage.
    """
    entries: list[RawEntry] = []
    at = 0
    while len(entries) < MAX_ENTRIES and (found := _member(source, at)) is not None:
        entry, at, _ = found
        entries.append(entry)
    finding = Finding(
        code="zip-directory",
        severity="error",
        message=f"{error.problem}; the members are found by their own headers",
        file=source.name,
        offset=min(at, source.size),
        advice="download it again if you can",
    )
    return Directory(entries=entries, start=source.size, base=0, end=source.size, problems=[finding])


def missing_bytes(source: Source) -> int:
    """Return how many bytes of its last member an archive without a directory lacks; 0 where none or unknown."""
    at, missing = 0, 0
    for _ in range(MAX_ENTRIES):
        found = _member(source, at)
        if found is None:
            break
        at, missing = found[1], found[2]
    return missing


def _member(source: Source, at: int) -> tuple[RawEntry, int, int] | None:
    """Return the member at an offset, the next one's offset, and the missing bytes; None where there is no member."""
    if at + LOCAL.size > source.size:
        return None
    local = LocalHeader(*LOCAL.unpack(source.read(at, LOCAL.size)))
    start = at + LOCAL.size + local.name_nbytes + local.extra_nbytes
    if local.mark != LOCAL_MARK or start > source.size:
        return None
    names = source.read(at + LOCAL.size, start - at - LOCAL.size)
    nbytes, stored_nbytes = _sizes(local, names[local.name_nbytes :])
    left = source.size - start
    missing, problem = max(0, stored_nbytes - left), None
    if local.flags & DESCRIBED:
        problem = "its size is stored behind its bytes, and in the directory that is lost"
    elif missing and local.method == STORED:
        nbytes = stored_nbytes = left
    elif missing:
        problem = "the file ends within it"
    entry = _entry(local, at, stored_nbytes, nbytes)
    raw = RawEntry(entry, names[: local.name_nbytes], problem, cut=missing > 0)
    return raw, source.size if missing else start + stored_nbytes, missing


def _sizes(local: LocalHeader, extra: bytes) -> tuple[int, int]:
    """Return a member's size, and its size as it is stored, in 64 bits where they need them (4.5.3)."""
    values = iter(zip64_values(extra))
    nbytes = next(values, MASK32) if local.nbytes == MASK32 else local.nbytes
    stored_nbytes = next(values, MASK32) if local.stored_nbytes == MASK32 else local.stored_nbytes
    return nbytes, stored_nbytes


def _entry(local: LocalHeader, at: int, stored_nbytes: int, nbytes: int) -> DirectoryEntry:
    """Return a directory entry with the contents of a member's own header."""
    return DirectoryEntry(
        ENTRY_MARK, local.version_needed, local.version_needed, local.flags, local.method, local.time, local.date,
        local.crc32, stored_nbytes, nbytes, local.name_nbytes, 0, 0, 0, 0, 0, at,
    )  # fmt: skip
