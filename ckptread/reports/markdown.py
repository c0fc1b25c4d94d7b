"""A report as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ckptread.reports.report import Report, Table

_ESCAPES = str.maketrans({mark: "\\" + mark for mark in "\\`*_[]<>|"})


def as_markdown(report: Report) -> Iterator[str]:
    """Yield the lines of a report's tables, an empty line between two of them."""
    for at, table in enumerate(report.tables()):
        if at:
            yield "\n"
        yield from _markdown_table(table)


def _markdown_table(table: Table) -> Iterator[str]:
    yield _markdown_row(table.plain_titles)
    yield _markdown_row("---:" if title.startswith(">") else "---" for title in table.titles)
    for row in table.rows:
        yield _markdown_row(cell.translate(_ESCAPES) for cell in row)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
