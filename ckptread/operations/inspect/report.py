"""How ``ckptread inspect`` shows a listing: a row per tensor, a tree of names, or totals per path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.operations.documents import (
    CheckpointDocument,
    FindingDocument,
    TensorDocument,
    finding_documents,
    tensor_fields,
)
from ckptread.operations.inspect.heading import heading, problem_notes
from ckptread.operations.inspect.totals import group
from ckptread.reports.cells import bytes_text, dtype_text, name_text, shape_text
from ckptread.reports.report import Block, Line, Report, Table
from ckptread.tensors import TensorInfo, element_count
from ckptread.wording import cut

if TYPE_CHECKING:
    from ckptread.operations.inspect.inspect import Listing, Names
    from ckptread.operations.inspect.totals import PathTotals, Totals

NAME_TITLES = {"key": ["key"], "variable": ["name"], "both": ["name", "key"]}
FLAGS = {True: "yes", False: "no", None: ""}


class TotalsDocument(msgspec.Struct, kw_only=True):
    """The totals of a listing."""

    tensors: int
    aliases: int
    """Second names of tensors."""
    parameters: int
    nbytes: int
    problems: int
    """Tensors that cannot be read."""


class AssetDocument(msgspec.Struct, kw_only=True):
    """A file that the model needs besides its tensors, such as a vocabulary."""

    name: str
    nbytes: int | None
    problem: str | None
    """Why it cannot be read."""


class ListingDocument(CheckpointDocument, kw_only=True):
    """What a listing says before its tensors."""

    totals: TotalsDocument
    assets: list[AssetDocument]
    problems: list[FindingDocument]


class InspectDocument(ListingDocument, kw_only=True):
    """``ckptread inspect --format json``."""

    tensors: list[TensorDocument]


class PathTotalsDocument(msgspec.Struct, kw_only=True):
    """The totals of the tensors below a path."""

    path: str
    tensors: int
    parameters: int
    nbytes: int


class InspectDepthDocument(CheckpointDocument, kw_only=True):
    """``ckptread inspect --depth N --format json``."""

    totals: TotalsDocument
    groups: list[PathTotalsDocument]


def listing_report(found: Listing) -> Report:
    """Return the report of the view that was asked for."""
    view = found.view
    if view.layers or view.model:
        from ckptread.operations.inspect.layers_report import ModelReport

        return ModelReport(found)
    if found.statistics is not None:
        from ckptread.operations.inspect.statistics_report import StatisticsReport

        return StatisticsReport(found)
    return TreeReport(found) if view.tree else ListingReport(found) if view.depth is None else PathReport(found)


class ListingReport(Report):
    """A row per tensor. The other views have its heading and its notes."""

    def __init__(self, found: Listing) -> None:
        self._found = found

    def document(self) -> msgspec.Struct:
        """Return the listing."""
        found = self._found
        tensors = [TensorDocument(**tensor_fields(info)) for info in found.tensors]
        return InspectDocument(**listing_fields(found), tensors=tensors)

    def tables(self) -> list[Table]:
        """Return a row per tensor, and one per asset, if there are any."""
        return [self._table(exact=True), *_asset_tables(self._found, str)]

    def flat_tables(self) -> list[Table]:
        """Return a row per tensor alone."""
        return [self._table(exact=True)]

    def lines(self) -> Iterator[Block]:
        """Yield the heading, a row per tensor, and one per asset."""
        yield from heading(self._found)
        yield self._table(exact=False)
        for table in _asset_tables(self._found, bytes_text):
            yield from (Line(), table)

    def notes(self) -> Iterator[str]:
        """Yield what is wrong with the file, and what it does not record."""
        yield from problem_notes(self._found)
        yield from self._found.notes

    def _table(self, *, exact: bool) -> Table:
        return tensor_table(self._found.tensors, self._found.view.names, exact=exact)


class TreeReport(ListingReport):
    """The names as a tree, with the totals of every branch."""

    def _table(self, *, exact: bool) -> Table:
        from ckptread.operations.inspect.tree import tree_table

        view = self._found.view
        return tree_table(
            self._found.tensors, by_key=view.names == "key", depth=view.depth, exact=exact, mark=view.mark
        )


class PathReport(ListingReport):
    """Totals per path of so many components."""

    def document(self) -> InspectDepthDocument:
        """Return the totals, and those of each path."""
        groups = [PathTotalsDocument(**msgspec.structs.asdict(each)) for each in self._groups()]
        fields = checkpoint_of(self._found)
        return InspectDepthDocument(**fields, totals=totals_document(self._found.totals), groups=groups)

    def _groups(self) -> list[PathTotals]:
        view = self._found.view
        return group(self._found.tensors, view.depth or 1, by_key=view.names == "key", mark=view.mark)

    def _table(self, *, exact: bool) -> Table:
        count, size = (str, str) if exact else ("{:,}".format, bytes_text)
        rows = [
            [name_text(each.path), str(each.tensors), count(each.parameters), size(each.nbytes)]
            for each in self._groups()
        ]
        return Table(["path", ">tensors", ">parameters", ">bytes"], rows)


def checkpoint_of(found: Listing) -> dict[str, Any]:
    """Return the fields of a CheckpointDocument."""
    return {
        "path": found.path, "format": found.format, "backend": found.backend, "metadata": dict(found.metadata)
    }  # fmt: skip


def listing_fields(found: Listing) -> dict[str, Any]:
    """Return the fields of a ListingDocument."""
    assets = [AssetDocument(name=each.name, nbytes=each.nbytes, problem=each.problem or None) for each in found.assets]
    problems = finding_documents(found.problems)
    return {**checkpoint_of(found), "totals": totals_document(found.totals), "assets": assets, "problems": problems}


def _asset_tables(found: Listing, size: Callable[[int], str]) -> list[Table]:
    """Return a row per asset, without an empty column; no table if there is none."""
    rows = [
        [name_text(each.name), "" if each.nbytes is None else size(each.nbytes), name_text(each.problem)]
        for each in found.assets
    ]
    return [_without_empty(Table(["asset", ">bytes", "problem"], rows), keep=2)] if rows else []


def totals_document(counted: Totals) -> TotalsDocument:
    """Return the totals of a listing."""
    return TotalsDocument(**msgspec.structs.asdict(counted))


def tensor_table(tensors: Sequence[TensorInfo], names: Names, *, exact: bool) -> Table:
    """Return a row per tensor; ``exact`` gives sizes in bytes. Columns at the end that are empty are left out."""
    titles = NAME_TITLES[names]
    facts = (_facts(t.dtype, t.shape, t.nbytes, t.trainable, _remark(t), exact) for t in tensors)
    rows = [[*name_cells(t, names), *known] for t, known in zip(tensors, facts, strict=True)]
    table = Table([*titles, "dtype", "shape", ">parameters", ">bytes", "trainable", "problem"], rows)
    return _without_empty(table, keep=len(titles) + 4)


def name_cells(tensor: TensorInfo, names: Names) -> list[str]:
    """Return what a tensor is called, in the columns of NAME_TITLES."""
    if names == "variable":
        return [name_text(tensor.name)]
    return [name_text(tensor.key)] if names == "key" else [name_text(tensor.name), name_text(tensor.key)]


def _remark(tensor: TensorInfo) -> str:
    if tensor.problem is not None or tensor.repeats is None:
        return tensor.problem or ""
    return f"same as {cut(tensor.alias_of)}" if tensor.alias_of is not None else f"copy of {cut(tensor.repeats)}"


@lru_cache(maxsize=4096)
def _facts(
    dtype: str, shape: tuple[int, ...] | None, nbytes: int, trainable: bool | None, remark: str, exact: bool
) -> list[str]:
    """Return the cells that thousands of tensors have alike."""
    count = 0 if shape is None else element_count(shape)
    sizes = [str(count), str(nbytes)] if exact else [f"{count:,}", bytes_text(nbytes)]
    return [dtype_text(dtype), shape_text(shape), *sizes, FLAGS[trainable], name_text(remark)]


def _without_empty(table: Table, keep: int) -> Table:
    """Leave out the columns behind the first ``keep`` that are empty in every row."""
    rows = list(table.rows)
    kept = [at for at in range(len(table.titles)) if at < keep or any(row[at] for row in rows)]
    columns = itemgetter(*kept)
    return Table(columns(table.titles), list(map(columns, rows)))
