"""The members of a zip archive, each checked against its own header and against all the others.

Whatever can be read in two ways is refused; ``Member.problem`` then says why.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError, UnsupportedError
from ckptread.formats.zip.records import (
    DESCRIBED,
    DESCRIPTOR_MARK,
    LOCAL,
    LOCAL_MARK,
    STORED,
    Directory,
    LocalHeader,
    RawEntry,
    decode_name,
)
from ckptread.formats.zip.rules import find_contradiction, find_false_claim, find_other_name, find_unsupported
from ckptread.storage.source import Source
from ckptread.untrusted.budget import bomb, most_bytes


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the archive, as its directory records it and its own header confirms it."""

    name: str
    """Bytes that are not UTF-8 are kept as surrogates."""
    method: int
    """0 for stored, 8 for deflated; any other is refused."""
    offset: int
    """Where its bytes begin in the archive's source; -1 where that is not known."""
    stored_nbytes: int
    nbytes: int
    crc32: int
    link: bool = False
    """Whether it is a symbolic link, whose bytes are the path that it leads to."""
    problem: str | None = None
    """Why it is refused, or None."""
    error: type[CheckpointError] = DamagedFileError
    """What asking for it raises then."""


Spanned = tuple[Member, tuple[int, int]]
"""A member, and the span of the file that it takes, header included."""


def describe_member(member: Member) -> dict[str, str]:
    """Return that a member is deflated, and how much it takes, by name; nothing for one that is stored."""
    if member.method == STORED:
        return {}
    ratio = member.nbytes / max(1, member.stored_nbytes)
    return {"layout": "deflated member", "stored": f"{member.stored_nbytes:,} bytes, {ratio:.3g} : 1"}


def read_members(source: Source, directory: Directory) -> list[Spanned]:
    """Return the members of a directory, in its order, those refused included."""
    read = [_read_member(source, raw, directory.base, directory.start) for raw in directory.entries]
    return _refuse_bombs(_refuse_duplicates(_refuse_overlaps(read)), source.whole_file().size)


def _read_member(source: Source, raw: RawEntry, base: int, limit: int) -> Spanned:
    """Return a member, and the span of the file that its header, bytes and descriptor take."""
    entry, at = raw.entry, base + raw.entry.offset
    header = None if raw.problem else _read_header(source, at, raw, limit)
    start = -1 if header is None else at + LOCAL.size + len(header[1])
    member = Member(
        name=decode_name(raw.name, entry.flags), method=entry.method, offset=start,
        stored_nbytes=entry.stored_nbytes, nbytes=entry.nbytes, crc32=entry.crc32,
        link=stat.S_ISLNK(entry.external >> 16),
    )  # fmt: skip
    if header is None:
        missing = f"its header and bytes are not at byte {at:,}, as stated"
        return msgspec.structs.replace(member, problem=raw.problem or missing), (at, at)
    local, behind = header
    end = member.offset + member.stored_nbytes
    described = _descriptor_nbytes(source, member, min(24, limit - end)) if local.flags & DESCRIBED else None
    undescribed = "the record behind its bytes disagrees with the directory" if described == 0 else None
    faults: tuple[tuple[str | None, type[CheckpointError]], ...] = (
        (None if raw.cut else find_contradiction(raw, local, behind), DamagedFileError),
        (undescribed, DamagedFileError),
        (find_false_claim(member.name, raw.entry), UnsafeFileError),
        (find_other_name(raw, behind[local.name_nbytes :]), UnsafeFileError),
        (find_unsupported(raw, local), UnsupportedError),
    )
    problem, error = next((fault for fault in faults if fault[0]), (None, DamagedFileError))
    if problem is not None:
        member = msgspec.structs.replace(member, problem=problem, error=error)
    return member, (at, end + (described or 0))


def _read_header(source: Source, at: int, raw: RawEntry, limit: int) -> tuple[LocalHeader, bytes] | None:
    """Return the header at an offset, and the name and extra data behind it; None where there is no header."""
    likely = LOCAL.size + len(raw.name) + 64  # one read where a second would take as long
    data = source.read(at, max(0, min(likely, limit - at)))
    if len(data) < LOCAL.size or not data.startswith(LOCAL_MARK):
        return None
    local = LocalHeader(*LOCAL.unpack_from(data))
    end = LOCAL.size + local.name_nbytes + local.extra_nbytes
    if at + end + raw.entry.stored_nbytes > limit:
        return None
    if end > len(data):
        data += source.read(at + len(data), end - len(data))
    return local, data[LOCAL.size : end]


def _descriptor_nbytes(source: Source, member: Member, available: int) -> int:
    """Return the size of the data descriptor (4.3.9) that agrees with the directory, or 0."""
    found = source.read(member.offset + member.stored_nbytes, available)
    crc = member.crc32.to_bytes(4, "little")
    for width in (4, 8):
        sizes = [n.to_bytes(8, "little")[:width] for n in (member.stored_nbytes, member.nbytes)]
        for mark in (DESCRIPTOR_MARK, b""):
            if found.startswith(record := mark + crc + b"".join(sizes)):
                return len(record)
    return 0


def _refuse_overlaps(read: Sequence[Spanned]) -> list[Spanned]:
    """Refuse every member that shares bytes with another one that is sound."""
    sound = sorted((i for i, (member, _) in enumerate(read) if member.problem is None), key=lambda i: read[i][1])
    refused = set()
    reach, owner = -1, -1
    for i in sound:
        start, end = read[i][1]
        if start < reach:
            refused |= {i, owner}
        if end > reach:
            reach, owner = end, i
    return [(_refused(m, "it shares bytes with another member") if i in refused else m, span)
            for i, (m, span) in enumerate(read)]  # fmt: skip


def _refuse_duplicates(read: Sequence[Spanned]) -> list[Spanned]:
    """Refuse every member whose name another one has too: programs differ in which one they read."""
    counts = Counter(member.name for member, _ in read)
    return [(_refused(m, f"ambiguous: {counts[m.name]} members have this name") if counts[m.name] > 1 else m, span)
            for m, span in read]  # fmt: skip


def _refuse_bombs(read: Iterable[Spanned], stored: int) -> list[Spanned]:
    """Refuse the deflated members beyond what a file of ``stored`` bytes may expand to in all."""
    left, kept = most_bytes(stored), []
    for member, span in read:
        nbytes = member.nbytes if member.problem is None and member.method != STORED else 0
        kept.append((member if nbytes <= left else _refused(member, bomb(stored)), span))
        left -= nbytes if nbytes <= left else 0
    return kept


def _refused(member: Member, problem: str) -> Member:
    return msgspec.structs.replace(member, problem=problem, error=UnsafeFileError)
