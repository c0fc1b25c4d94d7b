"""How ``ckptread extract`` shows what was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from ckptread.reports.cells import name_text, shape_text
from ckptread.reports.report import Block, Line, Report, Table
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.extract.written import SkippedTensor, WrittenTensor


class WrittenDocument(msgspec.Struct, kw_only=True):
    """What became of one tensor."""

    key: str
    variable: str | None
    file: str | None
    """Where it was written to; None if it was not."""
    dtype: str | None
    """The dtype in the file."""
    shape: tuple[int, ...] | None
    note: str | None
    """What was done to the values."""
    problem: str | None
    """Why it was not written."""


class ExtractReport(Report):
    """A line per tensor, printed as soon as it is written: gigabytes take minutes."""

    live = True

    def __init__(self, results: Sequence[WrittenTensor | SkippedTensor]) -> None:
        self._results = results

    def records(self) -> list[WrittenDocument]:
        """Return what became of each tensor."""
        return [_record(result) for result in self._results]

    def tables(self) -> list[Table]:
        """Return a row per tensor."""
        titles = ["name", "dtype", "shape", "file", "note"]
        return [Table(titles, [_row(result) for result in self._results])]

    def lines(self) -> Iterator[Block]:
        """Yield where each tensor was written, and what was done to its values."""
        for result in self._results:
            yield from _lines(result)

    def notes(self) -> Iterator[str]:
        """Yield how many tensors were not written, of several."""
        skipped = sum(result.error is not None for result in self._results)
        if skipped and len(self._results) > 1:
            yield f"not written: {plural(skipped, 'tensor')}"


def _lines(result: WrittenTensor | SkippedTensor) -> Iterator[Line]:
    name, dtype, shape, file, note = _row(result)
    if result.error is not None:
        yield Line(f"{name} was not written: {result.error}", "note")
        return
    if file != "-":
        yield Line(f"{name}  {dtype} {shape}  ->  {file}")
    if note:
        yield Line(f"note: {name}: {note}", "note")


def _row(result: WrittenTensor | SkippedTensor) -> list[str]:
    name = name_text(result.tensor.name)
    if result.error is not None:
        return [name, "", "", "", f"not written: {result.error}"]
    return [name, name_text(result.dtype), shape_text(result.shape), name_text(result.path), result.note]


def _record(result: WrittenTensor | SkippedTensor) -> WrittenDocument:
    key, variable = result.tensor.key, result.tensor.variable
    if result.error is not None:
        return WrittenDocument(key=key, variable=variable, file=None, dtype=None, shape=None, note=None,
                               problem=str(result.error))  # fmt: skip
    return WrittenDocument(key=key, variable=variable, file=result.path, dtype=result.dtype, shape=result.shape,
                           note=result.note or None, problem=None)  # fmt: skip
