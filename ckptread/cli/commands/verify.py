"""``ckptread verify``: whether a checkpoint is intact."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.from_list import checkpoint_or_list
from ckptread.cli.parse.combinations import VERIFY, refuse
from ckptread.cli.parse.options import FromList, OutputFormat, Resume, RunsOrList, UseLayout, Workers

EXAMPLES = """
ckptread verify model.keras                     # is it complete and intact?
ckptread verify run/ckpt-1 run/ckpt-2 --json    # the same for programs
ckptread verify --from runs.txt > verified.jsonl    # a line for each
"""


def verify_command(
    paths: RunsOrList = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing; only set the exit code.")] = False,
    layout: UseLayout = OutputFormat.table,
    listing: FromList = None,
    resume: Resume = None,
    workers: Workers = 1,
) -> None:
    """Check whether a checkpoint is intact, and list what is wrong.

    Sizes, offsets, names and every checksum in the file are checked, and every byte is read.
    Exit 0: nothing is wrong (there may be notes), 1: errors or warnings, 2: one cannot be opened at all.
    """
    refuse(VERIFY, {
        "--quiet": quiet, "--format": layout is not OutputFormat.table, f"--format {layout.value}": layout,
        "--from": listing, "CKPT": paths or None,
    })  # fmt: skip
    given = checkpoint_or_list("verify", paths, listing, resume, workers, {})
    codes: list[int] = []

    def verified(path: str) -> ckptread.Verification:
        with render.Progress() as progress:
            found = ckptread.verify(path, progress=progress)
        codes.append(found.exit_code)
        return found

    found = ckptread.find_checkpoints(*given)
    if quiet:
        list(map(verified, found))
    else:
        render.report(ckptread.Verification.report_all(map(verified, found)), layout)
    raise typer.Exit(max(codes))
