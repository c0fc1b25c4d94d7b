"""A report as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptread.reports.cells import safe_row
from ckptread.reports.report import Report

FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for a formula at the beginning of a cell; Excel reads the full-width forms as well."""
SEPARATORS = frozenset(",;\t|:\"'")
"""What parts cells somewhere, or quotes them: text with any of these is quoted, whole."""


def as_csv(report: Report) -> Iterator[str]:
    """Yield the lines of a CSV file, an empty line between two tables; no cell is taken for a formula."""
    for at, table in enumerate(report.flat_tables()):
        if at:
            yield "\n"
        yield _csv_line(table.plain_titles)
        yield from (_csv_line(safe_row(row)) for row in table.rows)


def _csv_line(row: Sequence[str]) -> str:
    return ",".join(map(_csv_cell, row)) + "\n"


def _csv_cell(text: str) -> str:
    formula = text.lstrip()[:1] in FORMULA and text != "" and not _is_number(text)
    text = "'" + text if formula else text
    return '"' + text.replace('"', '""') + '"' if not SEPARATORS.isdisjoint(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
