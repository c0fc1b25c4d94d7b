"""``ckptread digest``: digests of values that are the same in every container."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.from_list import checkpoint_or_list
from ckptread.cli.parse.combinations import DIGEST, refuse
from ckptread.cli.parse.options import (
    Backend,
    CheckpointOrList,
    DigestNames,
    Exclude,
    FromList,
    OutputFormat,
    Patterns,
    Resume,
    RoleOrAll,
    UseBackend,
    UseLayout,
    Workers,
)

EXAMPLES = """
ckptread digest model.keras > weights.sha256        # save the digests
ckptread digest model.h5 --check weights.sha256     # are these the same?
"""


def digest_command(
    path: CheckpointOrList = None,
    patterns: Patterns = None,
    exclude: Exclude = None,
    role: RoleOrAll = None,
    names: Annotated[
        DigestNames | None, typer.Option("--names", help="Include names in the digest of all.", show_default=False)
    ] = None,
    check: Annotated[
        str | None,
        typer.Option("--check", metavar="FILE", help="Compare with a saved listing; '-' is stdin.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="With --check: print only what differs.")] = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
    listing: FromList = None,
    resume: Resume = None,
    workers: Workers = 1,
) -> None:
    """Print a SHA-256 of each tensor, and one of all together.

    Digests are of values, so they are the same in every container.
    With --check, exit 0: all agree, 1: something differs, 2: trouble.
    """
    refuse(DIGEST, {"--quiet": quiet, f"--format {layout.value}": layout, "--from": listing})
    if quiet and check is None:
        raise ckptread.UsageError("--quiet is for --check: give a FILE to compare with")
    options: dict[str, Any] = {
        "patterns": patterns or (), "exclude": exclude or (), "role": role and role.value,
        "names": names and names.value, "check": sys.stdin.buffer.read() if check == "-" else check,
        "backend": backend.value,
    }  # fmt: skip
    given = checkpoint_or_list("digest", path, listing, resume, workers, options)
    with render.Progress() as progress:
        found = ckptread.digest(given, **options, progress=progress)
    render.report(found.report(quiet=quiet), layout)
    raise typer.Exit(found.exit_code)
