"""How ``ckptread ls`` shows checkpoints: a row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.document import Document
from ckptread.reports.report import Block, Report, Table
from ckptread.reports.table import without_empty

if TYPE_CHECKING:
    from ckptread.operations.ls.ls import CheckpointList, ListedCheckpoint

TITLES = ("file", "format", ">step", ">parameters", ">bytes", "writer", "date", "problem")
OPTIONAL = ("writer", "date", "format", "bytes")
"""Columns that make room for names, the first one first."""


class ListedDocument(msgspec.Struct, kw_only=True):
    """One checkpoint."""

    path: str
    format: str | None
    """null if it cannot be opened."""
    step: int | None
    """How many steps it was trained for, as the optimizer counts, else as the file is numbered."""
    parameters: int | None
    """Of the model, without the optimizer's."""
    nbytes: int | None
    """Bytes of its files."""
    writer: str | None
    date: str | None
    """When it was saved, or else when its files last changed: ``2026-11-25 19:27``."""
    problem: str | None
    """Why it cannot be opened."""


class LsDocument(Document, kw_only=True):
    """``ckptread ls --format json``."""

    checkpoints: list[ListedDocument]


class LsReport(Report):
    """A row per checkpoint."""

    def __init__(self, found: CheckpointList) -> None:
        self._found = found

    def document(self) -> LsDocument:
        """Return the checkpoints."""
        return LsDocument(checkpoints=[ListedDocument(**msgspec.structs.asdict(each)) for each in self._found])

    def tables(self) -> Sequence[Table]:
        """Return a row per checkpoint, with exact numbers."""
        return [Table(TITLES, [_row(each, exact=True) for each in self._found])]

    def lines(self) -> Iterator[Block]:
        """Yield a row per checkpoint."""
        rows = [_row(each, exact=False) for each in self._found]
        yield without_empty(Table(TITLES, rows, OPTIONAL), keep=2)


def _row(found: ListedCheckpoint, *, exact: bool) -> list[str]:
    size = "" if found.nbytes is None else str(found.nbytes) if exact else bytes_text(found.nbytes)
    return [
        name_text(found.path), found.format or "", _number(found.step, exact), _number(found.parameters, exact), size,
        name_text(found.writer or ""), name_text(found.date or ""), name_text(found.problem or ""),
    ]  # fmt: skip


def _number(count: int | None, exact: bool) -> str:
    return "" if count is None else str(count) if exact else f"{count:,}"
