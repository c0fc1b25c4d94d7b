"""A report as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ckptread.reports.report import Report

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the beginning of a cell."""


def as_csv(report: Report) -> Iterator[str]:
    """Yield the lines of a CSV file, an empty line between two tables; no cell is taken for a formula."""
    import csv
    import io

    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for at, table in enumerate(report.flat_tables()):
        if at:
            yield "\n"
        for row in chain([table.plain_titles], table.rows):
            writer.writerow(map(_csv_cell, row))
            yield line.getvalue()
            line.seek(0)
            line.truncate()


def _csv_cell(text: str) -> str:
    return "'" + text if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
