"""The parts of a report as lines of text, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ckptread.reports.cells import safe_row
from ckptread.reports.colours import painted
from ckptread.reports.report import Block, Facts, Line, Table
from ckptread.reports.table import table_lines
from ckptread.reports.widths import columns
from ckptread.wording import printable

GAP_AFTER_LABEL = 2
LEAST_TEXT = 40
"""However narrow the terminal, the text beside a label keeps this many characters."""


def block_lines(block: Block, width: int | None, *, colour: bool, wrap: bool = True) -> Iterable[str]:
    """Return the lines of one part of a report.

    Tables fit into ``width``, and with ``wrap`` sentences do too; None is for as wide as they are.
    """
    if isinstance(block, Table):
        return table_lines(block, width, colour=colour)
    room = width if wrap else None
    return _fact_lines(block, room) if isinstance(block, Facts) else _line_lines(block, room, colour)


def _fact_lines(facts: Facts, width: int | None) -> Iterator[str]:
    import textwrap

    beside = max(len(label) for label, _ in facts.rows) + GAP_AFTER_LABEL
    room = (width or facts.width or 0) - beside - len(facts.indent)
    for label, text in map(safe_row, facts.rows):
        parts = textwrap.wrap(text, max(LEAST_TEXT, room), break_on_hyphens=False) if room > 0 else [text]
        for at, part in enumerate(parts or [""]):
            yield facts.indent + (label if at == 0 else "").ljust(beside) + part


def _line_lines(line: Line, width: int | None, colour: bool) -> list[str]:
    text = printable(line.text)
    lines = folded(text, width) if line.style == "prose" else [text]
    return [painted(text, line.style) for text in lines] if colour else lines


def folded(text: str, width: int | None) -> list[str]:
    """Return a line as several where it is too long, all but the first indented. Some terminals have no width."""
    if not width or columns(text) <= width:
        return [text]
    import textwrap

    indent = text[: len(text) - len(text.lstrip(" "))]
    return textwrap.wrap(
        text.lstrip(" "), width, initial_indent=indent, subsequent_indent=indent + "    ", break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
