"""The arguments and options that commands share, each described once."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

import typer


class Backend(StrEnum):
    """Who reads the values."""

    auto = "auto"
    native = "native"
    tensorflow = "tensorflow"
    h5py = "h5py"


class OutputFormat(StrEnum):
    """How a listing is written."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"
    html = "html"


class PageFormat(StrEnum):
    """How a page that is not a listing is written."""

    table = "table"
    json = "json"
    html = "html"


class ListingOrder(StrEnum):
    """How a listing is sorted."""

    stored = "stored"
    name = "name"
    size = "size"
    nan = "nan"
    std = "std"
    l2 = "l2"


class ListingNames(StrEnum):
    """What tensors are called in a listing."""

    variable = "variable"
    key = "key"
    both = "both"


class UseRole(StrEnum):
    """What a tensor is for."""

    model = "model"
    optimizer = "optimizer"
    ema = "ema"
    metric = "metric"
    bookkeeping = "bookkeeping"


class AnyRole(StrEnum):
    """What a tensor is for, or all of these."""

    model = "model"
    optimizer = "optimizer"
    ema = "ema"
    metric = "metric"
    bookkeeping = "bookkeeping"
    all = "all"


class Grouping(StrEnum):
    """Which tensors are followed together."""

    layer = "layer"
    tensor = "tensor"
    all = "all"


class DigestNames(StrEnum):
    """Which names count in the digest of all tensors."""

    variable = "variable"
    key = "key"


class DiffOrder(StrEnum):
    """How a comparison is sorted."""

    change = "change"
    name = "name"
    stored = "stored"


CHECKPOINT_HELP = (
    "A file, a folder, or the prefix of a TensorFlow checkpoint, or its .index, a .data-… or the 'checkpoint' file."
)
PATTERN_HELP = (
    "A key or variable name, a path (everything below it), or a glob: '*' matches within one part of a name, '**' "
    "across parts."
)
FORMAT_HELP = "Choose the output format; --json is short for --format json."
UNTOLD = "If the file records no roles, all tensors count as the model's."

Checkpoint = Annotated[str, typer.Argument(metavar="CKPT", help=CHECKPOINT_HELP, show_default=False)]
CheckpointOrList = Annotated[str | None, typer.Argument(metavar="[CKPT]", help=CHECKPOINT_HELP, show_default=False)]
Checkpoints = Annotated[list[str], typer.Argument(metavar="CKPT...", help=CHECKPOINT_HELP, show_default=False)]
Runs = Annotated[
    list[str],
    typer.Argument(metavar="CKPT...", help="Checkpoints, or folders: all checkpoints in them.", show_default=False),
]
RunsOrList = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CKPT]...", help="Checkpoints, or folders: all checkpoints in them.", show_default=False),
]
FromList = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="LIST",
        help="Take the checkpoints from a file, one per line ('-' is stdin), and print a JSON line for each.",
        show_default=False,
    ),
]
Resume = Annotated[
    str | None,
    typer.Option("--resume", metavar="OUT", help="With --from: skip checkpoints in OUT.", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", min=1, metavar="N", help="With --from: use N processes.")]
CheckpointA = Annotated[str, typer.Argument(metavar="A", help=CHECKPOINT_HELP, show_default=False)]
CheckpointB = Annotated[str, typer.Argument(metavar="B", help="The checkpoint to compare it with.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="TENSOR", help="A key or variable name.", show_default=False)]
TensorNames = Annotated[list[str], typer.Argument(metavar="TENSOR...", help=PATTERN_HELP, show_default=False)]
Patterns = Annotated[list[str] | None, typer.Argument(metavar="[PATTERN]...", help=PATTERN_HELP, show_default=False)]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Leave these out; can be repeated.")
]
UseBackend = Annotated[
    Backend,
    typer.Option(
        "--backend",
        help="Choose what reads the file; 'tensorflow' needs ckptread[tensorflow].",
    ),
]
UseLayout = Annotated[OutputFormat, typer.Option("--format", help=FORMAT_HELP)]
UsePage = Annotated[PageFormat, typer.Option("--format", help=FORMAT_HELP)]
Slice = Annotated[
    str | None,
    typer.Option(
        "--slice", metavar="SLICE", help="Read only this part, in numpy syntax: '0:10, :'.", show_default=False
    ),
]
Role = Annotated[
    UseRole | None,
    typer.Option("--role", help=f"Select tensors of this role. {UNTOLD}", show_default=False),
]
Trainable = Annotated[
    bool, typer.Option("--trainable", help="Select trainable tensors. Tensors of unknown trainability are left out.")
]
Frozen = Annotated[bool, typer.Option("--frozen", help="Select tensors that are recorded as not trainable.")]
Layers = Annotated[
    bool,
    typer.Option(
        "--layers", help="Print a row per layer and totals, as model.summary() does; with --depth N, layers in layers."
    ),
]
Model = Annotated[
    bool,
    typer.Option(
        "--model",
        help="Print the model's config, its custom classes, and whatever would run code on load. Nothing is run.",
    ),
]
Stats = Annotated[
    bool,
    typer.Option(
        "--stats", help="Read all values, and print min, max, mean, std, L2 norm, zeros, NaN and Inf of each tensor."
    ),
]
RoleOrAll = Annotated[
    AnyRole | None,
    typer.Option("--role", help=f"Select tensors of this role, or all. {UNTOLD}", show_default="model"),
]
RoleToShow = Annotated[
    AnyRole | None,
    typer.Option("--role", help=f"List tensors of this role, or all. {UNTOLD}", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]


def finite(value: float) -> float:
    """Return the number that an option was given. Raises BadParameter for NaN, which equals nothing, and infinity."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value
