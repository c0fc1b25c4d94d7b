"""``ckptread diff``: what changed between two checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.change import Tolerance
from ckptread.cli import documents, render
from ckptread.cli.differences import difference_table, ordered, unchanged, verdict
from ckptread.cli.options import (
    Backend,
    CheckpointA,
    CheckpointB,
    DiffOrder,
    Exclude,
    Layout,
    Patterns,
    Role,
    UseBackend,
    UseLayout,
)
from ckptread.diff import compare
from ckptread.match import align, choose
from ckptread.pairs import Pair

FORMULA = "Values count as the same where |a-b| <= ATOL + RTOL*|b|."


def diff(
    a: CheckpointA,
    b: CheckpointB,
    patterns: Patterns = None,
    exclude: Exclude = None,
    role: Role = None,
    rtol: Annotated[float, typer.Option("--rtol", "-p", min=0, help="Relative tolerance. " + FORMULA)] = 0.0,
    atol: Annotated[float, typer.Option("--atol", "-d", min=0, help="Absolute tolerance, as above.")] = 0.0,
    nan_unequal: Annotated[bool, typer.Option("--nan-unequal", help="NaN does not equal NaN.")] = False,
    ignore_dtype: Annotated[
        bool, typer.Option("--ignore-dtype", help="Equal values are the same in any dtype.")
    ] = False,
    stop_after: Annotated[int | None, typer.Option("-n", "--count", min=1, help="Stop after N differences.")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Only the verdict.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing but the exit code.")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also where they differ, as git wants.")
    ] = False,
    sort: Annotated[DiffOrder, typer.Option("--sort", help="The order of the rows.")] = DiffOrder.change,
    layout: UseLayout = Layout.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Compare two checkpoints, values and all.

    They may be of any two formats. Exit 0: the same, 1: different, 2: trouble.
    """
    with ckptread.open(a, backend=backend.value) as one, ckptread.open(b, backend=backend.value) as other:
        pairs = choose(one, other, align(_all(one), _all(other)), patterns or (), exclude or (), role)
        with render.Progress(_size(pairs)) as progress:
            found = compare(
                one, other, pairs, tolerance=Tolerance(rtol, atol, not nan_unequal),
                ignore_dtype=ignore_dtype, stop_after=1 if quiet else stop_after, progress=progress,
            )  # fmt: skip
        if layout is Layout.json and not quiet:
            render.json_document(documents.difference(found, ordered(found.tensors, sort), verdict(found)))
        elif not quiet:
            if not brief:
                render.differences(difference_table(ordered(found.differences, sort)), unchanged(found), layout)
            if brief or layout is Layout.table:
                render.line(verdict(found))
        render.unreadable(found)
        raise typer.Exit(2 if found.unreadable else int(not found.same and not exit_zero))


def _all(reader: ckptread.Reader) -> list[ckptread.TensorInfo]:
    return list(reader.tensors.values())


def _size(pairs: list[Pair]) -> int:
    return sum(max(t.nbytes for t in (pair.a, pair.b) if t is not None) for pair in pairs)
