"""``ckptread show``: all about one tensor."""

from __future__ import annotations

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import Backend, Checkpoint, Name, PageFormat, Slice, UseBackend, UsePage
from ckptread.cli.parse.slice import parse_slice

EXAMPLES = """
ckptread show model.keras head/kernel
ckptread show run/ckpt-1 sequential/dense/kernel --slice '0, :'
"""


def show_command(
    path: Checkpoint,
    name: Name,
    part: Slice = None,
    layout: UsePage = PageFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Show all about one tensor.

    Print where its bytes are, statistics of its values, a histogram and the first values; or a slice.
    """
    selection = None if part is None else parse_slice(part)
    found = ckptread.show(path, name, slice=selection, backend=backend.value)
    render.report(found.report(), layout)
