"""``ckptread inspect --stats``: figures of every tensor's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ckptread.cli import documents, render
from ckptread.cli.parse.options import ListingNames, OutputFormat
from ckptread.operations.each_tensor import TensorResult, survey
from ckptread.operations.inspect.totals import total
from ckptread.reader import Reader
from ckptread.reports.cells import name_text, shape_text
from ckptread.reports.report import Table
from ckptread.reports.table import least_width, without
from ckptread.select import without_aliases
from ckptread.storage.progress import Meter
from ckptread.tensors import TensorInfo
from ckptread.values.statistics import Statistics, statistics
from ckptread.wording import plural, short

FIGURES = [">min", ">max", ">mean", ">std", ">L2", ">zeros", ">NaN", ">Inf"]


def inspect_statistics(
    reader: Reader, tensors: Sequence[TensorInfo], layout: OutputFormat, names: ListingNames
) -> bool:
    """Print the tensors with figures of their values; return whether all could be read."""
    own = without_aliases(tensors)
    with render.Progress() as progress:
        meter = Meter(progress, sum(t.nbytes for t in own))
        read = {entry.tensor.key: entry for entry in survey(reader, own, statistics, meter=meter)}
    found = [_as_first(tensor, read[_first(tensor, read)]) for tensor in tensors]
    if layout is OutputFormat.json:
        render.json_document(_document(reader, found))
    else:
        render.table(_table(found, names, exact=layout is not OutputFormat.table), layout)
        if layout is OutputFormat.table:
            render.line("\n" + _verdict(list(read.values())))
    return all(entry.figure is not None for entry in found)


def _first(tensor: TensorInfo, read: dict[str, TensorResult[Statistics]]) -> str:
    return tensor.key if tensor.key in read or tensor.alias_of is None else tensor.alias_of


def _as_first(tensor: TensorInfo, first: TensorResult[Statistics]) -> TensorResult[Statistics]:
    """A second name has the figures of the first."""
    return TensorResult(tensor, first.figure, first.problem)


def _document(reader: Reader, found: Sequence[TensorResult[Statistics]]) -> dict[str, Any]:
    document = documents.inspection(reader, [], total(entry.tensor for entry in found))
    return {**document, "tensors": [_tensor(entry) for entry in found]}


def _tensor(entry: TensorResult[Statistics]) -> dict[str, Any]:
    figures = None if entry.figure is None else documents.figures(entry.figure)
    return {**documents.tensor(entry.tensor), "problem": entry.problem or None, "statistics": figures}


def _table(found: Sequence[TensorResult[Statistics]], names: ListingNames, *, exact: bool) -> Table:
    """Return a row per tensor; for people in few digits, and without columns that say nothing."""
    rows = [[*render.name_cells(e.tensor, names), *_facts(e), *_row(e, exact=exact)] for e in found]
    whole = Table([*render.NAME_TITLES[names], "dtype", "shape", *FIGURES, "problem"], rows)
    return whole if exact else _short(whole)


def _facts(entry: TensorResult[Statistics]) -> list[str]:
    return [name_text(entry.tensor.dtype), shape_text(entry.tensor.shape)]


def _row(entry: TensorResult[Statistics], *, exact: bool) -> list[str]:
    stats = entry.figure
    if stats is None:
        return [*[""] * len(FIGURES), name_text(entry.problem)]
    values = [stats.minimum, stats.maximum, stats.mean, stats.std, stats.l2]
    counts = [stats.zeros, stats.nans, stats.infs]
    if exact:
        return [*("" if value is None else repr(value) for value in values), *map(str, counts), ""]
    note = f"same as {short(entry.tensor.alias_of)}" if entry.tensor.alias_of else ""
    return [*map(_digits, values), *(f"{count:,}" for count in counts), note]


def _digits(value: float | None) -> str:
    """Return a figure in few digits; an integer as it is, where it is short."""
    if value is None:
        return "-"
    if isinstance(value, int) and abs(value) < 10**6:
        return f"{value:,}"
    digits = f"{value:.4g}"
    return f"{value:.3g}" if "e" in digits else digits


def _short(rows: Table) -> Table:
    """Leave out counts of NaN and Inf where there are none, and a column of problems that is empty.

    On a terminal that is too narrow for the figures, the dtype and the shape give way: a plain listing has them.
    """
    for title in (">NaN", ">Inf", "problem"):
        at = list(rows.titles).index(title)
        if all(row[at] in {"", "0"} for row in rows.rows):
            rows = without(rows, title)
    width = render.terminal_width()
    for title in ("dtype", "shape"):
        if width is not None and least_width(rows) > width:
            rows = without(rows, title)
    return rows


def _verdict(read: Sequence[TensorResult[Statistics]]) -> str:
    """Return one line on what is no ordinary number."""
    known = [entry.figure for entry in read if entry.figure is not None]
    counts = [("NaN", sum(stats.nans > 0 for stats in known)), ("Inf", sum(stats.infs > 0 for stats in known))]
    found = [f"{word} in {plural(count, 'tensor')}" for word, count in counts if count]
    unread = len(read) - len(known)
    rest = f"; {plural(unread, 'tensor')} could not be read" if unread else ""
    return (", ".join(found) or f"no NaN and no Inf in {plural(len(known), 'tensor')}") + rest
