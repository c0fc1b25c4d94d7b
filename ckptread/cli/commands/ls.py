"""``ckptread ls``: which checkpoints there are."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import OutputFormat, UseLayout

EXAMPLES = """
ckptread ls run                         # steps, sizes, writers and dates
ckptread ls run/ckpt-1 model.keras --format csv
"""


def ls_command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Checkpoints, or folders: all checkpoints in them. Default: here."),
    ] = None,
    layout: UseLayout = OutputFormat.table,
) -> None:
    """List checkpoints, a row each: format, step, parameters, bytes, writer and date.

    Exit 2: one of them cannot be opened.
    """
    found = ckptread.ls(*(paths or ()))
    render.report(found.report(), layout)
    raise typer.Exit(0 if found.complete else 2)
