"""``ckptread inspect``: what is in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

import ckptread
from ckptread.cli import documents, render
from ckptread.cli.parse.combinations import INSPECT, either, refuse
from ckptread.cli.parse.options import (
    Backend,
    Checkpoint,
    Exclude,
    Frozen,
    Layers,
    ListingNames,
    ListingOrder,
    Model,
    OutputFormat,
    Patterns,
    Role,
    Stats,
    Trainable,
    UseBackend,
    UseLayout,
)
from ckptread.cli.views.inspect_tree import tree_table
from ckptread.operations.inspect.totals import Totals, group, total
from ckptread.select import filter_tensors, match_tensors
from ckptread.tensors import TensorInfo


def inspect_command(
    path: Checkpoint,
    patterns: Patterns = None,
    exclude: Exclude = None,
    tree: Annotated[bool, typer.Option("--tree", help="Show names as a tree.")] = False,
    depth: Annotated[int | None, typer.Option("--depth", min=1, help="Totals per path of N components.")] = None,
    layers: Layers = False,
    model: Model = False,
    stats: Stats = False,
    names: Annotated[ListingNames, typer.Option("--names", help="What to call tensors.")] = ListingNames.variable,
    role: Role = None,
    trainable: Trainable = False,
    frozen: Frozen = False,
    sort: Annotated[ListingOrder, typer.Option("--sort", help="The order of the rows.")] = ListingOrder.stored,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """List a checkpoint's tensors.

    Of each its name, dtype, shape, parameters and bytes. No value is read, but for --stats.
    """
    refuse(INSPECT, {
        "--stats": stats, "--tree": tree, "--layers": layers, "--model": model and not layers,
        "--depth": depth, "--sort": sort is not ListingOrder.stored, "--names": names is ListingNames.key,
        "--names both": names is ListingNames.both, "--trainable": trainable, "--frozen": frozen, "--role": role,
        "PATTERN": patterns, "--exclude": exclude, "--format json": layout is OutputFormat.json,
    })  # fmt: skip
    only = either(trainable, frozen)
    with ckptread.open(path, backend=backend.value) as reader:
        matching = match_tensors(reader.path, reader.tensors, patterns or (), exclude or ())
        tensors = sort_tensors(filter_tensors(reader.tensors, matching, role, only), sort)
        counted = total(tensors)
        if layout is OutputFormat.table:
            render.heading(reader, counted, shown=len(reader.tensors) if len(tensors) < len(reader.tensors) else None)
        readable = True
        if layers or model:
            from ckptread.cli.views.inspect_model import inspect_model

            few = tensors if len(tensors) < len(reader.tensors) else None
            inspect_model(reader, few, depth or 1, layout, facts=model, layers=layers)
        elif stats:
            from ckptread.cli.views.inspect_stats import inspect_statistics

            readable = inspect_statistics(reader, tensors, layout, names)
        else:
            _list(reader, tensors, counted, layout, names, tree=tree, depth=depth)
        render.problems(reader, counted)
        render.untold([reader], filter_tensors(reader.tensors, matching, role), role, only)
    raise typer.Exit(0 if readable else 2)


def _list(
    reader: ckptread.Reader,
    tensors: Sequence[TensorInfo],
    counted: Totals,
    layout: OutputFormat,
    names: ListingNames,
    *,
    tree: bool,
    depth: int | None,
) -> None:
    """Print the tensors, as a tree or in groups where that was asked for."""
    exact, by_key = layout is not OutputFormat.table, names is ListingNames.key
    groups = group(tensors, depth, by_key=by_key) if depth is not None else []
    if layout is OutputFormat.json:
        document = documents.inspection(reader, tensors, counted)
        render.json_document(document if depth is None else documents.groups(reader, groups, counted))
    elif tree:
        render.table(tree_table(tensors, by_key=by_key, depth=depth, exact=exact), layout)
    elif depth is not None:
        render.table(render.group_table(groups, exact=exact), layout)
    else:
        render.table(render.tensor_table(tensors, names.value, exact=exact), layout)


def sort_tensors(tensors: Sequence[TensorInfo], sort: ListingOrder) -> list[TensorInfo]:
    """Return the tensors in the order that was asked for; the largest first, by size."""
    if sort is ListingOrder.size:
        return sorted(tensors, key=lambda t: -t.nbytes)
    return sorted(tensors, key=lambda t: t.name) if sort is ListingOrder.name else list(tensors)
