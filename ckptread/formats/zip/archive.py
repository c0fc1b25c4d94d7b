"""Zip archives, as .keras and .npz files use them.

What it is: members one after another, each behind its own header, and a directory of them all at the end.
Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
Read here: stored and deflated members, zip64, data descriptors, bytes before the archive.
Not read: other compression (bzip2 and lzma expand a million times), encryption, archives in several files.

Two programs that read a zip archive differently see two archives in it, so whatever can be read in two ways is
refused: names that occur twice, headers that disagree with the directory, members that overlap.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.zip.directory import TRUNCATED, read_directory
from ckptread.formats.zip.members import Member, read_members
from ckptread.formats.zip.records import END, END_MARK, MAX_COMMENT, STORED, Directory
from ckptread.reader import Remains
from ckptread.storage.inflate import InflatedSource, Inflater
from ckptread.storage.source import Source
from ckptread.storage.windows import WindowSource
from ckptread.tensors import Checksum, Finding, Region, Severity
from ckptread.wording import plural, printable, quoted

INFLATED_BYTES = 1 << 20
"""How much of a deflated member is inflated at once where it is only checked."""


class ZipArchive:
    """The members of a zip archive, checked against each other. It does not own the source."""

    def __init__(
        self,
        source: Source,
        remains: Remains = Remains.refused,
        *,
        tensor_of: Callable[[str], str | None] = lambda _name: None,
    ) -> None:
        """Read the archive's directory; with ``Remains.accepted``, where it has none, find members by their headers.

        ``tensor_of`` returns the key of the tensor that a member is, or None: a finding about it names the tensor.
        """
        self._tensor_of = tensor_of
        self._source = source
        directory = _read_directory(source, remains)
        self.problems: list[Finding] = list(directory.problems)
        """What is wrong with the archive and with each of its members."""
        self._occurrences = read_members(source, directory)
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
            checksum = Checksum("crc32", member.crc32)
            return WindowSource(self._source, member.offset, member.nbytes, where, checksum)
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
            problem = "its bytes do not have the CRC-32 that the archive records"
            raise DamagedFileError(source.name, problem, advice="download it again")
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
        """A stored member has its checksum as stored, a deflated one when it is inflated, a refused one none."""
        where = (None, *self._source.locate(member.offset), member.stored_nbytes)
        name = f"the member {quoted(member.name)}"
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
            raise member.error(self._source.name, f"its member {quoted(name)} is refused: {member.problem}")
        return member

    def _findings(self, member: Member) -> Iterator[Finding]:
        file, offset = self._source.locate(max(0, member.offset))
        name = quoted(member.name)
        if member.problem is not None:
            yield Finding(
                code="zip-member",
                severity="error",
                message=f"the member {name} is refused: {member.problem}",
                key=self._tensor_of(member.name),
                file=file,
                offset=offset,
            )
        if printable(member.name) != member.name:
            message = f"the name of the member {name} holds characters that do not print"
            yield Finding(code="zip-name", severity="warning", message=message, key=None, file=file, offset=offset)
        if member.link:
            message = f"the member {name} is a symbolic link"
            advice = "nothing is unpacked here; do not unpack it elsewhere"
            yield Finding(code="zip-link", severity="warning", message=message, file=file, offset=offset, advice=advice)
        parts = member.name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
            advice = "nothing is unpacked here; do not unpack it elsewhere"
            yield Finding(
                code="zip-path",
                severity="warning",
                message=f"the member {name} points out of the archive",
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


def _read_directory(source: Source, remains: Remains) -> Directory:
    """Return the archive's directory; where it cannot be read and remains are accepted, what the headers record."""
    try:
        return read_directory(source)
    except CheckpointError as error:
        from ckptread.formats.zip.recovery import find_members, missing_bytes

        missing = missing_bytes(source) if error.code == TRUNCATED else 0
        lacking = f", and {plural(missing, 'byte')} of its last member" if missing else ""
        error.problem += lacking
        if remains is Remains.refused:
            raise
        return find_members(source, error)
