"""``ckptread show``: all about one tensor."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.combinations import SHOW, refuse
from ckptread.cli.parse.options import Backend, Checkpoint, Force, Name, PageFormat, Slice, UseBackend, UsePage
from ckptread.cli.parse.slice import parse_slice

EXAMPLES = """
ckptread show model.keras head/kernel                     # in detail
ckptread show model.keras head/kernel --image kernel.png  # as a picture
ckptread show run/ckpt-1 sequential/dense/kernel --slice '0, :'
"""


def show_command(
    path: Checkpoint,
    name: Name,
    part: Slice = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="FILE",
            show_default=False,
            help="Write it as a picture (.png): a grid of filters, or a heat map. Needs ckptread[image].",
        ),
    ] = None,
    force: Force = False,
    layout: UsePage = PageFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Show all about one tensor.

    Print where its bytes are and how they are stored, statistics and quantiles of its values, a histogram, a heat map
    and the first values; or a slice of it, or write a picture.
    """
    refuse(SHOW, {"--slice": part, "--image": image})
    if image is not None:
        saved = ckptread.save_image(path, name, image, force=force, backend=backend.value)
        render.report(saved.report(), layout)
        return
    selection = None if part is None else parse_slice(part)
    found = ckptread.show(path, name, slice=selection, backend=backend.value)
    render.report(found.report(), layout)
