"""``ckptread history``: how a model's weights change in a training run."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.combinations import HISTORY, refuse
from ckptread.cli.parse.options import (
    Backend,
    Exclude,
    Force,
    Grouping,
    OutputFormat,
    RoleOrAll,
    Runs,
    UseBackend,
    UseLayout,
)
from ckptread.wording import plural

EXAMPLES = """
ckptread history run                             # norms, changes, first NaN
ckptread history run --by all --format csv       # all weights as one
"""


def history_command(
    paths: Runs,
    by: Annotated[
        Grouping, typer.Option("--by", help="Print a row for each of these, and each step.")
    ] = Grouping.layer,
    pattern: Annotated[
        list[str] | None,
        typer.Option("--pattern", metavar="PATTERN", help="Print a row for what this matches, not for each layer."),
    ] = None,
    exclude: Exclude = None,
    role: RoleOrAll = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write every figure to a .csv, .json, .md or .html file."),
    ] = None,
    force: Force = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Follow the weights through a training run.

    Print a row per layer, with its L2 norm, and a column per step, in the order of the numbers in the names, with the
    change since the step before or NaN. The other formats, and -o, have every figure of every step.
    """
    refuse(HISTORY, {"--by": by is not Grouping.layer, "--pattern": pattern})
    with render.Progress(lambda count: plural(count, "checkpoint")) as progress:
        found = ckptread.history(
            paths, by=by.value, pattern=pattern or (), exclude=exclude or (), role=role.value if role else "model",
            backend=backend.value, progress=progress,
        )  # fmt: skip
    if output is not None:
        render.save(found.report(), output, force)
    render.report(found.report(), layout)
    raise typer.Exit(found.exit_code)
