"""How ``ckptread diff`` shows a difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from ckptread.operations.diff.compare_assets import AssetDifference
from ckptread.operations.diff.diff import Difference, DiffSort
from ckptread.operations.diff.documents import DiffDocument, diff_document
from ckptread.operations.diff.movement import beside_model, by_layer, by_path, movement
from ckptread.operations.diff.summary import difference_text, folded_texts, matched_text, overall_text, unchanged_text
from ckptread.operations.diff.tables import (
    Groups,
    difference_table,
    full_group_table,
    full_table,
    group_rows,
    group_table,
    sort_differences,
)
from ckptread.operations.diff.tensor_difference import TensorDifference
from ckptread.reports.cells import name_text
from ckptread.reports.report import Block, Folded, Line, Report, Style, Table
from ckptread.reports.widths import columns, padded

FOLDED = {"optimizer", "metric"}
SHOWN = 10
"""Unreadable tensors that are named on stderr."""


class DiffView(msgspec.Struct, frozen=True, kw_only=True):
    """How a difference is shown."""

    sort: DiffSort
    layers: bool
    depth: int | None
    brief: bool
    fold: bool

    @property
    def title(self) -> str:
        """What a row is about where rows are not of tensors; "" where they are."""
        return "path" if self.depth is not None else "layer" if self.layers else ""


class DiffReport(Report):
    """What was compared, a row per tensor or layer that differs, how many do not, and the verdict."""

    def __init__(self, found: Difference, view: DiffView) -> None:
        self._found = found
        self._view = view
        fold = view.fold and not all(map(_is_foldable, found.tensors))
        self._folded = list(filter(_is_foldable, found.differences)) if fold else []
        self._kept = [entry for entry in found.tensors if not (fold and _is_foldable(entry))]

    def document(self) -> DiffDocument:
        """Return every pair that was compared."""
        groups = self._groups(self._found.tensors) if self._view.title else None
        return diff_document(self._found, sort_differences(self._found.tensors, self._view.sort), groups)

    def tables(self) -> list[Table]:
        """Return a row per tensor or asset that differs with every statistic, or a row per layer."""
        found = self._found
        if self._view.title:
            return [full_group_table(self._groups(found.tensors), self._view.title, found.asset_differences)]
        return [full_table(sort_differences(found.differences, self._view.sort), found.asset_differences)]

    def lines(self) -> Iterator[Block]:
        """Yield what was compared, a table of what differs, a line on what does not, and the verdict."""
        if not self._view.brief:
            yield from self._heading()
            table = self._group_table() if self._view.title else self._table()
            yield from (table, Line()) if table.rows else ()
            yield from (Line(text, "prose") for text in self._counted())
        yield Line(difference_text(self._found), "prose")

    def pasted(self) -> Iterator[Block | Folded]:
        """Yield what a pull request shows: the verdict, the layers, the largest differences, and the rest folded."""
        yield Line(difference_text(self._found), "prose")
        yield from self._overall()
        sides = zip("AB", (self._found.a, self._found.b), self._found.sides, strict=True)
        rows = [[mark, name_text(path), side.format, name_text(side.writer)] for mark, path, side in sides]
        yield Table(["", "checkpoint", "format", "writer"], rows)
        named = [(self._group_table(), self._view.title or "layer"), (self._table(), "tensor")]
        for table, noun in named[: 1 if self._view.title else 2]:
            yield from [Folded(table, f"more {noun}")] if table.rows else []
        yield from (Line(text, "prose") for text in self._counted())

    def notes(self) -> Iterator[str]:
        """Yield what the files do not record, and what could not be read."""
        yield from self._found.notes
        entries: tuple[TensorDifference | AssetDifference, ...] = (*self._found.tensors, *self._found.assets)
        for entry in islice((entry for entry in entries if entry.unreadable), SHOWN):
            yield f"{name_text(entry.name)} could not be read: {entry.reason}"

    def _heading(self) -> Iterator[Line]:
        paths = [name_text(path) for path in (self._found.a, self._found.b)]
        longest = max(map(columns, paths))
        styles: tuple[Style, Style] = ("removed", "added")
        for mark, path, side, style in zip(("---", "+++"), paths, self._found.sides, styles, strict=True):
            about = ", ".join(filter(None, [side.format, name_text(side.writer)]))
            yield Line(f"{mark} {padded(path, longest)}  {about}", style)
        yield from self._overall()
        yield Line()

    def _overall(self) -> list[Line]:
        text = overall_text(self._found)
        return [Line(text, "prose")] if text else []

    def _counted(self) -> Iterator[str]:
        """Yield what has no row: the optimizer's tensors and the like, and what is unchanged."""
        yield from folded_texts(self._folded)
        yield from filter(None, [matched_text(self._found), unchanged_text(self._found)])

    def _table(self) -> Table:
        rows = sort_differences([entry for entry in self._kept if entry.differs], self._view.sort)
        return difference_table(rows, self._found.asset_differences)

    def _group_table(self) -> Table:
        return group_table(self._groups(self._kept), self._view.title or "layer", self._found.asset_differences)

    def _groups(self, entries: Sequence[TensorDifference]) -> Groups:
        depth = self._view.depth
        return group_rows(by_layer(entries) if depth is None else by_path(entries, depth))


def _is_foldable(entry: TensorDifference) -> bool:
    """Whether a difference is only counted: of the optimizer or a metric, unless something is wrong."""
    return beside_model(entry) in FOLDED and entry.status != "not-comparable" and not movement([entry]).spoiled
