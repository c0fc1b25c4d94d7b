"""``ckptread extract``: tensors as .npy and .npz files."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import Backend, Checkpoint, Force, Slice, TensorNames, UseBackend
from ckptread.cli.parse.slice import parse_slice

OUTPUT_HELP = (
    "Write to this .npy file, folder, or .npz file for several tensors; '-' is stdout. A name that ends in '/', or is "
    "an existing folder, is a folder; for several tensors, so is a name without an ending. Default: NAME.npy."
)

EXAMPLES = """
ckptread extract model.keras '**' -o weights.npz    # all, for numpy.load
ckptread extract model.keras 'encoder/**/kernel' -o kernels.npz
ckptread extract model.keras head/kernel -o kernel.npy
ckptread extract model.keras head/kernel --slice ':2' -o - > part.npy
"""


def extract_command(
    path: Checkpoint,
    names: TensorNames,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="PATH", help=OUTPUT_HELP)] = None,
    part: Slice = None,
    dtype: Annotated[str | None, typer.Option("--dtype", help="Convert the values to this numpy dtype.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Keep the bits of what .npy cannot hold (bfloat16).")] = False,
    force: Force = False,
    backend: UseBackend = Backend.auto,
) -> None:
    """Write tensors to .npy or .npz files.

    One tensor goes to a file, several to a folder or one .npz file. The checksum of a complete tensor is verified. Of
    several tensors, those that cannot be written are skipped and named on stderr, and the exit code is 2.
    """
    with render.Progress() as progress:
        found = ckptread.extract(
            path, names, output, slice=None if part is None else parse_slice(part), dtype=dtype, raw=raw, force=force,
            backend=backend.value, progress=progress, each=render.live,
        )  # fmt: skip
    render.notes(found.report())
    raise typer.Exit(2 if found.skipped else 0)
