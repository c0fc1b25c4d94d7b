"""``ckptread inspect``: what is in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

import ckptread
from ckptread.cli import documents, render
from ckptread.cli.options import (
    Backend,
    Checkpoint,
    Exclude,
    Layout,
    Names,
    Order,
    Patterns,
    Role,
    UseBackend,
    UseLayout,
)
from ckptread.cli.trees import tree_table
from ckptread.select import keep, match
from ckptread.summary import group, total
from ckptread.tensors import TensorInfo


def inspect(
    path: Checkpoint,
    patterns: Patterns = None,
    exclude: Exclude = None,
    tree: Annotated[bool, typer.Option("--tree", help="Show names as a tree.")] = False,
    depth: Annotated[int | None, typer.Option("--depth", min=1, help="Totals per path of N components.")] = None,
    names: Annotated[Names, typer.Option("--names", help="What to call tensors.")] = Names.variable,
    role: Role = None,
    trainable: Annotated[
        bool | None, typer.Option("--trainable/--frozen", help="Only these.", show_default=False)
    ] = None,
    sort: Annotated[Order, typer.Option("--sort", help="The order of the rows.")] = Order.stored,
    layout: UseLayout = Layout.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """List a checkpoint's tensors.

    Of each its name, dtype, shape, parameters and bytes. No value is read.
    """
    with ckptread.open(path, backend=backend.value) as reader:
        matching = match(reader.path, reader.tensors, patterns or (), exclude or ())
        tensors = ordered(keep(matching, role, trainable), sort)
        counted = total(tensors)
        if layout is Layout.json and depth is not None:
            render.json_document(documents.groups(reader, group(tensors, depth, by_key=names is Names.key), counted))
        elif layout is Layout.json:
            render.json_document(documents.inspection(reader, tensors, counted))
        else:
            if layout is Layout.table:
                render.heading(
                    reader, counted, shown=len(reader.tensors) if len(tensors) < len(reader.tensors) else None
                )
            exact = layout is not Layout.table
            if tree:
                render.table(tree_table(tensors, by_key=names is Names.key, depth=depth), layout)
            elif depth is not None:
                render.table(render.group_table(group(tensors, depth, by_key=names is Names.key), exact=exact), layout)
            else:
                render.table(render.tensor_table(tensors, names.value, exact=exact), layout)
        render.problems(reader, counted)
        if trainable is not None:
            render.unknown(keep(matching, role))


def ordered(tensors: Sequence[TensorInfo], sort: Order) -> list[TensorInfo]:
    """Return the tensors in the order that was asked for; the largest first, by size."""
    if sort is Order.size:
        return sorted(tensors, key=lambda t: -t.nbytes)
    return sorted(tensors, key=lambda t: t.name) if sort is Order.name else list(tensors)
