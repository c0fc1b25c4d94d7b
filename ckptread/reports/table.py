"""Tables laid out as text, for people. Nothing is cut: a name that is shown can be pasted into the next command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptread.reports.cells import safe_row
from ckptread.reports.colours import painted
from ckptread.reports.fit import GAP, column_widths, shown_columns
from ckptread.reports.report import Cell, Row, Style, Table
from ckptread.reports.widths import columns, padded

INDENT = "    "
"""What a remark on a line of its own begins with."""


def table_lines(table: Table, width: int | None, *, colour: bool = False) -> Iterator[str]:
    """Yield lines of at most ``width`` columns, as far as that is possible; None is as wide as the table.

    Optional columns are left out until the names fit. A name that still does not fit has a line of its own, before the
    rest of its row, and a remark in the last column one after it.
    """
    rows = list(table.rows)
    texts = [safe_row(row) for row in rows]
    kept = shown_columns(table, texts, width)
    if len(kept) < len(table.titles):
        texts = [[row[at] for at in kept] for row in texts]
    layout = _Layout([table.titles[at] for at in kept], texts, width)
    yield layout.heading(colour)
    for row, cells in zip(rows, texts, strict=True):
        if not colour and layout.fits(cells):
            yield layout.format(*cells).rstrip()
        else:
            yield from layout.lines(cells, [_style(row[at]) for at in kept] if colour else None)


def without(table: Table, title: str) -> Table:
    """Return the table without a column."""
    at = list(table.titles).index(title)
    rows = [[*row[:at], *row[at + 1 :]] for row in table.rows]
    return Table([*table.titles[:at], *table.titles[at + 1 :]], rows, table.optional)


def without_empty(table: Table, keep: int = 0) -> Table:
    """Leave out the columns after the first ``keep`` that are empty in every row."""
    rows = list(table.rows)
    kept = [at for at in range(len(table.titles)) if at < keep or any(row[at] for row in rows)]
    return Table([table.titles[at] for at in kept], [[row[at] for at in kept] for row in rows], table.optional)


def _style(cell: str) -> Style:
    return cell.style if isinstance(cell, Cell) else ""


class _Layout:
    """A table's rows as lines."""

    def __init__(self, titles: Row, rows: Sequence[Row], width: int | None) -> None:
        self._titles = [title.lstrip(">") for title in titles]
        self._right = [title.startswith(">") for title in titles]
        self._widths = column_widths(titles, [self._titles, *rows], width)
        self._plain = all("".join(column).isascii() for column in zip(self._titles, *rows, strict=True))
        sizes = zip(self._widths, self._right, strict=True)
        self.format = GAP.join(f"{{:{'>' if right else '<'}{size}}}" for size, right in sizes).format

    def fits(self, row: Row) -> bool:
        """Whether a row is one line, and Python's own padding will do for it."""
        return self._plain and len(row[0]) <= self._widths[0] and len(row[-1]) <= self._widths[-1]

    def heading(self, colour: bool) -> str:
        """Return the line of the titles, without one that has no room."""
        titles = [*self._titles]
        if self._exceeds(titles, -1):
            titles[-1] = ""
        return self._line(titles, ["heading"] * len(titles) if colour else None)

    def lines(self, cells: Row, styles: Sequence[Style] | None) -> Iterator[str]:
        """Yield the lines of a row: one, or more where a name or a remark does not fit."""
        row, paint, remark = [*cells], styles or [""] * len(cells), ""
        if len(row) > 1 and not self._right[-1] and self._exceeds(row, -1):
            remark, row[-1] = INDENT + painted(row[-1], paint[-1]), ""
        if len(row) > 1 and self._exceeds(row, 0):
            yield painted(row[0], paint[0])
            row[0] = ""
        yield self._line(row, styles)
        if remark:
            yield remark

    def _exceeds(self, row: Row, at: int) -> bool:
        return len(row[at]) > self._widths[at] // 2 and columns(row[at]) > self._widths[at]

    def _line(self, cells: Row, styles: Sequence[Style] | None) -> str:
        texts = list(map(padded, cells, self._widths, self._right))
        return GAP.join(map(painted, texts, styles) if styles else texts).rstrip()
