"""``ckptread diff``: what changed between two checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.combinations import DIFF, refuse
from ckptread.cli.parse.options import (
    Backend,
    CheckpointA,
    CheckpointB,
    DiffOrder,
    Exclude,
    Force,
    Frozen,
    OutputFormat,
    RoleOrAll,
    Trainable,
    UseBackend,
    UseLayout,
    finite,
)

FORMULA = "Values are the same if |a-b| <= ATOL + RTOL*|b|."
WANTED_HELP = (
    "Two names, of a tensor of A and of one of B, compare these two. Otherwise choose tensors of either side by a key "
    "or variable name, a path (everything below it), or a glob."
)
MATCH_HELP = (
    "Pair tensors by 'key', 'variable', 'content' (equal values, also under permuted axes; then unique shapes), a "
    "FILE of --save-map, or 'auto': key, variable name, and equal values for the rest."
)

Wanted = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=WANTED_HELP, show_default=False)]
Match = Annotated[str, typer.Option("--match", metavar="HOW", help=MATCH_HELP)]

EXAMPLES = """
ckptread diff run/ckpt-1 run/ckpt-2 --layers           # what training moved
ckptread diff model.keras model.h5 --rtol 1e-5         # the same model?
ckptread diff model.keras model.h5 --match content     # under other names?
ckptread diff run/ckpt-1 run/ckpt-2 --format markdown  # for a review
"""


def diff_command(
    a: CheckpointA,
    b: CheckpointB,
    names: Wanted = None,
    exclude: Exclude = None,
    role: RoleOrAll = None,
    trainable: Trainable = False,
    frozen: Frozen = False,
    match: Match = "auto",
    save_map: Annotated[
        str | None,
        typer.Option("--save-map", metavar="FILE", help="Write the pairs to a JSON file."),
    ] = None,
    force: Force = False,
    rtol: Annotated[
        float, typer.Option("--rtol", "-p", min=0, callback=finite, help="Set the relative tolerance. " + FORMULA)
    ] = 0.0,
    atol: Annotated[
        float, typer.Option("--atol", "-d", min=0, callback=finite, help="Set the absolute tolerance.")
    ] = 0.0,
    nan_unequal: Annotated[bool, typer.Option("--nan-unequal", help="Count NaN and NaN as different.")] = False,
    ignore_dtype: Annotated[
        bool, typer.Option("--ignore-dtype", help="Count equal values of different dtypes as the same.")
    ] = False,
    stop_after: Annotated[int | None, typer.Option("-n", "--count", min=1, help="Stop after N differences.")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Print only the verdict.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing; only set the exit code.")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 even if they differ, as git requires.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Print a row per layer, and how far all of it moved.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", min=1, help="Print a row per path of N components.", show_default=False),
    ] = None,
    sort: Annotated[DiffOrder, typer.Option("--sort", help="Sort the rows.")] = DiffOrder.change,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Compare two checkpoints, values and all.

    They may be of any two formats, or the same file. Another name for the same values is not a difference. Another
    shape or dtype is one, and so is anything that cannot be compared, and another order of axes unless --match is
    content or a FILE. Exit 0: the same, 1: different, 2: trouble.
    """
    refuse(DIFF, {
        "--quiet": quiet, "--brief": brief, "--format": layout is not OutputFormat.table, "--layers": layers,
        "--depth": depth, "--trainable": trainable, "--frozen": frozen,
    })  # fmt: skip
    norms = layers or depth is not None or layout is OutputFormat.markdown
    with render.Progress() as progress:
        found = ckptread.diff(
            a, b, names or (), exclude=exclude or (), role=role.value if role else None, trainable=trainable,
            frozen=frozen, match=match, save_map=save_map, force=force, rtol=rtol, atol=atol, nan_unequal=nan_unequal,
            ignore_dtype=ignore_dtype, count=1 if quiet else stop_after, norms=norms, backend=backend.value,
            progress=progress,
        )  # fmt: skip
    report = found.report(sort=sort.value, layers=layers, depth=depth, brief=brief, fold=not (role or names))
    render.notes(report) if quiet else render.report(report, layout)
    raise typer.Exit(0 if exit_zero and not found.unreadable else found.exit_code)
