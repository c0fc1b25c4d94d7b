"""A difference as ``ckptread diff --format json`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ckptread.operations.diff.compare_assets import AssetDifference, AssetStatus
from ckptread.operations.diff.diff import Difference
from ckptread.operations.diff.match.pairs import Basis, Certainty
from ckptread.operations.diff.movement import Movement
from ckptread.operations.diff.summary import difference_text, overall_movement
from ckptread.operations.diff.tables import Groups
from ckptread.operations.diff.tensor_difference import Status, TensorDifference
from ckptread.reports.document import Document, Number
from ckptread.tensors import TensorInfo
from ckptread.values.difference import FIGURES


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
    distance: Number | None
    """L2 norm of the difference, over what is finite on both sides."""
    norm: Number | None
    """L2 norm of A's values, over the same."""


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


class MovementDocument(msgspec.Struct, kw_only=True):
    """How far some tensors moved, taken together. Numbers are null where none were compared."""

    tensors: int
    differ: int
    distance: Number | None
    """L2 norm of the difference, over what is finite on both sides."""
    norm: Number | None
    """L2 norm of A's values, over the same."""
    moved: Number | None
    """``distance`` divided by ``norm``."""


class MovedGroupDocument(MovementDocument, kw_only=True):
    """A layer or a path that has a difference; unchanged tensors in it count in ``norm``."""

    name: str
    max_abs: Number | None


class DiffDocument(Document, kw_only=True):
    """``ckptread diff --format json``."""

    a: str
    b: str
    format_a: str
    format_b: str
    writer_a: str | None
    """The program that wrote A, and its version."""
    writer_b: str | None
    verdict: Literal["same", "different"]
    summary: str
    """The verdict in words."""
    overall: MovementDocument
    """How far the model's tensors that changed moved; with --layers or --depth, all of the model's tensors."""
    tolerance: ToleranceDocument
    counts: dict[str, int]
    """How many tensors have each status."""
    layers: list[MovedGroupDocument] | msgspec.UnsetType = msgspec.UNSET
    """With --layers or --depth: the layers or paths that have a difference."""
    assets: list[AssetDifferenceDocument]
    tensors: list[TensorDifferenceDocument]


def diff_document(found: Difference, entries: Sequence[TensorDifference], groups: Groups | None) -> DiffDocument:
    """Return every pair that was compared, in the order of ``entries``, and the groups where they are shown."""
    one, other = found.sides
    return DiffDocument(
        a=found.a,
        b=found.b,
        format_a=one.format,
        format_b=other.format,
        writer_a=one.writer or None,
        writer_b=other.writer or None,
        verdict="same" if found.same else "different",
        summary=difference_text(found),
        overall=MovementDocument(**_movement_fields(overall_movement(found))),
        tolerance=ToleranceDocument(**msgspec.structs.asdict(found.tolerance)),
        counts={str(status): count for status, count in found.counts.items()},
        layers=msgspec.UNSET if groups is None else [_group_document(name, moved) for name, moved, _ in groups],
        assets=list(map(_asset_document, found.assets)),
        tensors=list(map(_document, entries)),
    )


def _movement_fields(moved: Movement) -> dict[str, Any]:
    return {"tensors": moved.tensors, "differ": moved.differ, "distance": moved.distance, "norm": moved.norm,
            "moved": moved.ratio}  # fmt: skip


def _group_document(name: str, moved: Movement) -> MovedGroupDocument:
    return MovedGroupDocument(name=name, max_abs=moved.max_abs, **_movement_fields(moved))


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
        "shape_b": b.shape if b else None, "dtype_a": a.dtype_name if a else None,
        "dtype_b": b.dtype_name if b else None,
    }  # fmt: skip
