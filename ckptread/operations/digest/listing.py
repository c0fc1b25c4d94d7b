"""Saved listings of digests, and whether a checkpoint still agrees with one."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Sequence
from typing import Literal

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.limits import OWN_FILE_BYTES
from ckptread.storage.addresses import find_storage
from ckptread.storage.small_files import read_small_file
from ckptread.wording import escape

NamedDigest = tuple[str, str | None]
"""A name as it is printed, and its digest; None where it cannot be read."""
WITH_ASSETS = " with assets"
"""What follows the path in the line of all tensors and assets together."""
LineVerdict = Literal["ok", "changed", "missing", "unlisted", "unreadable"]

_LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>.+)")


class ListingLine(msgspec.Struct, frozen=True):
    """A line of a listing."""

    digest: str
    name: str
    """As it is printed: escaped."""


class LineResult(msgspec.Struct, frozen=True):
    """The result for a line of the listing, or for a tensor without one."""

    name: str
    """Escaped."""
    verdict: LineVerdict
    note: str = ""


def read_listing(listing: str | os.PathLike[str] | bytes) -> list[ListingLine]:
    """Return the lines of a saved listing, given as a path or as its bytes. Raises CheckpointError."""
    if isinstance(listing, bytes):
        return parse_listing("stdin", listing[:OWN_FILE_BYTES])
    path = os.fspath(listing)
    return parse_listing(path, read_small_file(*find_storage(path), OWN_FILE_BYTES, "a listing"))


def parse_listing(path: str, data: bytes) -> list[ListingLine]:
    """Return the lines of a listing. Raises DamagedFileError for an invalid line."""
    lines = []
    for number, text in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), start=1):
        found = _LINE.fullmatch(text)
        if found is None:
            raise DamagedFileError(
                path,
                f"line {number} is not a line of a listing",
                advice="each line is 64 hexadecimal digits and a name",
            )
        lines.append(ListingLine(found["digest"].lower(), found["name"]))
    if not lines:
        raise DamagedFileError(path, "the listing is empty", advice="'ckptread digest CKPT' writes one")
    return lines


class KnownDigests:
    """The digests of a checkpoint, by the names that its listing has, to compare a listing with.

    A tensor under another name agrees as well, unless ``by_name``.
    """

    def __init__(
        self, path: str, tensors: Sequence[NamedDigest], assets: Sequence[NamedDigest], *, by_name: bool = False
    ) -> None:
        self._path = escape(path)
        self._assets = {name for name, _ in assets}
        self._names: dict[str, list[str | None]] = {}
        self._called: dict[str, str] = {}
        self._by_name = by_name
        for name, digest in (*tensors, *assets):
            self._names.setdefault(name, []).append(digest)
            if digest is not None:
                self._called.setdefault(digest, name)

    def totals_in(self, lines: Sequence[ListingLine]) -> list[ListingLine]:
        """Return the last line, of all tensors together, and the one of the assets too before it, if there is one.

        Without these the listing is of some tensors. A line is not a total if a tensor or asset has its name.
        """
        if lines[-1].name in self._names:
            return []
        both = len(lines) > 1 and lines[-2].name.endswith(WITH_ASSETS) and lines[-2].name not in self._names
        return list(lines[-2:] if both else lines[-1:])

    def compare(self, lines: Sequence[ListingLine], whole: str | None, with_assets: str | None) -> list[LineResult]:
        """Return a result for each line, and for each tensor without one; for assets, if the listing has any."""
        totals = self.totals_in(lines)
        listed = lines[: len(lines) - len(totals)]
        checked = [self._check(line) for line in listed]
        if totals:
            checked += self._unlisted(listed, set() if len(totals) > 1 else self._assets)
            checked += [self._check_assets(with_assets, line) for line in totals[:-1]]
            checked.append(_check_total(self._path, whole, totals[-1]))
        return checked

    def _check_assets(self, found: str | None, line: ListingLine) -> LineResult:
        name = self._path + WITH_ASSETS
        return (
            _check_total(name, found, line) if self._assets else LineResult(name, "missing", "nothing here is an asset")
        )

    def _check(self, line: ListingLine) -> LineResult:
        """Return what came of a line."""
        digests = self._names.get(line.name, [])
        if line.digest in digests:
            return LineResult(line.name, "ok")
        if line.digest in self._called and not self._by_name:
            return LineResult(line.name, "ok", f"the name is {self._called[line.digest]} here")
        if None in digests:
            return LineResult(line.name, "unreadable", "it cannot be read")
        return (
            LineResult(line.name, "changed") if digests else LineResult(line.name, "missing", "nothing has this name")
        )

    def _unlisted(self, lines: Sequence[ListingLine], beside: Container[str]) -> list[LineResult]:
        """Return what no line is of, but for the names ``beside``."""
        names, digests = {line.name for line in lines}, {line.digest for line in lines}
        return [
            LineResult(name, "unlisted", "it is not in the listing")
            for name, own in self._names.items()
            if name not in names and name not in beside and (self._by_name or not digests.issuperset(own))
        ]


def _check_total(name: str, found: str | None, line: ListingLine) -> LineResult:
    if found is None:
        return LineResult(name, "unreadable", "not all of it can be read")
    return LineResult(name, "ok" if found == line.digest else "changed")
