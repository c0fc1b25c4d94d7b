"""Saved listings of digests, and whether a checkpoint still agrees with one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.limits import OWN_FILE_BYTES
from ckptread.operations.digest.digest import Digest, Naming
from ckptread.storage.local import FileSource
from ckptread.wording import escape

Verdict = Literal["ok", "changed", "missing", "unlisted", "unreadable"]

_LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>.+)")


class ListingLine(msgspec.Struct, frozen=True):
    """A line of a listing."""

    digest: str
    name: str
    """As it is printed: escaped."""


class LineResult(msgspec.Struct, frozen=True):
    """What came of a line of the listing, or of a tensor that has none."""

    name: str
    """Escaped."""
    verdict: Verdict
    note: str = ""


def read_listing(path: str) -> list[ListingLine]:
    """Return the lines of a saved listing. Raises CheckpointError."""
    source = FileSource(path)
    try:
        if source.size > OWN_FILE_BYTES:
            raise DamagedFileError(path, f"a listing of {source.size:,} bytes is too large")
        return parse_listing(path, source.read(0, source.size))
    finally:
        source.close()


def parse_listing(path: str, data: bytes) -> list[ListingLine]:
    """Return the lines of a listing. Raises DamagedFileError for what is none."""
    lines = []
    for number, text in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), start=1):
        found = _LINE.fullmatch(text)
        if found is None:
            raise DamagedFileError(
                path, f"line {number} is no line of a listing", advice="each is 64 hexadecimal digits and a name"
            )
        lines.append(ListingLine(found["digest"].lower(), found["name"]))
    if not lines:
        raise DamagedFileError(path, "the listing is empty", advice="'ckptread digest CKPT' writes one")
    return lines


def check_listing(
    found: Digest, lines: Sequence[ListingLine], naming: Naming, *, by_name: bool = False
) -> list[LineResult]:
    """Return what came of each line, and of each tensor that has none.

    A tensor that goes by another name counts as well, unless ``by_name``. The last line is the whole's, where no tensor
    is called so; a listing without it is of a part, and other tensors are nothing to it.
    """
    here = _Here(found, naming, by_name)
    whole = lines[-1] if lines[-1].name not in here.names else None
    checked = [here.check(line) for line in (lines if whole is None else lines[:-1])]
    if whole is None:
        return checked
    checked += here.unlisted(lines[:-1])
    return [*checked, _whole(found, whole)]


def _whole(found: Digest, line: ListingLine) -> LineResult:
    if found.whole is None:
        return LineResult(escape(found.path), "unreadable", "not all of it can be read")
    return LineResult(escape(found.path), "ok" if found.whole == line.digest else "changed")


class _Here:
    """The digests of a checkpoint, as a listing's lines are looked up in them."""

    def __init__(self, found: Digest, naming: Naming, by_name: bool) -> None:
        self.names: dict[str, list[str | None]] = {}
        self._called: dict[str, str] = {}
        self._by_name = by_name
        for entry in found.tensors:
            name = escape(naming(entry.tensor))
            self.names.setdefault(name, []).append(entry.figure)
            if entry.figure is not None:
                self._called.setdefault(entry.figure, name)

    def check(self, line: ListingLine) -> LineResult:
        """Return what came of a line."""
        digests = self.names.get(line.name, [])
        if line.digest in digests:
            return LineResult(line.name, "ok")
        if line.digest in self._called and not self._by_name:
            return LineResult(line.name, "ok", f"here it is called {self._called[line.digest]}")
        if None in digests:
            return LineResult(line.name, "unreadable", "it cannot be read")
        return (
            LineResult(line.name, "changed") if digests else LineResult(line.name, "missing", "no tensor is called so")
        )

    def unlisted(self, lines: Sequence[ListingLine]) -> list[LineResult]:
        """Return the tensors that no line is of."""
        names, digests = {line.name for line in lines}, {line.digest for line in lines}
        return [
            LineResult(name, "unlisted", "it is not in the listing")
            for name, own in self.names.items()
            if name not in names and (self._by_name or not digests.issuperset(own))
        ]
