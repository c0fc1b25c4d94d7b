"""``ckptread convert``: a checkpoint in another format."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import Backend, Checkpoint, Force, OutputFormat, RoleOrAll, UseBackend, UseLayout

OUTPUT_HELP = "Write this .safetensors or .npz file, or folder/ of .npy files; with --like, a copy of that file."
LIKE_HELP = "A .weights.h5, .h5 or .keras file that Keras wrote: copy it, and put the values into the copy."
RENAME_HELP = "Replace what a regular expression matches in a name; may be repeated."
MAP_HELP = "A mapping of 'ckptread diff --save-map': apply its names, and move axes as it says."
SHARD_HELP = "Split a .safetensors file into files of at most this size (5GB), with an index."

EXAMPLES = """
ckptread convert model.keras -o model.safetensors --role model
ckptread convert run/ckpt-2 -o new.keras --like model.keras --skip
ckptread convert model.h5 -o arrays/ --rename '/=.' --dry-run
"""


class ConvertNames(StrEnum):
    """Which names the new file has."""

    variable = "variable"
    key = "key"


class FloatDtype(StrEnum):
    """What floats are converted to."""

    bfloat16 = "bfloat16"
    float16 = "float16"
    float32 = "float32"
    float64 = "float64"


def convert_command(
    path: Checkpoint,
    output: Annotated[str, typer.Option("-o", "--output", metavar="PATH", help=OUTPUT_HELP)],
    like: Annotated[str | None, typer.Option("--like", metavar="FILE", help=LIKE_HELP, show_default=False)] = None,
    names: Annotated[ConvertNames, typer.Option("--names", help="Which names to write.")] = ConvertNames.variable,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", metavar="PATTERN=TEXT", help=RENAME_HELP, show_default=False)
    ] = None,
    mapping: Annotated[str | None, typer.Option("--map", metavar="FILE", help=MAP_HELP, show_default=False)] = None,
    role: RoleOrAll = None,
    dtype: Annotated[
        FloatDtype | None, typer.Option("--dtype", help="Convert floats to this dtype.", show_default=False)
    ] = None,
    max_shard_size: Annotated[
        str | None, typer.Option("--max-shard-size", metavar="SIZE", help=SHARD_HELP, show_default=False)
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out what cannot be written.")] = False,
    digest: Annotated[bool, typer.Option("--digest", help="Add the checkpoint's digest to the metadata.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show what would be written.")] = False,
    force: Force = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Write a checkpoint in another format.

    Every file is read back and compared before it gets its name.
    Exit 0: written, 1: something cannot be, and nothing is written, 2: trouble.
    """
    with render.Progress() as progress:
        found = ckptread.convert(
            path, output, like=like, names=names.value, rename=rename or (), map=mapping,
            role=role.value if role else None, dtype=dtype.value if dtype else None, max_shard_size=max_shard_size,
            skip=skip, digest=digest, dry_run=dry_run, force=force, backend=backend.value, progress=progress,
        )  # fmt: skip
    render.report(found.report(), layout)
    raise typer.Exit(0 if found else 1)
