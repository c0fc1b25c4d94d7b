"""``ckptread inspect``: what is in a checkpoint."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.from_list import checkpoint_or_list
from ckptread.cli.parse.combinations import INSPECT, refuse
from ckptread.cli.parse.options import (
    Backend,
    CheckpointOrList,
    Exclude,
    FromList,
    Frozen,
    Layers,
    ListingNames,
    ListingOrder,
    Model,
    OutputFormat,
    Patterns,
    Resume,
    RoleToShow,
    Stats,
    Trainable,
    UseBackend,
    UseLayout,
    Workers,
)

EXAMPLES = """
ckptread inspect model.keras --layers           # sizes, what is frozen
ckptread inspect model.keras --sort size --limit 5
ckptread inspect model.keras --role optimizer   # the optimizer's state
ckptread inspect model.keras --stats --where 'nan>0'
"""


def inspect_command(
    path: CheckpointOrList = None,
    patterns: Patterns = None,
    exclude: Exclude = None,
    tree: Annotated[bool, typer.Option("--tree", help="Show names as a tree.")] = False,
    depth: Annotated[int | None, typer.Option("--depth", min=1, help="Print totals per path of N parts.")] = None,
    layers: Layers = False,
    model: Model = False,
    stats: Stats = False,
    names: Annotated[ListingNames, typer.Option("--names", help="Choose the names to print.")] = ListingNames.variable,
    role: RoleToShow = None,
    trainable: Trainable = False,
    frozen: Frozen = False,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="FIELD OP VALUE", help="Select by a comparison: 'size>1M'; can be repeated."),
    ] = None,
    sort: Annotated[
        ListingOrder, typer.Option("--sort", help="Sort the rows, the largest first; nan, std and l2 read all values.")
    ] = ListingOrder.stored,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Print the first N rows.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="TEXT", help="Print totals per match; # is a number: 'block_#'. Repeatable."),
    ] = None,
    collapse: Annotated[bool, typer.Option("--collapse", help="Print totals of names that differ in numbers.")] = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
    listing: FromList = None,
    resume: Resume = None,
    workers: Workers = 1,
) -> None:
    """List a checkpoint's tensors.

    Print the name, dtype, shape, parameters and bytes of each. The table has the model's own, and a line for the
    optimizer and for each other role; --role all has them all, as JSON, CSV and Markdown do. Values are read only for
    --stats and for what is selected or sorted by them.

    --where compares dtype, name, key, layer, role, shape, trainable, size (in bytes: 1M is 1 MiB), parameters, rank,
    nan, inf, zeros, min, max, mean, std or l2.
    """
    sorts = sort is not ListingOrder.stored
    refuse(INSPECT, {
        "--stats": stats, "--tree": tree, "--layers": layers, "--model": model and not layers,
        "--where": where, "--limit": limit, "--group": group, "--collapse": collapse, "--depth": depth,
        f"--sort {sort.value}": sorts, "--sort": sorts, "--names": names is ListingNames.key,
        "--names both": names is ListingNames.both, "--trainable": trainable, "--frozen": frozen, "--role": role,
        "PATTERN": patterns, "--exclude": exclude, f"--format {layout.value}": layout, "--from": listing,
    })  # fmt: skip
    options: dict[str, Any] = {
        "patterns": patterns or (), "exclude": exclude or (), "tree": tree, "depth": depth, "layers": layers,
        "model": model, "stats": stats, "names": names.value, "role": role and role.value, "trainable": trainable,
        "frozen": frozen, "where": where or (), "sort": sort.value, "limit": limit, "group": group or (),
        "collapse": collapse, "backend": backend.value,
    }  # fmt: skip
    given = checkpoint_or_list("inspect", path, listing, resume, workers, options)
    with render.Progress() as progress:
        found = ckptread.inspect(given, **options, progress=progress)
    render.report(found.report(), layout)
    raise typer.Exit(found.exit_code)
