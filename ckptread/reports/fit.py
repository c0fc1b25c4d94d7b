"""Which columns of a table are shown where it is too wide, and how wide they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptread.reports.report import Row, Table
from ckptread.reports.widths import widest

GAP = "  "
WIDEST = 400
"""A cell that is longer moves what is to its right, in its own row: rows are not filled up to the longest name."""
REMARK_WIDTH = 30
"""Longer texts in the last column are remarks."""
LEAST_WIDTH = 20
"""Names have at least this many columns before what is to their right."""
SHARES = (1.0, 0.9, 0.5)
"""Columns are left out if it lets all names fit, or else nearly all, or else half of them."""


def shown_columns(table: Table, rows: Sequence[Row], width: int | None) -> list[int]:
    """Return the positions of the columns that are shown.

    Optional ones are left out until the names fit; if they never do, until there is room for short ones.
    """
    widths = [widest(column) for column in zip(table.plain_titles, *rows, strict=True)]
    if has_remarks(table.titles, widths):
        widths[-1] = -len(GAP)  # a remark may have a line of its own
    titles = table.plain_titles
    optional = [titles.index(title) for title in table.optional if title in titles]
    lengths = sorted(len(row[0]) for row in rows) or [0]
    wanted = [lengths[math.ceil(share * len(lengths)) - 1] for share in SHARES]
    for names in (*wanted, min(widths[0], LEAST_WIDTH)):
        for count in range(len(optional) + 1):
            kept = [at for at in range(len(titles)) if at not in optional[:count]]
            if width is None or names + sum(len(GAP) + widths[at] for at in kept[1:]) <= width:
                return kept
    return kept


def has_remarks(titles: Row, widths: Sequence[int]) -> bool:
    """Whether the last column is of long texts: a remark there may have a line of its own."""
    return len(titles) > 1 and not titles[-1].startswith(">") and widths[-1] > REMARK_WIDTH


def column_widths(titles: Row, rows: Sequence[Row], width: int | None) -> list[int]:
    """Return the widths of the columns: those of names and remarks give way, of all others they are as needed."""
    widths = [min(WIDEST, widest(column)) for column in zip(*rows, strict=True)]
    if width is None:
        return widths
    remarks = has_remarks(titles, widths)
    room = width - sum(len(GAP) + each for each in widths[1 : -1 if remarks else None])
    widths[0] = min(widths[0], max(LEAST_WIDTH, room))
    if remarks:
        widths[-1] = max(0, min(widths[-1], room - widths[0] - len(GAP)))
    return widths
