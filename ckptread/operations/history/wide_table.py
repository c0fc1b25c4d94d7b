"""A run for people: a row per layer, a column per step with the change since the step before, and a sparkline of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptread.operations.history.follow_steps import GroupStatistics, StepStatistics
from ckptread.reports.cells import name_text, percent_text
from ckptread.reports.glyphs import sparkline
from ckptread.reports.report import Cell, Table

SPARK_WIDTH = 24
"""Of a longer run, a block of a sparkline is the largest change of several steps."""


def wide_table(steps: Sequence[StepStatistics]) -> Table:
    """Return a row per group; the columns of the first steps are left out where there is no room, and empty ones."""
    opened = [step for step in steps if not step.problem]
    by_step = [{group.name: group for group in step.groups} for step in opened]
    names = list(dict.fromkeys(group.name for step in opened for group in step.groups))
    rows = [_row(name, [groups.get(name) for groups in by_step]) for name in names]
    titles = ["name", ">L2", "change", *(">" + name_text(step.step.label) for step in opened)]
    kept = [at for at in range(len(titles)) if at < 2 or any(row[at] for row in rows)]
    shown = [titles[at] for at in kept]
    return Table(shown, [[row[at] for at in kept] for row in rows], [title.lstrip(">") for title in shown[3:]])


def _row(name: str, groups: Sequence[GroupStatistics | None]) -> list[str]:
    norms = [group.l2 for group in groups if group is not None]
    last = "-" if not norms or norms[-1] is None else f"{norms[-1]:.4g}"
    changes = [None if group is None else math.nan if group.nans else group.change for group in groups]
    line = sparkline(_shortened(changes[1:])) if sum(change is not None for change in changes[1:]) > 1 else ""
    return [name_text(name), last, line, *map(_cell, groups)]


def _shortened(changes: Sequence[float | None]) -> list[float | None]:
    """Return at most SPARK_WIDTH changes: each the largest of a few, NaN if any is."""
    each = -(-len(changes) // SPARK_WIDTH) or 1
    parts = [[c for c in changes[at : at + each] if c is not None] for at in range(0, len(changes), each)]
    return [None if not part else math.nan if any(map(math.isnan, part)) else max(part) for part in parts]


def _cell(group: GroupStatistics | None) -> str:
    """Return what became of a group since the step before."""
    if group is None:
        return ""
    if group.nans or group.infs:
        return Cell("NaN" if group.nans else "Inf", "nan")
    if group.reshaped:
        return "reshaped"
    if group.change is None:
        return ""
    return "from zero" if math.isinf(group.change) else percent_text(group.change)
