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
    titles = [table.titles[at] for at in kept]
    layout = _Layout(titles, [[row[at] for at in kept] for row in (table.plain_titles, *texts)], width)
    yield from layout.heading(colour)
    for at, row in enumerate(rows):
        yield from layout.lines(at, [_style(row[column]) for column in kept] if colour else None)


def without(table: Table, title: str) -> Table:
    """Return the table without a column."""
    at = list(table.titles).index(title)
    rows = [[*row[:at], *row[at + 1 :]] for row in table.rows]
    return Table([*table.titles[:at], *table.titles[at + 1 :]], rows, table.optional)


def _style(cell: str) -> Style:
    return cell.style if isinstance(cell, Cell) else ""


class _Layout:
    """A table's rows as lines."""

    def __init__(self, titles: Row, rows: Sequence[Row], width: int | None) -> None:
        self._titles, *self._rows = rows
        self._widths = column_widths(titles, rows, width)
        self._right = [title.startswith(">") for title in titles]
        self._plain = all("".join(row).isascii() for row in rows)
        self._format = GAP.join(
            f"{{:{'>' if right else '<'}{size}}}" for size, right in zip(self._widths, self._right, strict=True)
        )

    def heading(self, colour: bool) -> Iterator[str]:
        """Yield the line of the titles, without one that has no room."""
        titles = [*self._titles]
        if self._exceeds(titles, -1):
            titles[-1] = ""
        yield self._line(titles, ["heading"] * len(titles) if colour else None)

    def lines(self, at: int, styles: Sequence[Style] | None) -> Iterator[str]:
        """Yield the lines of a row: one, or more where a name or a remark does not fit."""
        row = [*self._rows[at]]
        paint = styles or [""] * len(row)
        remark = ""
        if len(row) > 1 and not self._right[-1] and self._exceeds(row, -1):
            remark, row[-1] = INDENT + painted(row[-1], paint[-1]), ""
        if self._exceeds(row, 0) and len(row) > 1:
            yield painted(row[0], paint[0])
            row[0] = ""
        yield self._line(row, styles)
        if remark:
            yield remark

    def _exceeds(self, row: Row, at: int) -> bool:
        return len(row[at]) > self._widths[at] // 2 and columns(row[at]) > self._widths[at]

    def _line(self, cells: Row, styles: Sequence[Style] | None) -> str:
        if styles is None and self._plain:
            return self._format.format(*cells).rstrip()
        texts = list(map(padded, cells, self._widths, self._right))
        return GAP.join(map(painted, texts, styles) if styles else texts).rstrip()
