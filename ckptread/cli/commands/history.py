"""``ckptread history``: what became of a model's weights in a training run."""

from __future__ import annotations

from typing import Annotated

import typer

from ckptread.cli import render
from ckptread.cli.parse.combinations import HISTORY, refuse
from ckptread.cli.parse.options import (
    AnyRole,
    Backend,
    Exclude,
    Grouping,
    OutputFormat,
    RoleOrAll,
    Runs,
    UseBackend,
    UseLayout,
)
from ckptread.cli.views.history import history_document, history_rows, history_summary, history_table
from ckptread.errors import UsageError
from ckptread.operations.history.history import Chosen, StepFigures
from ckptread.operations.history.history import history as follow
from ckptread.operations.history.steps import find_steps
from ckptread.wording import escape, plural


def history_command(
    paths: Runs,
    by: Annotated[Grouping, typer.Option("--by", help="A row for each of these, and each step.")] = Grouping.layer,
    pattern: Annotated[
        list[str] | None,
        typer.Option("--pattern", metavar="PATTERN", help="A row for what this means, in place of each layer's."),
    ] = None,
    exclude: Exclude = None,
    role: RoleOrAll = None,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Follow the weights through a training run.

    Step by step, in the order of the numbers in the names: the L2 norm, the change since the step before, and NaN.
    """
    refuse(HISTORY, {"--by": by is not Grouping.layer, "--pattern": pattern})
    steps = find_steps(paths)
    chosen = Chosen((role or AnyRole.model).value, by.value, tuple(pattern or ()), tuple(exclude or ()))
    found: list[StepFigures] = []
    with render.Progress(lambda count: plural(count, "checkpoint")) as progress:
        for figures in follow(steps, chosen, backend=backend.value):
            found.append(figures)
            progress(len(found), len(steps))
    _refuse_nothing(found, chosen)
    if layout is OutputFormat.json:
        render.json_document(history_document(found))
    elif layout is not OutputFormat.table:
        render.table(history_rows(found), layout)
    elif any(not step.problem for step in found):
        render.table(history_table(found), layout)
        render.prose(["", *history_summary(found)])
    for step in found:
        if step.problem:
            render.note(f"ckptread: {step.problem}")
        render.not_read(step.unreadable, step.step.label)
    raise typer.Exit(2 if any(step.problem or step.unreadable for step in found) else 0)


def _refuse_nothing(found: list[StepFigures], chosen: Chosen) -> None:
    """Raise UsageError for a pattern that means nothing in any step, and where nothing at all is followed."""
    opened = [step for step in found if not step.problem]
    if opened and not any(step.groups for step in opened):
        raise UsageError(f"there is no tensor of the role {chosen.role} to follow in any step; --role all takes all")
    for at, text in enumerate(chosen.patterns):
        if opened and not any(step.groups[at].tensors for step in opened):
            kind = "" if chosen.role == "all" else f" of the role {chosen.role}"
            raise UsageError(f"no tensor{kind} matches {escape(text)!r} in any step")
