"""``ckptread salvage``: save what is whole of a damaged checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from ckptread.cli import documents, render
from ckptread.cli.parse.options import Checkpoint, Force
from ckptread.cli.views.verify import salvage_lines
from ckptread.formats.locate import open_remains
from ckptread.operations.salvage.salvage import LostTensor, SavedTensor, gathered, write_manifest
from ckptread.operations.salvage.salvage import salvage as save
from ckptread.operations.verify.verify import verify, verify_nbytes
from ckptread.storage.progress import Meter


def salvage_command(
    path: Checkpoint,
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="The folder to write to.")],
    raw: Annotated[bool, typer.Option("--raw", help="Keep the bits of what .npy cannot hold (bfloat16).")] = False,
    force: Force = False,
) -> None:
    """Save what is whole of a damaged checkpoint.

    Every tensor that is whole goes to a .npy file; manifest.json says what was saved and what was lost.
    Exit 0: all is whole, 1: something is lost or in doubt, 2: nothing can be found, or the folder not be written.
    """
    with open_remains(path) as reader, render.Progress() as progress:
        meter = Meter(progress, 2 * verify_nbytes(reader))
        verification = verify(reader, meter=meter)
        outcomes: list[SavedTensor | LostTensor] = []
        outcomes.extend(save(reader, verification, output, raw=raw, force=force, meter=meter))
        found = gathered(reader, verification, outcomes)
        target = write_manifest(documents.manifest(found), output, force=force)
    render.prose(salvage_lines(found, output, target))
    raise typer.Exit(0 if found.whole else 1)
