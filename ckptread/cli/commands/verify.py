"""``ckptread verify``: whether a checkpoint is whole."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import documents, render
from ckptread.cli.parse.combinations import VERIFY, refuse
from ckptread.cli.parse.options import CHECKPOINT_HELP, OutputFormat, UseLayout
from ckptread.cli.views.verify import findings_table, report, worst_exit
from ckptread.operations.verify.verify import Verification, verify_nbytes
from ckptread.operations.verify.verify import verify as check
from ckptread.storage.progress import Meter
from ckptread.tensors import trouble

Checkpoints = Annotated[list[str], typer.Argument(metavar="CKPT...", help=CHECKPOINT_HELP, show_default=False)]


def verify_command(
    paths: Checkpoints,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing but the exit code.")] = False,
    layout: UseLayout = OutputFormat.table,
) -> None:
    """Check whether a checkpoint is whole, and say what is wrong.

    All that it states of itself is checked: sizes, places, names, and every checksum, reading every byte.
    Exit 0: nothing is wrong (there may be notes), 1: errors or warnings, 2: one cannot be opened at all.
    """
    refuse(VERIFY, {"--quiet": quiet, "--format": layout is not OutputFormat.table})
    done = []
    for path in paths:
        done.append(_one(path))
        if layout is OutputFormat.table and not quiet:
            render.prose(report(done[-1]))
    if layout is OutputFormat.json:
        render.json_document(documents.verifications(done))
    elif layout is not OutputFormat.table:
        render.table(findings_table(done), layout)
    raise typer.Exit(worst_exit(done))


def _one(path: str) -> Verification:
    """Verify one checkpoint; one that cannot be opened has no format."""
    try:
        with ckptread.open(path) as reader, render.Progress() as progress:
            return check(reader, meter=Meter(progress, verify_nbytes(reader)))
    except ckptread.CheckpointError as error:
        return Verification.failed(path, trouble(error))
