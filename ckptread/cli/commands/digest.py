"""``ckptread digest``: digests of values that are the same in every container."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import ckptread
from ckptread.cli import documents, render
from ckptread.cli.parse.combinations import DIGEST, refuse
from ckptread.cli.parse.options import (
    AnyRole,
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
from ckptread.cli.views.digest import check_document, check_lines, check_table, digest_document, digest_table
from ckptread.errors import UsageError
from ckptread.limits import OWN_FILE_BYTES
from ckptread.operations.digest.digest import Digest, Naming
from ckptread.operations.digest.digest import digest as digest_of
from ckptread.operations.digest.listing import ListingLine, check_listing, parse_listing, read_listing
from ckptread.select import filter_tensors, match_tensors, without_aliases
from ckptread.tensors import TensorInfo
from ckptread.wording import plural


def digest_command(
    path: Checkpoint,
    patterns: Patterns = None,
    exclude: Exclude = None,
    role: RoleOrAll = None,
    names: Annotated[
        DigestNames | None, typer.Option("--names", help="Names count in the last line.", show_default=False)
    ] = None,
    listing: Annotated[
        str | None,
        typer.Option("--check", metavar="FILE", help="Compare with a saved listing; '-' is stdin.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="With --check: only what does not agree.")] = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Print a SHA-256 of each tensor, and one of all together.

    It is of the values: the same in every container.
    With --check, exit 0: all agree, 1: something does not, 2: trouble.
    """
    refuse(DIGEST, {"--quiet": quiet, "--format json": layout is OutputFormat.json})
    if quiet and listing is None:
        raise UsageError("--quiet is for --check: give a FILE to compare with")
    lines = None if listing is None else _listing(listing)
    of = role or AnyRole.model
    naming = _key if names is DigestNames.key else _name
    with ckptread.open(path, backend=backend.value) as reader:
        matching = match_tensors(reader.path, reader.tensors, patterns or (), exclude or ())
        tensors = without_aliases(filter_tensors(reader.tensors, matching, of))
        with render.Progress() as progress:
            found = digest_of(reader, tensors, naming=naming if names else None, progress=progress)
        if lines is not None:
            _check(found, lines, naming, bool(names), quiet, layout)
        elif layout is OutputFormat.json:
            render.json_document({**documents.checkpoint(reader), **digest_document(found, names, of)})
        elif layout is OutputFormat.table:
            render.lines("  ".join(row) for row in digest_table(found, naming).rows)
        else:
            render.table(digest_table(found, naming), layout)
        render.not_read(found.unreadable)
        render.untold([reader], tensors, role)
        if not tensors:
            render.note(f"note: there is no tensor of the role {of.value} here; --role all takes all")
    raise typer.Exit(2 if found.unreadable else 0)


def _check(
    found: Digest, lines: list[ListingLine], naming: Naming, by_name: bool, quiet: bool, layout: OutputFormat
) -> None:
    """Print what came of a listing's lines; exit 1 where one does not agree and all could be read."""
    checked = check_listing(found, lines, naming, by_name=by_name)
    shown = [entry for entry in checked if entry.verdict != "ok"] if quiet else checked
    if layout is OutputFormat.json:
        render.json_document(check_document(found, checked))
    elif layout is OutputFormat.table:
        render.lines(check_lines(shown))
    else:
        render.table(check_table(shown), layout)
    failed = sum(entry.verdict != "ok" for entry in checked)
    if failed:
        render.note(f"ckptread: {failed:,} of {plural(len(checked), 'digest')} did NOT agree")
    if failed and not found.unreadable:
        raise typer.Exit(1)


def _listing(path: str) -> list[ListingLine]:
    return parse_listing("stdin", sys.stdin.buffer.read(OWN_FILE_BYTES)) if path == "-" else read_listing(path)


def _key(tensor: TensorInfo) -> str:
    return tensor.key


def _name(tensor: TensorInfo) -> str:
    return tensor.name
