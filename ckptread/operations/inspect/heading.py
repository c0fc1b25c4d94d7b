"""What is said above and below a listing, whatever the view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.report import Line
from ckptread.tensors import TensorInfo
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.inspect.inspect import Listing

LONGEST_VALUE = 200
"""A longer piece of metadata is for programs: JSON has it."""
USUAL = {("byteorder", "little"), ("shards", "1"), ("files", "1"), ("backend", "tensorflow")}
"""Metadata that is not worth a word."""
MOST_FINDINGS = 10


def heading(found: Listing) -> Iterator[Line]:
    """Yield what was opened, and what is in it."""
    yield Line(name_text(found.path), "title")
    yield from (Line("  " + about) for about in _described(found))
    counted = found.totals
    some = "" if len(found.tensors) == found.count else f" (of {found.count})"
    aliases = f", {counted.aliases:,} further names" if counted.aliases else ""
    assets = f", {plural(len(found.assets), 'asset')}" if found.assets else ""
    yield Line(
        f"  {plural(counted.tensors, 'tensor')}{some}{aliases}, {plural(counted.parameters, 'parameter')}, "
        f"{bytes_text(counted.nbytes)}{assets}"
    )
    yield Line()


def _described(found: Listing) -> list[str]:
    """Return what the file says of itself, the usual left out, and how it was found."""
    said = {name_text(key): name_text(value) for key, value in found.metadata.items() if len(value) < LONGEST_VALUE}
    opened, writer, model, name = (said.pop(key, "") for key in ("opened", "writer", "model_class", "model_name"))
    first = [found.format if found.backend == "native" else f"{found.format}, read by {found.backend}", writer]
    first += [f'{model} "{name}"' if model and name else model, said.pop("date_saved", "")]
    line = " · ".join(part for part in [*first, *_unusual(said, writer)] if part)
    return [line, opened] if opened else [line]


def _unusual(metadata: Mapping[str, str], writer: str) -> list[str]:
    return [f"{key} {value}" for key, value in metadata.items() if (key, value) not in USUAL and value not in writer]


def problem_notes(found: Listing) -> Iterator[str]:
    """Yield what is wrong with the file, and how much cannot be read."""
    for finding in found.problems[:MOST_FINDINGS]:
        yield f"{finding.severity}: {name_text(finding.message)}"
    if len(found.problems) > MOST_FINDINGS:
        yield f"... and {len(found.problems) - MOST_FINDINGS:,} more: 'ckptread verify' lists them"
    if found.totals.problems:
        yield f"{plural(found.totals.problems, 'tensor')} cannot be read; {_reasons(found.tensors)}"


def _reasons(tensors: Iterable[TensorInfo]) -> str:
    """Say why tensors cannot be read, if there is one reason for all: a row may have no room for it."""
    reasons = {tensor.problem for tensor in tensors if tensor.problem is not None}
    return name_text(reasons.pop()) if len(reasons) == 1 else "the last column says why"
