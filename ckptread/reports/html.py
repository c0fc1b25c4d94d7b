"""A report as HTML: escaped, without scripts, readable in dark and light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from ckptread.reports.report import Block, Facts, Line, Report, Table
from ckptread.wording import plural, printable

NOTEBOOK_ROWS = 60
"""Rows of a table that a notebook shows."""

# The colours are those of the page around it, or a half-transparent grey: they suit dark and light alike.
STYLE = (
    "<style>.ckptread table{border-collapse:collapse;font:13px/1.5 ui-monospace,monospace}"
    ".ckptread th,.ckptread td{padding:2px 12px 2px 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid rgba(127,127,127,.3);overflow-wrap:anywhere}"
    ".ckptread .n{text-align:right;white-space:nowrap}.ckptread pre{white-space:pre-wrap;overflow-wrap:anywhere}"
    ".ckptread .note{opacity:.7}</style>\n"
)
HEAD = (
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
    "<title>ckptread</title>\n"
)
CLASSES = {"prose": "<p>{}</p>", "title": "<h3>{}</h3>", "note": '<p class="note">{}</p>'}


def as_html(report: Report) -> Iterator[str]:
    """Yield the pieces of a page of its own."""
    yield HEAD
    yield from _section(report, None)
    yield "</html>\n"


def as_html_fragment(report: Report) -> str:
    """Return what a notebook shows below a cell: the report, its tables cut at NOTEBOOK_ROWS."""
    return "".join(_section(report, NOTEBOOK_ROWS))


def _section(report: Report, most: int | None) -> Iterator[str]:
    yield f'{STYLE}<section class="ckptread">\n'
    for kind, blocks in groupby(report.lines(), _kind):
        if kind:
            yield from _html_lines(kind, blocks)
        else:
            yield from (_html_block(block, most) for block in blocks)
    yield from _html_lines("note", (Line(text) for text in report.notes()))
    yield "</section>\n"


def _kind(block: Block) -> str:
    """Return what lines have in common that are shown in one element; "" for what is none."""
    if not isinstance(block, Line):
        return ""
    return block.style if block.style in CLASSES else "pre"


def _html_lines(kind: str, blocks: Iterable[Block]) -> Iterator[str]:
    texts = [_html_text(block.text) for block in blocks if isinstance(block, Line)]
    if kind != "pre":
        yield from (CLASSES[kind].format(text) + "\n" for text in texts if text)
    elif any(texts):
        yield "<pre>" + "\n".join(texts).strip("\n") + "</pre>\n"


def _html_block(block: Block, most: int | None) -> str:
    if isinstance(block, Facts):
        return _html_table(Table((), block.rows), None)
    return _html_table(block, most) if isinstance(block, Table) else ""


def _html_table(table: Table, most: int | None) -> str:
    right = [title.startswith(">") for title in table.titles]
    rows = iter(table.rows)
    head = [_html_row(table.plain_titles, right, "th")] if table.titles else []
    body = [_html_row(row, right, "td") for row in islice(rows, most)]
    left = sum(1 for _ in rows)
    more = [f'<p class="note">... and {plural(left, "more row")}</p>\n'] if left else []
    return "".join(["<table>\n", *head, *body, "</table>\n", *more])


def _html_row(cells: Sequence[str], right: Sequence[bool], tag: str) -> str:
    numbers = [*right, *[False] * (len(cells) - len(right))]
    inner = "".join(
        f'<{tag} class="n">{_html_text(cell)}</{tag}>' if number else f"<{tag}>{_html_text(cell)}</{tag}>"
        for cell, number in zip(cells, numbers, strict=True)
    )
    return f"<tr>{inner}</tr>\n"


def _html_text(text: str) -> str:
    from html import escape

    return escape(printable(text))
