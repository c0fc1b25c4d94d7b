"""Tables laid out as text, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from ckptread.reports.cells import ELLIPSIS, safe_row
from ckptread.reports.report import Row, Table
from ckptread.reports.widths import beginning, columns, end, padded, widest

GAP = "  "
WIDEST = 400
"""A cell that is longer moves what is to its right, in its own row: rows are not filled up to the longest name."""
LEAST_WIDTH = 20
"""However narrow the terminal, names and remarks keep this many characters."""
TAILS = (2 / 3, 1 / 2, 1 / 3, 5 / 6, 1 / 6)
"""How much of a shortened name its end gets: names differ at their ends, mostly."""


def table_lines(table: Table, width: int | None) -> Iterator[str]:
    """Yield lines of at most ``width`` characters, the longest texts being shortened; None cuts nothing."""
    table = _narrowed(Table(table.titles, [safe_row(row) for row in table.rows], table.optional), width)
    rows = list(table.rows)
    texts = list(zip(table.plain_titles, *rows, strict=True))
    plain = all("".join(column).isascii() for column in texts)
    widths = [min(WIDEST, max(map(len if plain else columns, column))) for column in texts]
    right = [title.startswith(">") for title in table.titles]
    if width is not None:
        _fit(widths, width, last_is_text=len(widths) > 1 and not right[-1])
    tail = TAILS[0] if width is None else _telling_tail([row[0] for row in rows], widths[0])
    line = GAP.join(f"{{:{'>' if to_right else '<'}{size}}}" for size, to_right in zip(widths, right, strict=True))
    for row in chain([table.plain_titles], rows):
        cells = row if width is None else _fitted(row, widths, tail)
        if plain:
            yield line.format(*cells).rstrip()
        else:
            yield GAP.join(map(padded, cells, widths, right)).rstrip()


def _narrowed(table: Table, width: int | None) -> Table:
    """Leave out optional columns until the table fits."""
    for title in table.optional:
        if width is not None and least_width(table) > width:
            table = without(table, title)
    return table


def least_width(table: Table) -> int:
    """Return how wide a table is where names are as short as they may be."""
    widths = [widest(column) for column in zip(table.plain_titles, *table.rows, strict=True)]
    _fit(widths, 0, last_is_text=len(widths) > 1 and not table.titles[-1].startswith(">"))
    return sum(widths) + len(GAP) * (len(widths) - 1)


def without(table: Table, title: str) -> Table:
    """Return the table without a column."""
    at = list(table.titles).index(title)
    rows = [[*row[:at], *row[at + 1 :]] for row in table.rows]
    return Table([*table.titles[:at], *table.titles[at + 1 :]], rows, table.optional)


def _fit(widths: list[int], width: int, *, last_is_text: bool) -> None:
    """Narrow the first column, of names, and the last one, of remarks, until a row fits; neither beyond legibility."""
    room = width - sum(widths[1:-1]) - len(GAP) * (len(widths) - 1)
    if last_is_text:
        widths[-1] = min(widths[-1], max(LEAST_WIDTH, room // 2, room - widths[0]))
    if len(widths) > 1:
        room -= widths[-1]
    widths[0] = min(widths[0], max(LEAST_WIDTH, room))


def shorten(text: str, width: int, tail: float) -> str:
    """Cut the middle out of a text that is too long; ``tail`` is the share of what is kept that its end gets."""
    if columns(text) <= width:
        return text
    kept = round((width - 1) * tail)
    return beginning(text, width - 1 - kept) + ELLIPSIS + end(text, kept)


def _telling_tail(names: Sequence[str], width: int) -> float:
    """Return the share for the ends of names that leaves the most of them distinct."""
    told = {tail: len({shorten(name, width, tail) for name in names}) for tail in TAILS[:1]}
    if told[TAILS[0]] < len(set(names)):
        told |= {tail: len({shorten(name, width, tail) for name in names}) for tail in TAILS[1:]}
    return max(told, key=told.__getitem__)


def _fitted(row: Row, widths: Sequence[int], tail: float) -> list[str]:
    """Shorten what is too long: a name in its middle, a remark in the last column at its end."""
    cells = [shorten(row[0], widths[0], tail), *row[1:]]
    return cells if len(row) == 1 else [*cells[:-1], _cut(cells[-1], widths[-1])]


def _cut(text: str, width: int) -> str:
    """Cut the end off a remark that is too long: it begins with what matters."""
    return text if columns(text) <= width else beginning(text, width - 1) + ELLIPSIS
