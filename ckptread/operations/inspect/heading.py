"""What is said above and below a listing, whatever the view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ckptread.operations.inspect.contents import NO_ROLES, UNKNOWN, Part
from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.report import Line, Table
from ckptread.reports.table import without_empty
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.inspect.inspect import Listing
    from ckptread.operations.inspect.scalars import Scalar

LONGEST_LINE = 78
"""What a terminal of 80 columns has room for. A wider one has the same lines, and so has a pipe."""
LONGEST_VALUE = 200
"""A longer piece of metadata is for programs: JSON has it."""
USUAL = {("byteorder", "little"), ("shards", "1"), ("files", "1"), ("backend", "tensorflow")}
"""Metadata that is not worth a word."""
MOST_FINDINGS = 10
SIGNATURE = "signature "
"""How the metadata of a SavedModel calls each of its signatures."""
MOST_SIGNATURES = 4
MOST_VALUES = 8
"""How many values of scalars a line has."""


def heading(found: Listing, shared: Iterable[str] = ()) -> Iterator[Line]:
    """Yield what was opened, and what is in it; ``shared`` is what all rows below have in common."""
    yield Line(name_text(found.path), "title")
    yield from (Line("  " + about, "prose") for about in _described(found))
    yield from (Line("  " + text) for text in _joined(list(_parts(found))))
    yield from [Line("  " + ", ".join(shared))] if shared else []
    yield Line()


def _joined(parts: list[str]) -> list[str]:
    """Return the parts in a line, or the first in a line of its own if they are too long for one."""
    line = " · ".join(parts)
    return [text for text in ([line] if len(line) <= LONGEST_LINE else [parts[0], " · ".join(parts[1:])]) if text]


def _described(found: Listing) -> list[str]:
    """Return what the file says of itself, the usual left out, and how it was found."""
    said = {name_text(key): name_text(value) for key, value in found.metadata.items() if len(value) < LONGEST_VALUE}
    opened, writer, model, name = (said.pop(key, "") for key in ("opened", "writer", "model_class", "model_name"))
    if "keras_version" in said and not writer:
        writer = f"Keras {said.pop('keras_version')}"
    if found.model is not None and not model:
        model, name = found.model.class_name, name_text(found.model.name or "")
    first = [found.format if found.backend == "native" else f"{found.format}, read by {found.backend}", writer]
    first += [f'{model} "{name}"' if model and name else model, said.pop("date_saved", "")]
    signatures = [f"{key} {said.pop(key)}" for key in list(said) if key.startswith(SIGNATURE)]
    line = " · ".join(part for part in [*first, *_unusual(said, writer)] if part)
    return [line, *([opened] if opened else []), *signatures[:MOST_SIGNATURES]]


def _unusual(metadata: Mapping[str, str], writer: str) -> list[str]:
    return [f"{key} {value}" for key, value in metadata.items() if (key, value) not in USUAL and value not in writer]


def _parts(found: Listing) -> Iterator[str]:
    """Yield the model's parameters, the optimizer's bytes, and how many tensors there are beside them."""
    others = 0
    for part in found.contents:
        if part.role in {"model", NO_ROLES}:
            size = f"{plural(part.parameters, 'parameter')}, {bytes_text(part.nbytes)}{_trainability(part)}"
            yield f"{part.role} {size}".strip()
        elif part.role == "optimizer":
            yield f"{_titled(found, part)} {bytes_text(part.nbytes)}"
        else:
            others += part.tensors
    if others:
        yield plural(others, "other")
    if found.assets:
        yield plural(len(found.assets), "asset")


def _trainability(part: Part) -> str:
    """Return how many parameters are trainable, and how many are not, as far as it is known."""
    if part.trainable == part.parameters:
        return " (all trainable)" if part.parameters else ""
    unknown = part.parameters - part.trainable - part.frozen
    if unknown == part.parameters:
        return ""
    counts = {"trainable": part.trainable, "frozen": part.frozen, "unknown": unknown}
    return " (" + ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) + ")"


def _titled(found: Listing, part: Part) -> str:
    name = found.model.optimizer if found.model and part.role == "optimizer" else None
    return f"{part.role} {name_text(name)}" if name else part.role


def totals(found: Listing) -> Iterator[Line | Table]:
    """Yield what the tensors add up to, with a line for each role that has no rows here."""
    yield Line()
    if len(found.rows) < found.row_count:
        yield Line(f"{len(found.rows):,} of {plural(found.row_count, 'tensor')} shown (--limit)")
        yield Line()
    hidden = 0 if found.view.aliases else found.totals.aliases
    if len(found.parts) == 1 and not hidden:
        [part] = found.parts
        size = f"{plural(part.parameters, 'parameter')}, {bytes_text(part.nbytes)}"
        yield Line(f"{plural(part.tensors, 'tensor')}, {size}")
    elif found.parts:
        yield _totals_table(found, hidden)


def _totals_table(found: Listing, hidden: int) -> Table:
    shown = {tensor.role for tensor in found.rows}
    rows = [
        [_titled(found, part) or "tensors", f"{part.tensors:,}", f"{part.parameters:,}", bytes_text(part.nbytes),
         "" if part.role in {NO_ROLES, UNKNOWN, *shown} else f"--role {part.role}", _values(found, part)]
        for part in found.parts
    ]  # fmt: skip
    hidden_names = [["aliases and copies", f"{hidden:,}", "", "", "--role all", ""]] if hidden else []
    if len(rows) > 1:
        known = found.totals
        rows.append(["total", f"{known.tensors:,}", f"{known.parameters:,}", bytes_text(known.nbytes), "", ""])
    rows += hidden_names
    return without_empty(Table(["totals", ">tensors", ">parameters", ">bytes", "", ""], rows), keep=4)


def _values(found: Listing, part: Part) -> str:
    """Return the values of a role's scalars in words."""
    known = [f"{name_text(tensor.name)} = {scalar_text(found.values[tensor.key])}"
             for tensor in found.matched if tensor.role == part.role and tensor.key in found.values]  # fmt: skip
    return ", ".join(known[:MOST_VALUES]) + (", …" if len(known) > MOST_VALUES else "")


def scalar_text(value: Scalar) -> str:
    """Return a number in at most seven digits, which is what a float32 has."""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def problem_notes(found: Listing) -> Iterator[str]:
    """Yield what is wrong with the file, and how much cannot be read."""
    for finding in found.problems[:MOST_FINDINGS]:
        yield f"{finding.severity}: {name_text(finding.message)}"
    if len(found.problems) > MOST_FINDINGS:
        yield f"... and {len(found.problems) - MOST_FINDINGS:,} more: 'ckptread verify' lists them"
    if found.totals.problems:
        yield f"{plural(found.totals.problems, 'tensor')} cannot be read; {_reasons(found)}"


def _reasons(found: Listing) -> str:
    """Say why tensors cannot be read, if there is one reason for all: a row may have no room for it."""
    reasons = {tensor.problem for tensor in found.tensors if tensor.problem is not None}
    if len(reasons) == 1:
        return name_text(reasons.pop())
    hidden = sum(tensor.problem is not None for tensor in found.rows) < found.totals.problems
    return "--role all shows why" if hidden else "the last column says why"
