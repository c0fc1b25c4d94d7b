"""``ckptread extract``: tensors as .npy and .npz files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import Backend, Checkpoint, Force, Slice, TensorNames, UseBackend
from ckptread.cli.parse.slice import parse_slice
from ckptread.cli.parse.target import Target
from ckptread.errors import UsageError
from ckptread.operations.extract.conversion_plan import Conversion
from ckptread.operations.extract.extract import to_file, to_folder, to_npz, to_stream
from ckptread.select import match_tensors
from ckptread.storage.progress import Meter

if TYPE_CHECKING:
    from ckptread.reader import Reader
    from ckptread.slicing import Index
    from ckptread.tensors import TensorInfo

OUTPUT_HELP = (
    "A .npy file, a folder, a .npz file for several, or '-' for stdout; what ends in '/' or is an existing folder is a "
    "folder, and so is any other name but *.npy and *.npz for several tensors. Default: NAME.npy here."
)


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

    One to a file, several to a folder or one .npz. The checksum of a whole tensor is verified. Of several, those
    that cannot be written are skipped, and named on stderr; then the exit code is 2.
    """
    if raw and dtype is not None:
        raise UsageError("--raw keeps the bits and --dtype converts the values: give one of them")
    selection = parse_slice(part)
    with ckptread.open(path, backend=backend.value) as reader:
        tensors = (
            match_tensors(reader.path, reader.tensors, names) if len(names) > 1 else _one_or_more(reader, names[0])
        )
        target = Target.of(output, tensors, sliced=part is not None)
        _write(reader, tensors, target, selection, Conversion(dtype, raw), force)


def _one_or_more(reader: Reader, name: str) -> list[TensorInfo]:
    """A name of one tensor means that one, even where it is also a path above others."""
    try:
        return [reader[name].info]
    except ckptread.TensorNotFoundError:
        return match_tensors(reader.path, reader.tensors, [name])


def _write(
    reader: Reader,
    tensors: list[TensorInfo],
    target: Target,
    selection: tuple[Index, ...],
    conversion: Conversion,
    force: bool,
) -> None:
    if target.kind == "stream":
        note = to_stream(reader[tensors[0].key], sys.stdout.buffer, selection=selection, conversion=conversion)
        render.written([note], quiet=True)
        return
    with render.Progress() as progress:
        meter = Meter(progress, sum(t.nbytes for t in tensors))
        if target.kind == "file":
            tensor = reader[tensors[0].key]
            one = to_file(tensor, target.path, selection=selection, conversion=conversion, force=force, meter=meter)
            render.written([one])
        else:
            write = to_npz if target.kind == "npz" else to_folder
            results = write(
                reader, tensors, target.path, selection=selection, conversion=conversion, force=force, meter=meter
            )
            if render.written(results):
                raise typer.Exit(2)
