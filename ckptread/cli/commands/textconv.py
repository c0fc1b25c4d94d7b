"""``ckptread textconv``: a checkpoint as stable text, for git to compare."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.errors import CheckpointError
from ckptread.operations.digest.digest import digest_tensor
from ckptread.operations.each_tensor import TensorResult, survey
from ckptread.operations.inspect.totals import total
from ckptread.reader import Reader
from ckptread.reports.cells import name_text, number_text, shape_text
from ckptread.select import without_aliases
from ckptread.storage.addresses import kind_of
from ckptread.values.statistics import Statistics, statistics
from ckptread.wording import plural, short

Read = TensorResult[tuple[str, Statistics]]
SAID = ("writer", "model_class", "model_name")
"""What a file says of itself that does not change with every save."""


def textconv_command(
    path: Annotated[str, typer.Argument(metavar="FILE", help="A checkpoint, under whatever name.", show_default=False)],
) -> None:
    """Print a checkpoint as stable text, for git diff and git log -p.

    A damaged file is text that says so, and exit 0: a failure would end the whole git command. docs/git.md has the
    two lines that git needs.
    """
    try:
        with ckptread.open(path) as reader:
            render.lines(_without_path(line, path) for line in _lines(reader))
    except CheckpointError as error:
        if kind_of(path) != "file":
            raise
        said = error.problem + (f"; {error.advice}" if error.advice else "")
        render.line(_without_path(f"cannot be read as a checkpoint: {said}", path))


def _without_path(line: str, path: str) -> str:
    """Git's temporary files have another name each time: what is said of them must not."""
    folder = os.path.dirname(path)
    line = line.replace(name_text(path), "the file")
    return line.replace(name_text(folder) + "/", "") if folder else line


def _lines(reader: Reader) -> Iterator[str]:
    tensors = list(reader.tensors.values())
    counted = total(tensors)
    yield ", ".join([reader.format, *(name_text(reader.metadata[key]) for key in SAID if key in reader.metadata)])
    yield f"{plural(counted.tensors, 'tensor')}, {plural(counted.parameters, 'parameter')}"
    yield from (f"{finding.severity}: {name_text(finding.message)}" for finding in reader.problems)
    own = without_aliases(tensors)
    read = survey(reader, own, lambda tensor: (digest_tensor(tensor), statistics(tensor)))
    keys = {tensor.key for tensor in own}
    for tensor in tensors:
        yield ""
        yield name_text(tensor.name)
        yield from _figures(next(read)) if tensor.key in keys else [f"  same as {short(tensor.alias_of or '')}"]


def _figures(entry: Read) -> Iterator[str]:
    """Yield a tensor's figures, a line for what changes together."""
    yield f"  {name_text(entry.tensor.dtype)} {shape_text(entry.tensor.shape)}"
    if entry.figure is None:
        yield f"  cannot be read: {name_text(entry.problem)}"
        return
    digest, stats = entry.figure
    if stats.l2 is not None:
        values = {"min": stats.minimum, "max": stats.maximum, "mean": stats.mean, "std": stats.std, "L2": stats.l2}
        yield "  " + "  ".join(f"{name} {number_text(value)}" for name, value in values.items() if value is not None)
    yield f"  zeros {stats.zeros}  NaN {stats.nans}  Inf {stats.infs}"
    yield f"  sha256 {digest}"
