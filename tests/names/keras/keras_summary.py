"""What ``model.summary()`` prints, as data."""

from __future__ import annotations

import os
import re
from typing import Any
from unittest import mock

Row = tuple[str, str, int, str]
"""Name, class, parameters, and Y, N or - for its flag."""


def printed(model: Any, **options: Any) -> tuple[list[Row], dict[str, int]]:
    """Return the rows of the table, and the totals by what Keras calls them."""
    lines: list[str] = []
    with mock.patch.dict(os.environ, COLUMNS="400"):  # where the terminal is narrow, names are cut
        model.summary(
            line_length=300,
            show_trainable=True,
            print_fn=lambda text, *_, **__: lines.extend(text.split("\n")),
            **options,
        )
    cells = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if line.startswith("│")]
    rows = [_row(each) for each in cells if each[0]]
    totals = re.findall(r"(\w[\w-]*) params: ([\d,]+)", "\n".join(lines))
    return rows, {name: int(number.replace(",", "")) for name, number in totals}


def _row(cells: list[str]) -> Row:
    found = re.fullmatch(r"(?:└ )?(.*) \((\w+)\)", cells[0])
    assert found is not None, cells
    return found[1], found[2], int(cells[2].replace(",", "").replace("(unbuilt)", "")), cells[-1]
