"""The steps of a training run, as rows and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ckptread.cli.documents import SCHEMA, number
from ckptread.operations.history.history import GroupFigures, StepFigures, first_nan
from ckptread.reports.cells import name_text
from ckptread.reports.report import Table
from ckptread.reports.table import without
from ckptread.wording import plural


def history_table(steps: Sequence[StepFigures]) -> Table:
    """Return a row per group and step, a group's steps below each other; counts of Inf only where there are any."""
    groups: dict[str, list[tuple[StepFigures, GroupFigures]]] = {}
    for step in steps:
        for group in step.groups:
            groups.setdefault(group.name, []).append((step, group))
    rows = [row for name, members in groups.items() for row in _group_rows(name, members)]
    whole = Table(["name", ">step", ">L2", ">change", ">NaN", ">Inf", "note"], rows)
    for at, title, usual in ((5, ">Inf", "0"), (6, "note", "")):
        if all(row[at] == usual for row in rows):
            whole = without(whole, title)
    return whole


def _group_rows(name: str, members: Sequence[tuple[StepFigures, GroupFigures]]) -> Iterator[list[str]]:
    """Yield a group's rows; its name stands in the first."""
    for at, (step, group) in enumerate(members):
        shown = "" if at else name_text(name)
        figures = [_digits(group.l2), _digits(group.change), f"{group.nans:,}", f"{group.infs:,}", _note(group)]
        yield [shown, name_text(step.step.label), *figures]


def _note(group: GroupFigures) -> str:
    return f"the shapes of {plural(group.reshaped, 'tensor')} differ" if group.reshaped else ""


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def history_rows(steps: Sequence[StepFigures]) -> Table:
    """Return a row per step and group with every figure, for machines."""
    titles = ["step", "checkpoint", "name", ">tensors", ">parameters", ">L2", ">distance", ">change", ">NaN", ">Inf"]
    return Table([*titles, ">reshaped", "problem"], [row for step in steps for row in _exact_rows(step)])


def _exact_rows(step: StepFigures) -> Iterator[list[str]]:
    begin = ["" if step.step.number is None else str(step.step.number), name_text(step.step.path)]
    if step.problem:
        yield [*begin, *[""] * 9, step.problem]
    unread = {entry.tensor.key for entry in step.unreadable}
    for group in step.groups:
        figures = [group.l2, group.distance, group.change]
        yield [
            *begin, name_text(group.name), str(group.tensors), str(group.parameters),
            *("" if figure is None else repr(figure) for figure in figures), str(group.nans), str(group.infs),
            str(group.reshaped),
            plural(len(unread), "tensor") + " of this step could not be read" if unread else "",
        ]  # fmt: skip


def history_summary(steps: Sequence[StepFigures]) -> Iterator[str]:
    """Yield what was followed, and where the first NaN is."""
    opened = [step for step in steps if not step.problem]
    labels = [name_text(step.step.label) for step in opened]
    span = f", steps {labels[0]} to {labels[-1]}" if len(labels) > 1 else ""
    yield plural(len(opened), "checkpoint") + span
    found = first_nan(steps)
    if found is None:
        unread = any(step.problem or step.unreadable for step in steps)
        yield "no NaN in what could be read" if unread else "no NaN in any step"
        return
    step, group = found
    where = "" if len(step.groups) == 1 else f", most of them in {name_text(group.name)}"
    count = plural(step.nans, "value")
    yield f"first NaN: step {name_text(step.step.label)}, {count}{where} ({name_text(step.step.path)})"


def history_document(steps: Sequence[StepFigures]) -> dict[str, Any]:
    """Return every figure of every step."""
    found = first_nan(steps)
    return {
        "schema": SCHEMA,
        "first_nan": None if found is None else _place(*found),
        "steps": [
            {
                "step": step.step.number,
                "path": step.step.path,
                "problem": step.problem or None,
                "unreadable": [{"key": e.tensor.key, "problem": e.problem} for e in step.unreadable],
                "groups": [_group(group) for group in step.groups],
            }
            for step in steps
        ],
    }


def _place(step: StepFigures, group: GroupFigures) -> dict[str, Any]:
    return {"step": step.step.number, "path": step.step.path, "group": group.name, "nan": step.nans}


def _group(group: GroupFigures) -> dict[str, Any]:
    return {
        "name": group.name,
        "tensors": group.tensors,
        "parameters": group.parameters,
        "l2": number(group.l2),
        "distance": number(group.distance),
        "change": number(group.change),
        "nan": group.nans,
        "inf": group.infs,
        "reshaped": group.reshaped,
    }
