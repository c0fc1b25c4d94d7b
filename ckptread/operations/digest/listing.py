"""Saved listings of digests, and whether a checkpoint still agrees with one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.limits import OWN_FILE_BYTES
from ckptread.operations.each_tensor import TensorResult
from ckptread.storage.addresses import find_storage
from ckptread.storage.small_files import read_small_file
from ckptread.tensors import TensorInfo
from ckptread.wording import escape

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


def check_listing(
    path: str,
    tensors: Sequence[TensorResult[str]],
    whole_digest: str | None,
    lines: Sequence[ListingLine],
    naming: Callable[[TensorInfo], str],
    *,
    by_name: bool = False,
) -> list[LineResult]:
    """Return a result for each line, and for each tensor without one.

    A tensor under another name agrees as well, unless ``by_name``. The last line is that of all together, unless a
    tensor has that name; without it, the listing is of some tensors, and the others are not looked at.
    """
    here = _DigestsByName(tensors, naming, by_name)
    whole = lines[-1] if lines[-1].name not in here.names else None
    checked = [here.check(line) for line in (lines if whole is None else lines[:-1])]
    if whole is None:
        return checked
    checked += here.unlisted(lines[:-1])
    return [*checked, _check_whole(path, whole_digest, whole)]


def _check_whole(path: str, found: str | None, line: ListingLine) -> LineResult:
    if found is None:
        return LineResult(escape(path), "unreadable", "not all of it can be read")
    return LineResult(escape(path), "ok" if found == line.digest else "changed")


class _DigestsByName:
    """The digests of a checkpoint's tensors, to look up the lines of a listing in."""

    def __init__(
        self, tensors: Sequence[TensorResult[str]], naming: Callable[[TensorInfo], str], by_name: bool
    ) -> None:
        self.names: dict[str, list[str | None]] = {}
        self._called: dict[str, str] = {}
        self._by_name = by_name
        for entry in tensors:
            name = escape(naming(entry.tensor))
            self.names.setdefault(name, []).append(entry.value)
            if entry.value is not None:
                self._called.setdefault(entry.value, name)

    def check(self, line: ListingLine) -> LineResult:
        """Return what came of a line."""
        digests = self.names.get(line.name, [])
        if line.digest in digests:
            return LineResult(line.name, "ok")
        if line.digest in self._called and not self._by_name:
            return LineResult(line.name, "ok", f"the name is {self._called[line.digest]} here")
        if None in digests:
            return LineResult(line.name, "unreadable", "it cannot be read")
        return (
            LineResult(line.name, "changed") if digests else LineResult(line.name, "missing", "no tensor has this name")
        )

    def unlisted(self, lines: Sequence[ListingLine]) -> list[LineResult]:
        """Return the tensors that no line is of."""
        names, digests = {line.name for line in lines}, {line.digest for line in lines}
        return [
            LineResult(name, "unlisted", "it is not in the listing")
            for name, own in self.names.items()
            if name not in names and (self._by_name or not digests.issuperset(own))
        ]
