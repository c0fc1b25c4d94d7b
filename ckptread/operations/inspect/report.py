"""How ``ckptread inspect`` shows a listing: a row per tensor, a tree of names, or totals per path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
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
from ckptread.operations.inspect.grouping import group_labels
from ckptread.operations.inspect.heading import heading, problem_notes, scalar_text, totals
from ckptread.operations.inspect.labels import Labels
from ckptread.operations.inspect.totals import group
from ckptread.reports.cells import bytes_text, dtype_text, name_text, shape_text
from ckptread.reports.report import Block, Cell, Line, Report, Table
from ckptread.reports.table import without, without_empty
from ckptread.tensors import TensorInfo, element_count
from ckptread.wording import cut

if TYPE_CHECKING:
    from ckptread.operations.inspect.inspect import Listing, Names
    from ckptread.operations.inspect.totals import PathTotals, Totals

NAME_TITLES = {"key": ["key"], "variable": ["name"], "both": ["name", "key"]}
FACT_TITLES = ("dtype", "shape", ">parameters", ">bytes", "trainable", "problem")
OPTIONAL = ("bytes", "parameters", "dtype", "trainable")
"""Columns that make room for names, the first one first."""
FLAGS = {True: "yes", False: Cell("no", "frozen"), None: ""}


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
    if view.tree:
        return TreeReport(found)
    return PathReport(found) if view.depth is not None or view.group or view.collapse else ListingReport(found)


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
        """Yield the heading, the rows, the assets, and what the tensors add up to."""
        yield from heading(self._found, self._shared())
        yield self._table(exact=False) if self._found.rows else Line("no tensor is of this kind")
        for table in _asset_tables(self._found, bytes_text):
            yield from (Line(), table)
        yield from totals(self._found)

    def notes(self) -> Iterator[str]:
        """Yield what is wrong with the file, and what it does not record."""
        yield from problem_notes(self._found)
        yield from self._found.notes

    @cached_property
    def _labels(self) -> Labels:
        found = self._found
        return Labels(found.checkpoint, found.rows, found.view.mark, by_key=found.view.names == "key")

    def _shared(self) -> list[str]:
        """Return what all rows have in common, in words: then it is said once."""
        return self._dtype() + ([f"names begin with {name_text(self._labels.prefix)}"] if self._labels.prefix else [])

    def _dtype(self) -> list[str]:
        return [f"all {dtype_text(self._found.rows[0].dtype_name)}"] if has_one_dtype(self._found.rows) else []

    def _table(self, *, exact: bool) -> Table:
        found = self._found
        return tensor_table(found.tensors, found.view.names) if exact else shown_table(found, self._labels)


class TreeReport(ListingReport):
    """The names as a tree, with the totals of every branch."""

    def _shared(self) -> list[str]:
        return self._dtype()

    def _table(self, *, exact: bool) -> Table:
        from ckptread.operations.inspect.tree import tree_table

        view, tensors = self._found.view, self._found.tensors if exact else self._found.rows
        table = tree_table(tensors, by_key=view.names == "key", depth=view.depth, exact=exact, mark=view.mark)
        return without(table, "dtype") if self._dtype() and not exact else table


class PathReport(ListingReport):
    """Totals per path of so many components, or per group of names."""

    def _shared(self) -> list[str]:
        return []

    def document(self) -> InspectDepthDocument:
        """Return the totals, and those of each path."""
        groups = [PathTotalsDocument(**msgspec.structs.asdict(each)) for each in self._groups(self._found.tensors)]
        fields = checkpoint_of(self._found)
        return InspectDepthDocument(**fields, totals=totals_document(self._found.totals), groups=groups)

    def _groups(self, tensors: Sequence[TensorInfo]) -> list[PathTotals]:
        view = self._found.view
        label = group_labels(view.group, view.depth, view.collapse, view.mark)
        return group(tensors, label, by_key=view.names == "key")

    def _table(self, *, exact: bool) -> Table:
        count, size = (str, str) if exact else ("{:,}".format, bytes_text)
        rows = [
            [name_text(each.path), str(each.tensors), count(each.parameters), size(each.nbytes)]
            for each in self._groups(self._found.tensors if exact else self._found.rows)
        ]
        return Table(["path", ">tensors", ">parameters", ">bytes"], rows, ("bytes", "parameters"))


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
    return [without_empty(Table(["asset", ">bytes", "problem"], rows), keep=2)] if rows else []


def totals_document(counted: Totals) -> TotalsDocument:
    """Return the totals of a listing."""
    return TotalsDocument(**msgspec.structs.asdict(counted))


def tensor_table(tensors: Sequence[TensorInfo], names: Names) -> Table:
    """Return a row per tensor for programs: exact numbers and full names."""
    titles = NAME_TITLES[names]
    rows = [
        [*name_cells(t, names), *_fact_cells(t.dtype_name, t.shape, t.nbytes, t.trainable, _remark(t), True)]
        for t in tensors
    ]
    return without_empty(Table([*titles, *FACT_TITLES], rows), keep=len(titles) + 4)


def has_one_dtype(tensors: Sequence[TensorInfo]) -> bool:
    """Whether several tensors have one dtype."""
    return len(tensors) > 1 and len({tensor.dtype_name for tensor in tensors}) == 1


def shown_table(found: Listing, labels: Labels) -> Table:
    """Return a row per tensor that is shown, for people, without what the heading says and without empty columns."""
    facts = [_shown_facts(tensor, found) for tensor in found.rows]
    empty = {at for at in (4, 5) if not any(row[at] for row in facts)} | ({0} if has_one_dtype(found.rows) else set())
    kept = [at for at in range(len(FACT_TITLES)) if at not in empty]
    pick = itemgetter(*kept)
    titles = ["key" if found.view.names == "key" else "name", *pick(FACT_TITLES)]
    rows = [[labels.cell(tensor), *pick(row)] for tensor, row in zip(found.rows, facts, strict=True)]
    if found.view.names == "both":
        titles.append("key")
        rows = [[*row, name_text(tensor.key)] for tensor, row in zip(found.rows, rows, strict=True)]
    return Table(titles, rows, OPTIONAL)


def _shown_facts(tensor: TensorInfo, found: Listing) -> list[str]:
    remark = _remark(tensor) if tensor.problem or tensor.alias_of or tensor.copy_of else ""
    facts = _fact_cells(tensor.dtype_name, tensor.shape, tensor.nbytes, tensor.trainable, remark, False)
    if tensor.key not in found.values:
        return facts
    dtype, shape, *rest = facts
    return [dtype, f"{shape} = {scalar_text(found.values[tensor.key])}", *rest]


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
def _fact_cells(
    dtype: str, shape: tuple[int, ...] | None, nbytes: int, trainable: bool | None, remark: str, exact: bool
) -> list[str]:
    """Return the cells that thousands of tensors have alike."""
    count = 0 if shape is None else element_count(shape)
    sizes = [str(count), str(nbytes)] if exact else [f"{count:,}", bytes_text(nbytes)]
    return [dtype_text(dtype), shape_text(shape), *sizes, FLAGS[trainable], name_text(remark)]
