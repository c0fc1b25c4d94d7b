"""A report as Markdown tables.

Text that Markdown could read as more than words is in code spans, and so are all names: nothing is a link, a mention or
markup because a file says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ckptread.reports.cells import safe_row
from ckptread.reports.report import Block, Folded, Line, Report, Table
from ckptread.wording import plural, printable

NAMES = {"name", "key", "a", "b", "layer", "class", "path", "tensor", "checkpoint", "file", "rule", "step"}
"""Titles of columns whose text is a name, or is typed as it is shown."""
WORDS = re.compile(r"(?:[A-Za-z0-9 ,()%+▏▎▍▌▋▊▉█-]|\.(?=[0-9 ]|\Z)|; )*")
"""Text that is the same in Markdown: no address has a full stop between letters here, and no mark is left."""


def as_markdown(report: Report) -> Iterator[str]:
    """Yield the lines of a report's tables and lines, an empty line between two of them."""
    for at, block in enumerate(report.pasted()):
        if at:
            yield "\n"
        yield from _markdown_block(block)


def _markdown_block(block: Block | Folded) -> Iterator[str]:
    if isinstance(block, Folded):
        yield from _markdown_folded(block)
    elif isinstance(block, Table):
        yield from _markdown_table(block)
    elif isinstance(block, Line):
        yield _markdown_cell(printable(block.text), is_name=False) + "\n"


def _markdown_folded(folded: Folded) -> Iterator[str]:
    titles, rows = folded.table.titles, list(folded.table.rows)
    shown, rest = rows[: folded.shown], rows[folded.shown :]
    yield from _markdown_table(Table(titles, shown))
    if rest:
        yield f"\n<details><summary>{plural(len(rest), folded.noun)}</summary>\n\n"
        yield from _markdown_table(Table(titles, rest[: folded.most]))
        yield f"\n... and {len(rest) - folded.most:,} more\n" if len(rest) > folded.most else ""
        yield "\n</details>\n"


def _markdown_table(table: Table) -> Iterator[str]:
    named = [title in NAMES for title in table.plain_titles]
    yield _markdown_row(table.plain_titles)
    yield _markdown_row("---:" if title.startswith(">") else "---" for title in table.titles)
    for row in table.rows:
        yield _markdown_row(map(_markdown_cell, safe_row(row), named))


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _markdown_cell(text: str, is_name: bool) -> str:
    return _code_span(text) if text and (is_name or not WORDS.fullmatch(text)) else text


def _code_span(text: str) -> str:
    """Return text in a code span: in a fence longer than any run of backticks in it, and with its pipes escaped."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text.strip(" ") and (text[0] in "` " or text[-1] in "` ") else ""
    return fence + blank + text.replace("|", "\\|") + blank + fence
