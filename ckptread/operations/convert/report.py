"""How ``ckptread convert`` shows what was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from ckptread.reports.cells import bytes_text, name_text, shape_text
from ckptread.reports.report import Block, Line, Report, Table
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.convert.results import Conversion, ConvertedTensor

MOST_LINES = 20


class NewTensorDocument(msgspec.Struct, kw_only=True):
    """A tensor that is written, or would be."""

    key: str
    """In the checkpoint."""
    name: str
    """In the new file."""
    dtype: str
    shape: tuple[int, ...]
    file: str
    note: str | None


class OmittedDocument(msgspec.Struct, kw_only=True):
    """A tensor that is not written."""

    key: str
    reason: str
    lost: bool
    """Whether the new file does not have its values: false for an alias or a copy of what is written."""


class ConvertDocument(msgspec.Struct, kw_only=True):
    """What ``convert --format json`` prints."""

    schema: int
    path: str
    output: str
    files: tuple[str, ...]
    """What was written, or would be; empty where nothing is, because of what cannot be held."""
    nbytes: int
    dry_run: bool
    digest: str | None
    omitted: list[OmittedDocument]
    tensors: list[NewTensorDocument]


class ConvertReport(Report):
    """The files, what was done to values, and what is not in them."""

    def __init__(self, result: Conversion) -> None:
        self._result = result

    def document(self) -> ConvertDocument:
        """Return the complete result."""
        found = self._result
        return ConvertDocument(
            schema=1, path=found.path, output=found.output, files=found.files, nbytes=found.nbytes,
            dry_run=found.dry_run, digest=found.digest,
            omitted=[OmittedDocument(key=e.tensor.key, reason=e.reason, lost=not e.harmless) for e in found.omitted],
            tensors=[_tensor(each) for each in found.tensors],
        )  # fmt: skip

    def tables(self) -> list[Table]:
        """Return a row per tensor."""
        rows = [
            [name_text(e.tensor.name), name_text(e.name), e.dtype, shape_text(e.shape), name_text(e.file), e.note]
            for e in self._result.tensors
        ]
        return [Table(["tensor", "name", "dtype", "shape", "file", "note"], rows)]

    def lines(self) -> Iterator[Block]:
        """Yield the files, or all new names in a dry run; then what happened to values."""
        found = self._result
        if found.dry_run:
            yield from self.tables()
        yield Line(self._verdict(), "" if found.files else "bad")
        for note, count in _counted(each.note for each in found.tensors if each.note):
            yield Line(f"  {plural(count, 'tensor')}: {note}")

    def _verdict(self) -> str:
        found = self._result
        if not found.files:
            return f"nothing was written: {plural(len(found.lost), 'tensor')} cannot be (--skip leaves them out)"
        verb = "would write" if found.dry_run else "wrote"
        files = name_text(found.files[0])
        if len(found.files) > 1:
            files = f"{plural(len(found.files), 'file')} to {name_text(found.output)}"
        checked = "" if found.dry_run else ", read back and compared"
        return f"{verb} {files}: {plural(len(found.tensors), 'tensor')}, {bytes_text(found.nbytes)}{checked}"

    def notes(self) -> Iterator[str]:
        """Yield what is not written, and why."""
        second = sum(each.harmless for each in self._result.omitted)
        if second:
            yield f"note: {plural(second, 'tensor')} left out: aliases, copies, and what the other side does not have"
        lost = self._result.lost
        for each in lost[:MOST_LINES]:
            yield f"{each.tensor.name} is not written: {each.reason}"
        if len(lost) > MOST_LINES:
            yield f"and {len(lost) - MOST_LINES:,} more: --format json lists all"


def _tensor(each: ConvertedTensor) -> NewTensorDocument:
    return NewTensorDocument(
        key=each.tensor.key, name=each.name, dtype=each.dtype, shape=each.shape, file=each.file, note=each.note or None
    )


def _counted(notes: Iterator[str]) -> Iterator[tuple[str, int]]:
    """Yield each note with how many tensors have it; those of single tensors, a few."""
    from collections import Counter

    yield from list(Counter(notes).items())[:MOST_LINES]
