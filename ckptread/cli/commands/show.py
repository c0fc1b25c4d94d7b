"""``ckptread show``: all about one tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ckptread
from ckptread.cli import documents, render
from ckptread.cli.parse.options import Backend, Checkpoint, Name, PageFormat, Slice, UseBackend, UsePage
from ckptread.cli.parse.slice import parse_slice
from ckptread.cli.views.show import bars, first_values, tensor_facts, value_list
from ckptread.operations.verify.coverage import around
from ckptread.values.statistics import histogram, statistics

if TYPE_CHECKING:
    from ckptread.reader import Reader, Tensor

FIRST = 8
"""How many values are shown."""


def show_command(
    path: Checkpoint,
    name: Name,
    part: Slice = None,
    layout: UsePage = PageFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Show all about one tensor.

    Where its bytes lie, figures of its values, a histogram, its first values; or a slice.
    """
    selection = parse_slice(part)
    with ckptread.open(path, backend=backend.value) as reader:
        tensor = reader[name]
        if part is not None:
            _show_slice(tensor, selection, layout)
        else:
            _show_all(reader, tensor, layout)


def _show_slice(tensor: Tensor, selection: tuple[object, ...], layout: PageFormat) -> None:
    values = tensor[selection]  # type: ignore[index]
    if layout is PageFormat.json:
        render.json_document(
            {"schema": documents.SCHEMA, **documents.tensor(tensor.info), "values": value_list(values)}
        )
    else:
        render.line(first_values(values, whole=True))


def _show_all(reader: Reader, tensor: Tensor, layout: PageFormat) -> None:
    stats = statistics(tensor)
    spread = histogram(tensor, stats)
    first = next(tensor.blocks(FIRST * tensor.dtype.itemsize), None)
    if first is None:  # a tensor without elements
        first = tensor[()]
    if layout is PageFormat.json:
        render.json_document(
            {
                **documents.checkpoint(reader),
                "tensor": documents.tensor(tensor.info),
                "statistics": documents.statistics_document(stats),
                "histogram": documents.histogram_document(spread),
                "first": value_list(first.reshape(-1)),
            }
        )
        return
    for text in [
        *tensor_facts(tensor.info, stats, around(reader, tensor.info)),
        *bars(spread),
        "first values",
        first_values(first, whole=False),
    ]:
        render.line(text)
