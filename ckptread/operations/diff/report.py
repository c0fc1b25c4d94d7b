"""How ``ckptread diff`` shows a difference."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import msgspec

from ckptread.operations.diff.compare_assets import AssetDifference, AssetStatus
from ckptread.operations.diff.diff import Difference, DiffSort
from ckptread.operations.diff.match.pairs import Basis, Certainty
from ckptread.operations.diff.summary import difference_text, unchanged_text
from ckptread.operations.diff.tables import difference_table, full_table, layer_table, sort_differences
from ckptread.operations.diff.tensor_difference import Status, TensorDifference
from ckptread.reports.cells import name_text
from ckptread.reports.document import Document, Number
from ckptread.reports.report import Block, Line, Report, Table
from ckptread.tensors import TensorInfo
from ckptread.values.difference import FIGURES

SHOWN = 10
"""Unreadable tensors that are named on stderr."""


class ToleranceDocument(msgspec.Struct, kw_only=True):
    """What counts as the same: |a - b| <= atol + rtol * |b|."""

    rtol: Number
    atol: Number
    nan_equal: bool


class TensorDifferenceDocument(msgspec.Struct, kw_only=True):
    """One tensor of A, one of B, or a pair. Numbers are null where values were not compared, or are all the same."""

    a: str | None
    """The key in A."""
    b: str | None
    """The key in B."""
    variable: str | None
    status: Status
    differs: bool
    reason: str | None
    matched_by: Basis | None
    certainty: Certainty | None
    """How sure a pair by content or shape is."""
    reshape: tuple[int, ...] | None
    """B is ``a.reshape(reshape).transpose(axes).reshape(b.shape)``; null for no change."""
    axes: tuple[int, ...] | None
    suspect: bool
    """Whether it was probably transposed by mistake."""
    shape_a: tuple[int, ...] | None
    shape_b: tuple[int, ...] | None
    dtype_a: str | None
    dtype_b: str | None
    count: int | None
    """Elements that were compared."""
    changed: int | None
    beyond: int | None
    """Elements that changed beyond the tolerance."""
    max_abs: Number | None
    max_rel: Number | None
    mean_abs: Number | None
    relative_l2: Number | None
    cosine: Number | None
    nans_a: int | None
    nans_b: int | None
    infs_a: int | None
    infs_b: int | None
    signed_zeros: int | None
    """Zeros that changed their sign."""


class AssetDifferenceDocument(msgspec.Struct, kw_only=True):
    """One asset of A, one of B, or a pair."""

    a: str | None
    """The name in A."""
    b: str | None
    """The name in B."""
    status: AssetStatus
    differs: bool
    reason: str | None
    """Why one of them could not be read."""
    nbytes_a: int | None
    nbytes_b: int | None
    sha256_a: str | None
    sha256_b: str | None


class DiffDocument(Document, kw_only=True):
    """``ckptread diff --format json``."""

    a: str
    b: str
    verdict: Literal["same", "different"]
    summary: str
    """The verdict in words."""
    tolerance: ToleranceDocument
    counts: dict[str, int]
    """How many tensors have each status."""
    assets: list[AssetDifferenceDocument]
    tensors: list[TensorDifferenceDocument]


class DiffReport(Report):
    """A row per tensor or layer that differs, how many do not, and the verdict."""

    def __init__(self, found: Difference, *, sort: DiffSort, layers: bool, brief: bool) -> None:
        self._found = found
        self._sort = sort
        self._layers = layers
        self._brief = brief

    def document(self) -> DiffDocument:
        """Return every pair that was compared."""
        found = self._found
        return DiffDocument(
            a=found.a,
            b=found.b,
            verdict="same" if found.same else "different",
            summary=difference_text(found),
            tolerance=ToleranceDocument(**msgspec.structs.asdict(found.tolerance)),
            counts={str(status): count for status, count in found.counts.items()},
            assets=[_asset_document(asset) for asset in found.assets],
            tensors=[_document(entry) for entry in sort_differences(found.tensors, self._sort)],
        )

    def tables(self) -> list[Table]:
        """Return a row per tensor or asset that differs with every statistic, or a row per layer."""
        found = self._found
        if self._layers:
            return [layer_table(found.tensors, found.asset_differences)]
        return [full_table(sort_differences(found.differences, self._sort), found.asset_differences)]

    def lines(self) -> Iterator[Block]:
        """Yield a table of what differs, a line on what does not, and the verdict."""
        if not self._brief:
            yield from self._overview()
        yield Line(difference_text(self._found), "prose")

    def notes(self) -> Iterator[str]:
        """Yield what the files do not record, and what could not be read."""
        yield from self._found.notes
        entries: tuple[TensorDifference | AssetDifference, ...] = (*self._found.tensors, *self._found.assets)
        for entry in islice((entry for entry in entries if entry.unreadable), SHOWN):
            yield f"{name_text(entry.name)} could not be read: {entry.reason}"

    def _overview(self) -> Iterator[Block]:
        found = self._found
        rows = sort_differences(found.differences, self._sort)
        assets = found.asset_differences
        table = layer_table(found.tensors, assets) if self._layers else difference_table(rows, assets)
        if rows or assets:
            yield table
            yield Line()
        if unchanged := unchanged_text(found):
            yield Line(unchanged)


def _asset_document(entry: AssetDifference) -> AssetDifferenceDocument:
    fields = {
        f"{field}_{side}": None if asset is None else getattr(asset, field)
        for side, asset in (("a", entry.a), ("b", entry.b))
        for field in ("nbytes", "sha256")
    }
    return AssetDifferenceDocument(
        a=entry.a.name if entry.a else None, b=entry.b.name if entry.b else None, status=entry.status,
        differs=entry.differs, reason=entry.reason or None, **fields,
    )  # fmt: skip


def _document(entry: TensorDifference) -> TensorDifferenceDocument:
    arrangement = entry.arrangement
    statistics: dict[str, Any] = msgspec.structs.asdict(entry.change) if entry.change else dict.fromkeys(FIGURES)
    return TensorDifferenceDocument(
        **_sides(entry.a, entry.b),
        variable=entry.name if entry.a or entry.b else None,
        status=entry.status,
        differs=entry.differs,
        reason=entry.reason or None,
        matched_by=entry.by,
        certainty=entry.certainty,
        reshape=arrangement.shape if arrangement else None,
        axes=arrangement.axes if arrangement else None,
        suspect=entry.suspect,
        **statistics,
    )


def _sides(a: TensorInfo | None, b: TensorInfo | None) -> dict[str, Any]:
    return {
        "a": a.key if a else None, "b": b.key if b else None, "shape_a": a.shape if a else None,
        "shape_b": b.shape if b else None, "dtype_a": a.dtype if a else None, "dtype_b": b.dtype if b else None,
    }  # fmt: skip
