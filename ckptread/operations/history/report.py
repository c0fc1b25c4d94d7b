"""How ``ckptread history`` shows the steps of a training run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ckptread.operations.history.follow_steps import GroupStatistics, StepStatistics
from ckptread.operations.history.history import History
from ckptread.operations.history.steps import series_of
from ckptread.operations.history.wide_table import wide_table
from ckptread.reports.cells import name_text
from ckptread.reports.document import Document, Number
from ckptread.reports.report import Block, Line, Report, Table
from ckptread.wording import plural

SHOWN_SERIES = 4


class GroupDocument(msgspec.Struct, kw_only=True):
    """Statistics of the tensors that are followed together, at one step."""

    name: str
    tensors: int
    parameters: int
    l2: Number | None
    """L2 norm of all finite values."""
    distance: Number | None
    """L2 norm of the difference to the step before."""
    change: Number | None
    """``distance`` divided by the L2 norm of the step before."""
    nan: int | None
    """null where there is no number that could be NaN."""
    inf: int | None
    reshaped: int
    """Tensors of another shape than at the step before."""


class UnreadableDocument(msgspec.Struct, kw_only=True):
    """A tensor that could not be read."""

    key: str
    problem: str


class StepDocument(msgspec.Struct, kw_only=True):
    """One checkpoint of a training run."""

    step: int | None
    """The number in its name."""
    path: str
    problem: str | None
    """Why it could not be opened."""
    unreadable: list[UnreadableDocument]
    unjudged: list[str]
    """Keys of the tensors with values that cannot be judged: opaque bytes, references, dates."""
    groups: list[GroupDocument]


class FirstNanDocument(msgspec.Struct, kw_only=True):
    """The first step with a NaN, and the group that has most of them."""

    step: int | None
    path: str
    group: str
    nan: int


class HistoryDocument(Document, kw_only=True):
    """``ckptread history --format json``."""

    first_nan: FirstNanDocument | None
    steps: list[StepDocument]


class HistoryReport(Report):
    """A row per group, a column per step, the range of steps, and the first NaN."""

    def __init__(self, found: History) -> None:
        self._found = found

    def document(self) -> HistoryDocument:
        """Return the statistics of every step."""
        first = self._found.first_nan
        return HistoryDocument(
            first_nan=None if first is None else _first_nan_document(*first),
            steps=[_step_document(step) for step in self._found.steps],
        )

    def records(self) -> Sequence[Any]:
        """Return a record per step and group."""
        return [
            {"step": step.step, "path": step.path, **msgspec.structs.asdict(group)}
            for step in self.document().steps
            for group in step.groups
        ]

    def tables(self) -> list[Table]:
        """Return a row per step and group with every statistic."""
        titles = ["step", "checkpoint", "name", ">tensors", ">parameters", ">L2", ">distance", ">change", ">NaN"]
        rows = [row for step in self._found.steps for row in _exact_rows(step)]
        return [Table([*titles, ">Inf", ">reshaped", "problem"], rows)]

    def lines(self) -> Iterator[Block]:
        """Yield a table of groups and steps, and a summary."""
        if any(not step.problem for step in self._found.steps):
            yield wide_table(self._found.steps)
            yield Line()
            yield from (Line(text, "prose") for text in _summary(self._found))

    def notes(self) -> Iterator[str]:
        """Yield what could not be read, and whether the checkpoints may be of several models."""
        yield from _series_notes(self._found)
        for step in self._found.steps:
            if step.problem:
                yield f"ckptread: {step.problem}"
            for entry in step.unreadable:
                where = f"step {name_text(step.step.label)}: {name_text(entry.tensor.name)}"
                yield f"{where} could not be read: {entry.problem}"
            yield from (f"step {name_text(step.step.label)}: {note}" for note in step.notes)


def _series_notes(found: History) -> Iterator[str]:
    series = series_of(step.step for step in found.steps)
    if len(series) > 1:
        shown = ", ".join(name_text(os.path.basename(name.rstrip("/"))) for name in series[:SHOWN_SERIES])
        more = ", …" if len(series) > SHOWN_SERIES else ""
        yield f"note: these are not one numbered series ({shown}{more}): a change may be between two models"


def _first_nan_document(step: StepStatistics, group: GroupStatistics) -> FirstNanDocument:
    return FirstNanDocument(step=step.step.number, path=step.step.path, group=group.name, nan=step.nans)


def _step_document(step: StepStatistics) -> StepDocument:
    return StepDocument(
        step=step.step.number,
        path=step.step.path,
        problem=step.problem or None,
        unreadable=[UnreadableDocument(key=e.tensor.key, problem=e.problem) for e in step.unreadable],
        unjudged=[info.key for info in step.unjudged],
        groups=[_group_document(group) for group in step.groups],
    )


def _group_document(group: GroupStatistics) -> GroupDocument:
    return GroupDocument(
        name=group.name, tensors=group.tensors, parameters=group.parameters, l2=group.l2, distance=group.distance,
        change=group.change, nan=group.nans, inf=group.infs, reshaped=group.reshaped,
    )  # fmt: skip


def _exact_rows(step: StepStatistics) -> Iterator[list[str]]:
    begin = ["" if step.step.number is None else str(step.step.number), name_text(step.step.path)]
    if step.problem:
        yield [*begin, *[""] * 9, step.problem]
    unread = {entry.tensor.key for entry in step.unreadable}
    problem = plural(len(unread), "tensor") + " of this step could not be read" if unread else ""
    for group in step.groups:
        numbers = [group.l2, group.distance, group.change]
        yield [
            *begin, name_text(group.name), str(group.tensors), str(group.parameters),
            *("" if number is None else repr(number) for number in numbers), *_exact_counts(group),
            str(group.reshaped), problem,
        ]  # fmt: skip


def _exact_counts(group: GroupStatistics) -> list[str]:
    return ["" if count is None else str(count) for count in (group.nans, group.infs)]


def _summary(found: History) -> Iterator[str]:
    """Yield what was followed, and where the first NaN is."""
    opened = [step for step in found.steps if not step.problem]
    labels = [name_text(step.step.label) for step in opened]
    span = f", steps {labels[0]} to {labels[-1]}" if len(labels) > 1 else ""
    yield plural(len(opened), "checkpoint") + span
    first = found.first_nan
    unjudged = len({info.key for step in opened for info in step.unjudged})
    if unjudged:
        yield f"the values of {plural(unjudged, 'tensor')} could not be judged"
    if first:
        yield _first_nan_text(*first)
    elif any(group.nans is not None for step in opened for group in step.groups):
        yield f"no NaN in {_extent(found, unjudged)}"


def _extent(found: History, unjudged: int) -> str:
    """Return where it is that there is no NaN; where no value was judged, nothing is said of NaN."""
    if not found.complete:
        return "what was read"
    return "what could be judged" if unjudged else "any step"


def _first_nan_text(step: StepStatistics, group: GroupStatistics) -> str:
    where = "" if len(step.groups) == 1 else f", most of them in {name_text(group.name)}"
    count = plural(step.nans, "value")
    return f"first NaN: step {name_text(step.step.label)}, {count}{where} ({name_text(step.step.path)})"
