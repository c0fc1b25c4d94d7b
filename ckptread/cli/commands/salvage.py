"""``ckptread salvage``: save what is intact of a damaged checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import Checkpoint, Force, OutputFormat

EXAMPLES = """
ckptread salvage model.keras -o saved           # each intact tensor
ckptread salvage run/ckpt-1 -o saved --force    # replace files
"""


def salvage_command(
    path: Checkpoint,
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Write to this folder.")],
    raw: Annotated[bool, typer.Option("--raw", help="Keep the bits of what .npy cannot hold (bfloat16).")] = False,
    force: Force = False,
) -> None:
    """Save what is intact of a damaged checkpoint.

    Every intact tensor goes to a .npy file; manifest.json lists what was saved and what was lost.
    Exit 0: everything is intact, 1: something is lost or in doubt, 2: nothing was found, or DIR cannot be written.
    """
    with render.Progress() as progress:
        found = ckptread.salvage(path, output, raw=raw, force=force, progress=progress)
    render.report(found.report(), OutputFormat.table)
    raise typer.Exit(found.exit_code)
