"""How ``ckptread inspect --stats`` shows a listing: statistics of every tensor's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ckptread.operations.documents import TensorDocument, tensor_fields
from ckptread.operations.inspect.report import (
    NAME_TITLES,
    ListingDocument,
    ListingReport,
    has_one_dtype,
    listing_fields,
    name_cells,
)
from ckptread.operations.show.report import StatisticsDocument, statistics_document
from ckptread.reports.cells import dtype_text, name_text, shape_text
from ckptread.reports.report import Block, Cell, Line, Table
from ckptread.reports.table import without
from ckptread.wording import plural, short

if TYPE_CHECKING:
    from ckptread.operations.each_tensor import TensorResult
    from ckptread.values.running_statistics import Statistics

TITLES = (">min", ">max", ">mean", ">std", ">L2", ">zeros", ">NaN", ">Inf")


OPTIONAL = ("dtype", "shape")
"""Columns that make room for names, the first one first."""


class TensorStatisticsDocument(TensorDocument, kw_only=True):
    """One tensor of a listing, with statistics of its values."""

    statistics: StatisticsDocument | None
    """null if it could not be read: then ``problem`` says why."""


class InspectStatsDocument(ListingDocument, kw_only=True):
    """``ckptread inspect --stats --format json``."""

    tensors: list[TensorStatisticsDocument]


class StatisticsReport(ListingReport):
    """A row of statistics per tensor, and a verdict on what is not an ordinary number."""

    def document(self) -> InspectStatsDocument:
        """Return the listing, with statistics."""
        tensors = [_tensor(result) for result in self._results()]
        return InspectStatsDocument(**listing_fields(self._found), tensors=tensors)

    def lines(self) -> Iterator[Block]:
        """Yield the heading, a row per tensor, what they add up to, and the verdict."""
        yield from super().lines()
        yield Line(_verdict(self._results()))

    def _results(self) -> Sequence[TensorResult[Statistics]]:
        known = self._found.statistics or {}
        return [known[tensor.key] for tensor in self._found.tensors]

    def _shown(self) -> Sequence[TensorResult[Statistics]]:
        """Return the results of the rows that the table shows, and of copies that differ from their original."""
        known, rows = self._found.statistics or {}, {tensor.key for tensor in self._found.rows}
        return [known[key] for key in known if key in rows or _differs(known[key])]

    def _table(self, *, exact: bool) -> Table:
        view = self._found.view
        if exact:
            rows = [[*name_cells(each.tensor, view.names), *_exact_row(each)] for each in self._results()]
            return Table([*NAME_TITLES[view.names], "dtype", "shape", *TITLES, "problem"], rows)
        rows = [[self._labels.cell(each.tensor), *_short_row(each)] for each in self._shown()]
        table = _short(Table(["name", "dtype", "shape", *TITLES, "problem"], rows, OPTIONAL))
        return without(table, "dtype") if has_one_dtype(self._found.rows) else table


def _tensor(result: TensorResult[Statistics]) -> TensorStatisticsDocument:
    statistics = None if result.value is None else statistics_document(result.value)
    fields = {**tensor_fields(result.tensor), "problem": result.problem or None}
    return TensorStatisticsDocument(**fields, statistics=statistics)


def _exact_row(result: TensorResult[Statistics]) -> list[str]:
    return [dtype_text(result.tensor.dtype_name), shape_text(result.tensor.shape), *_exact_cells(result)]


def _short_row(result: TensorResult[Statistics]) -> list[str]:
    return [dtype_text(result.tensor.dtype_name), shape_text(result.tensor.shape), *_short_cells(result)]


def _exact_cells(result: TensorResult[Statistics]) -> list[str]:
    found = result.value
    if found is None:
        return [*[""] * len(TITLES), name_text(result.problem)]
    values = (found.minimum, found.maximum, found.mean, found.std, found.l2)
    counts = (found.zeros, found.nans, found.infs)
    return [*("" if value is None else repr(value) for value in (*values, *counts)), _unjudged(found)]


def _short_cells(result: TensorResult[Statistics]) -> list[str]:
    found = result.value
    if found is None:
        return _exact_cells(result)
    values = (found.minimum, found.maximum, found.mean, found.std, found.l2)
    return [*map(_digits, values), _count(found.zeros), _wrong(found.nans), _wrong(found.infs), _note(result)]


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _wrong(count: int | None) -> str:
    """Return a number of values that should not be there."""
    return Cell(_count(count), "nan") if count else _count(count)


def _note(result: TensorResult[Statistics]) -> str:
    tensor = result.tensor
    if _differs(result) and tensor.copy_of is not None:
        return f"differs from {short(tensor.copy_of)}"
    if tensor.repeats is not None:
        return f"same as {short(tensor.repeats)}"
    return "" if result.value is None else _unjudged(result.value)


def _differs(result: TensorResult[Statistics]) -> bool:
    """Whether a copy is not the same as its original: then it is called by its key."""
    tensor = result.tensor
    return tensor.alias_of is None and tensor.variable is None and tensor.copy_of is not None


def _unjudged(found: Statistics) -> str:
    return f"{found.unjudged} cannot be judged" if found.unjudged else ""


def _digits(value: float | None) -> str:
    """Return a number in few digits; a short integer as it is."""
    if value is None:
        return "-"
    if isinstance(value, int) and abs(value) < 10**6:
        return f"{value:,}"
    digits = f"{value:.4g}"
    return f"{value:.3g}" if "e" in digits else digits


def _short(table: Table) -> Table:
    """Leave out counts of NaN and Inf that are all zero, and a column of problems that is empty."""
    for title in (">NaN", ">Inf", "problem"):
        at = list(table.titles).index(title)
        if all(row[at] in {"", "0", "-"} for row in table.rows):
            table = without(table, title)
    return table


def _is_repeated(result: TensorResult[Statistics], original: TensorResult[Statistics] | None) -> bool:
    """Whether a result is that of another tensor: then the values were the same, and read once."""
    return original is not None and original.value is result.value and original.problem == result.problem


def _verdict(results: Sequence[TensorResult[Statistics]]) -> str:
    """Return one line on what is not an ordinary number; another name for the same values does not count."""
    by_key = {result.tensor.key: result for result in results}
    own = [result for result in results if not _is_repeated(result, by_key.get(result.tensor.repeats or ""))]
    known = [result.value for result in own if result.value is not None]
    counts = {"NaN": sum(bool(found.nans) for found in known), "Inf": sum(bool(found.infs) for found in known)}
    found = [f"{word} in {plural(count, 'tensor')}" for word, count in counts.items() if count]
    unread = len(own) - len(known)
    unjudged = sum(bool(found.unjudged) for found in known)
    judged = len(known) - unjudged
    none = f"no NaN and no Inf in {plural(judged, 'tensor')}" if judged or not (unjudged or unread) else ""
    parts = [", ".join(found) or none]
    parts += [f"{plural(unjudged, 'tensor')} could not be judged"] if unjudged else []
    parts += [f"{plural(unread, 'tensor')} could not be read"] if unread else []
    return "; ".join(filter(None, parts))
