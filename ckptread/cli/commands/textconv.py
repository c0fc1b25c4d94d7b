"""``ckptread textconv``: a checkpoint as stable text, for git to compare."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import OutputFormat

EXAMPLES = """
ckptread textconv model.keras
ckptread textconv run/ckpt-1.index      # names and shapes; no values
"""


def textconv_command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A checkpoint, under any name.", show_default=False)],
) -> None:
    """Print a checkpoint as stable text, for git diff and git log -p.

    A damaged file is text that says so, and exit 0: a failure would end the git command. Git uses it after
    git config --global diff.ckptread.textconv "ckptread textconv", with the line *.keras diff=ckptread in the file
    .gitattributes.
    """
    render.report(ckptread.textconv(path).report(), OutputFormat.table)
