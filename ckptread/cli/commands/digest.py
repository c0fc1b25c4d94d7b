"""``ckptread digest``: digests of values that are the same in every container."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.combinations import DIGEST, refuse
from ckptread.cli.parse.options import (
    Backend,
    Checkpoint,
    DigestNames,
    Exclude,
    OutputFormat,
    Patterns,
    RoleOrAll,
    UseBackend,
    UseLayout,
)

EXAMPLES = """
ckptread digest model.keras > weights.sha256        # save the digests
ckptread digest model.h5 --check weights.sha256     # are these the same?
"""


def digest_command(
    path: Checkpoint,
    patterns: Patterns = None,
    exclude: Exclude = None,
    role: RoleOrAll = None,
    names: Annotated[
        DigestNames | None, typer.Option("--names", help="Include names in the digest of all.", show_default=False)
    ] = None,
    listing: Annotated[
        str | None,
        typer.Option("--check", metavar="FILE", help="Compare with a saved listing; '-' is stdin.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="With --check: print only what differs.")] = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Print a SHA-256 of each tensor, and one of all together.

    Digests are of values, so they are the same in every container.
    With --check, exit 0: all agree, 1: something differs, 2: trouble.
    """
    refuse(DIGEST, {"--quiet": quiet, "--format json": layout is OutputFormat.json})
    if quiet and listing is None:
        raise ckptread.UsageError("--quiet is for --check: give a FILE to compare with")
    with render.Progress() as progress:
        found = ckptread.digest(
            path, patterns or (), exclude=exclude or (),
            role=role.value if role else None, names=names.value if names else None,
            check=sys.stdin.buffer.read() if listing == "-" else listing, backend=backend.value, progress=progress,
        )  # fmt: skip
    render.report(found.report(quiet=quiet), layout)
    raise typer.Exit(found.exit_code)
