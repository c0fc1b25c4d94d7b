"""Zip archives, as .keras and .npz files use them.

What it is: members one after another, each behind a header of its own, and at the end a directory of them all.
Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
Read here: stored and deflated members, zip64, data descriptors, bytes before the archive.
Not read: other compression (bzip2 and lzma expand a million times), encryption, archives in several files.

Two programs that read a zip archive differently see two archives in it, so whatever can be read in two ways is
refused: names that occur twice, headers that disagree with the directory, members that overlap.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError, UnsupportedError
from ckptread.formats.zip.directory import (
    DESCRIPTOR_MARK,
    END,
    END_MARK,
    LOCAL,
    LOCAL_MARK,
    MAX_COMMENT,
    LocalHeader,
    RawEntry,
    decode_name,
    read_directory,
)
from ckptread.formats.zip.recovery import read_remains
from ckptread.formats.zip.rules import DESCRIBED, STORED, claim_problem, disagreement, unread
from ckptread.reader import Remains
from ckptread.storage.inflate import InflatedSource, Inflater
from ckptread.storage.source import Source
from ckptread.storage.windows import WindowSource
from ckptread.tensors import Checksum, Finding, Region, Severity
from ckptread.untrusted.budget import bomb, most_bytes
from ckptread.wording import escape, plural

INFLATED_BYTES = 1 << 20
"""How much of a deflated member is inflated at once where nobody wants it."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the archive, as its directory states it and its own header confirms it."""

    name: str
    """Bytes that are no UTF-8 are kept as surrogates."""
    method: int
    """0 for stored, 8 for deflated; any other is refused."""
    offset: int
    """Where its bytes begin in the archive's source; -1 where that is not known."""
    stored_nbytes: int
    nbytes: int
    crc32: int
    problem: str | None = None
    """Why it is refused, or None."""
    error: type[CheckpointError] = DamagedFileError
    """What asking for it raises then."""


Spanned = tuple[Member, tuple[int, int]]
"""A member, and the span of the file that is its own, header and all."""


class ZipArchive:
    """The members of a zip archive, checked against each other. It does not own the source."""

    def __init__(
        self,
        source: Source,
        remains: Remains = Remains.refused,
        *,
        tensor_of: Callable[[str], str | None] = lambda _name: None,
    ) -> None:
        """Read the archive's directory; with ``remains``, where it has none, find the members by their own headers.

        ``tensor_of`` returns the key of the tensor that a member is, or None: a finding about it names the tensor.
        """
        self._tensor_of = tensor_of
        self._source = source
        directory = read_remains(source) if remains is Remains.accepted else read_directory(source)
        self.problems: list[Finding] = list(directory.problems)
        """What is wrong with the archive and with each of its members."""
        read = [self._member(raw, directory.base, directory.start) for raw in directory.entries]
        self._occurrences = _refuse_bombs(_refuse_duplicates(_refuse_overlaps(read)), source.whole_file().size)
        self.members: dict[str, Member] = {}
        """By name, in the order of the directory; of a name that occurs twice, the first, which is refused."""
        for member, _ in self._occurrences:
            self.members.setdefault(member.name, member)
            self.problems += self._findings(member)
        self._find_gaps(directory.base, directory.start, directory.end)

    def source(self, name: str) -> Source:
        """Return the bytes of a member, inflated as they are read.

        Raises KeyError where there is none of that name, and a CheckpointError where it is refused.
        """
        member = self._wanted(name)
        where = f"{self._source.name}: {name}"
        if member.method == STORED:
            return WindowSource(self._source, member.offset, member.nbytes, where)
        return InflatedSource(self._source, member.offset, member.stored_nbytes, member.nbytes, member.crc32, where)

    def head(self, name: str, nbytes: int) -> bytes:
        """Return the first bytes of a member, at most so many, and unchecked. Raises as ``source`` does."""
        member = self._wanted(name)
        window = WindowSource(self._source, member.offset, member.stored_nbytes, f"{self._source.name}: {name}")
        nbytes = min(nbytes, member.nbytes)
        if member.method == STORED:
            return window.read(0, nbytes)
        return Inflater(window.read, window.size, window.name).inflate(nbytes)

    def read(self, name: str, limit: int) -> bytes:
        """Return a whole member of at most ``limit`` bytes, checked against its CRC-32.

        Raises as ``source`` does, UnsafeFileError where it is larger, DamagedFileError where its bytes are wrong.
        """
        member = self._wanted(name)
        source = self.source(name)
        if member.nbytes > limit:
            raise UnsafeFileError(source.name, f"it takes {member.nbytes:,} bytes; at most {limit:,} are read")
        data = source.read(0, member.nbytes)
        if zlib.crc32(data) != member.crc32:
            problem = "its bytes do not have the CRC-32 that the archive states"
            raise DamagedFileError(source.name, problem, advice="fetch it again")
        return data

    def regions(self) -> Iterator[Region]:
        """The members as they are stored; a deflated one has no checksum until it is inflated."""
        return (region for region, _ in self.located())

    def located(self) -> Iterator[tuple[Region, Member]]:
        """Return each region with its member."""
        for member, _ in self._occurrences:
            if member.offset >= 0:
                yield self._region(member), member

    def _region(self, member: Member) -> Region:
        """A stored member has its checksum as it lies there, a deflated one when it is inflated, a refused one none."""
        where = (None, *self._source.locate(member.offset), member.stored_nbytes)
        name = f"the member {escape(member.name)!r}"
        if member.problem is not None:
            return Region(*where, name=name)
        if member.method == STORED:
            read_into = self._source.from_offset(member.offset)
            return Region(*where, Checksum("crc32", member.crc32), read_into, name=name)
        return Region(*where, check=partial(self._inflates, member), name=name)

    def _inflates(self, member: Member) -> bool:
        """Inflate all of a member, which checks its size and its CRC-32."""
        source = self.source(member.name)
        for at in range(0, source.size, INFLATED_BYTES):
            source.read(at, min(INFLATED_BYTES, source.size - at))
        return True

    def is_ambiguous(self, name: str) -> bool:
        """Whether more than one member has this name."""
        return sum(member.name == name for member, _ in self._occurrences) > 1

    def _wanted(self, name: str) -> Member:
        member = self.members[name]
        if member.problem is not None:
            raise member.error(self._source.name, f"its member {escape(name)!r} is refused: {member.problem}")
        return member

    def _member(self, raw: RawEntry, base: int, limit: int) -> Spanned:
        """Return a member, and the span of the file that its header, bytes and descriptor take."""
        entry, at = raw.entry, base + raw.entry.offset
        header = None if raw.problem else self._header(at, raw, limit)
        start = -1 if header is None else at + LOCAL.size + len(header[1])
        member = Member(
            name=decode_name(raw.name, entry.flags), method=entry.method, offset=start,
            stored_nbytes=entry.stored_nbytes, nbytes=entry.nbytes, crc32=entry.crc32,
        )  # fmt: skip
        if header is None:
            missing = f"its header and bytes are not at byte {at:,}, as stated"
            return msgspec.structs.replace(member, problem=raw.problem or missing), (at, at)
        local, behind = header
        end = member.offset + member.stored_nbytes
        described = self._descriptor_nbytes(member, min(24, limit - end)) if local.flags & DESCRIBED else None
        faults: tuple[tuple[str | None, type[CheckpointError]], ...] = (
            (None if raw.cut else disagreement(raw, local, behind), DamagedFileError),
            (
                "the record behind its bytes disagrees with the directory" if described == 0 else None,
                DamagedFileError,
            ),
            (claim_problem(member.name, raw.entry), UnsafeFileError),
            (unread(raw, local), UnsupportedError),
        )
        problem, error = next((fault for fault in faults if fault[0]), (None, DamagedFileError))
        if problem is not None:
            member = msgspec.structs.replace(member, problem=problem, error=error)
        return member, (at, end + (described or 0))

    def _header(self, at: int, raw: RawEntry, limit: int) -> tuple[LocalHeader, bytes] | None:
        """Return the header at a place, and the name and extra data behind it; None where there is none."""
        likely = LOCAL.size + len(raw.name) + 64  # one read where a second would take as long
        data = self._source.read(at, max(0, min(likely, limit - at)))
        if len(data) < LOCAL.size or not data.startswith(LOCAL_MARK):
            return None
        local = LocalHeader(*LOCAL.unpack_from(data))
        end = LOCAL.size + local.name_nbytes + local.extra_nbytes
        if at + end + raw.entry.stored_nbytes > limit:
            return None
        if end > len(data):
            data += self._source.read(at + len(data), end - len(data))
        return local, data[LOCAL.size : end]

    def _descriptor_nbytes(self, member: Member, available: int) -> int:
        """Return the size of the data descriptor (4.3.9) that agrees with the directory, or 0."""
        found = self._source.read(member.offset + member.stored_nbytes, available)
        crc = member.crc32.to_bytes(4, "little")
        for width in (4, 8):
            sizes = [n.to_bytes(8, "little")[:width] for n in (member.stored_nbytes, member.nbytes)]
            for mark in (DESCRIPTOR_MARK, b""):
                if found.startswith(record := mark + crc + b"".join(sizes)):
                    return len(record)
        return 0

    def _findings(self, member: Member) -> Iterator[Finding]:
        file, offset = self._source.locate(max(0, member.offset))
        name = escape(member.name)
        if member.problem is not None:
            yield Finding(
                code="zip-member",
                severity="error",
                message=f"the member {name!r} is refused: {member.problem}",
                key=self._tensor_of(member.name),
                file=file,
                offset=offset,
            )
        if name.replace("\\\\", "\\") != member.name:
            message = f"the name of the member {name!r} holds characters that do not print"
            yield Finding(code="zip-name", severity="warning", message=message, key=None, file=file, offset=offset)
        parts = member.name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            advice = "nothing is unpacked here; do not unpack it elsewhere"
            yield Finding(
                code="zip-path",
                severity="warning",
                message=f"the member {name!r} points out of the archive",
                key=None,
                file=file,
                offset=offset,
                advice=advice,
            )

    def _find_gaps(self, base: int, directory: int, end: int) -> None:
        """Note the bytes that no member owns: before, between and behind them."""
        at = 0
        spans = sorted(span for _, span in self._occurrences)
        for start, stop in [*spans, (directory, end), (self._source.size, self._source.size)]:
            if start > at:
                self._note_gap(at, start, "note" if base <= at < end else "warning")
            at = max(at, stop)

    def _note_gap(self, start: int, stop: int, severity: Severity) -> None:
        file, offset = self._source.locate(start)
        tail_at = max(start, stop - END.size - MAX_COMMENT)
        code, message, advice = "zip-gap", f"{plural(stop - start, 'byte', 'belong')} to no member", ""
        if END_MARK in self._source.read(tail_at, stop - tail_at):
            code, message, advice = (
                "zip-second-archive",
                f"{plural(stop - start, 'byte', 'hold')} another archive",
                "programs may differ in which they read",
            )
            severity = "warning"
        self.problems.append(
            Finding(code=code, severity=severity, message=message, key=None, file=file, offset=offset, advice=advice)
        )


def _refuse_overlaps(read: Sequence[Spanned]) -> list[Spanned]:
    """Refuse every member that shares bytes with another one that is in order."""
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
    """Refuse every member whose name another one has too: programs differ in which they take."""
    counts = Counter(member.name for member, _ in read)
    return [(_refused(m, f"ambiguous: {counts[m.name]} members have this name") if counts[m.name] > 1 else m, span)
            for m, span in read]  # fmt: skip


def _refuse_bombs(read: Iterable[Spanned], stored: int) -> list[Spanned]:
    """Refuse the deflated members that go beyond what a file of ``stored`` bytes may come to in all."""
    left, kept = most_bytes(stored), []
    for member, span in read:
        nbytes = member.nbytes if member.problem is None and member.method != STORED else 0
        kept.append((member if nbytes <= left else _refused(member, bomb(stored)), span))
        left -= nbytes if nbytes <= left else 0
    return kept


def _refused(member: Member, problem: str) -> Member:
    return msgspec.structs.replace(member, problem=problem, error=UnsafeFileError)
