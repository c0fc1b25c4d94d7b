"""Compare one pair of tensors."""

from __future__ import annotations

from typing import Literal

import msgspec

from ckptread.errors import CheckpointError
from ckptread.operations.diff.match.layouts import Arrangement
from ckptread.operations.diff.match.pairs import Basis, Certainty, Pair
from ckptread.operations.diff.quantized import QuantizedNames
from ckptread.reader import Reader, Tensor
from ckptread.tensors import TensorInfo
from ckptread.values.comparison import compare_values
from ckptread.values.difference import Change, Tolerance
from ckptread.values.equality import same_kind
from ckptread.values.numbers import is_numeric

Status = Literal[
    "same",
    "within-tolerance",
    "changed",
    "shape",
    "dtype",
    "added",
    "removed",
    "renamed",
    "transposed",
    "reordered",
    "not-comparable",
]
SAME: frozenset[Status] = frozenset({"same", "within-tolerance", "renamed", "reordered"})
"""Statuses that do not count as a difference, like ``transposed`` where layouts do not count."""


class TensorDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of A, one of B, or a pair, and the result of comparing them."""

    a: TensorInfo | None
    b: TensorInfo | None
    status: Status
    change: Change | None = None
    """Statistics of the change, where values were compared and are not the same bit for bit."""
    norm: float | None = None
    """L2 norm of A's values where they are the same in B, if it was asked for."""
    reason: str = ""
    """Why the two could not be compared, or are what they are."""
    unreadable: bool = False
    """Whether that is because one of them could not be read."""
    by: Basis | None = None
    """The basis of the pair."""
    certainty: Certainty | None = None
    """How sure a pair by content or shape is."""
    arrangement: Arrangement | None = None
    """How the values of A are arranged in B, where axes were permuted, dropped or merged."""
    suspect: bool = False
    """Whether it was probably transposed by mistake."""
    layout_counts: bool = True
    """Whether another order of the axes is a difference."""

    @property
    def name(self) -> str:
        """What to call it: by its variable, or by its key."""
        tensor = self.a or self.b
        return tensor.name if tensor else ""

    @property
    def place(self) -> str:
        """The layer that it belongs to, or else the path above it."""
        sides = [tensor for tensor in (self.a, self.b) if tensor is not None]
        layers = (tensor.layer for tensor in sides if tensor.layer is not None)
        return next(layers, sides[0].place if sides else "")

    @property
    def differs(self) -> bool:
        """Whether this is a difference."""
        if self.status == "transposed":
            return self.layout_counts or self.suspect
        return self.status not in SAME


class PairComparer:
    """Compares pairs of tensors of two checkpoints."""

    def __init__(
        self, a: Reader, b: Reader, tolerance: Tolerance, *, ignore_dtype: bool = False, layout_counts: bool = True
    ) -> None:
        self._a, self._b = a, b
        self._tolerance = tolerance
        self._ignore_dtype = ignore_dtype
        self._layout_counts = layout_counts
        self._quantized = QuantizedNames(a), QuantizedNames(b)

    def compare(self, pair: Pair) -> TensorDifference:
        """Compare a pair; an unreadable tensor is not comparable."""
        if pair.a is None or pair.b is None:
            return self._only_on_one_side(pair)
        problem = pair.a.problem or pair.b.problem or pair.problem
        if problem:
            return self._result(pair, "not-comparable", reason=problem, unreadable=True)
        if pair.a.shape is None or pair.b.shape is None:
            alike = pair.a.shape == pair.b.shape
            return self._result(pair, "shape" if not alike else "same" if pair.a.dtype == pair.b.dtype else "dtype")
        try:
            return self._compare_values(pair, Tensor(self._a, pair.a), Tensor(self._b, pair.b))
        except CheckpointError as error:
            return self._result(pair, "not-comparable", reason=str(error), unreadable=True)

    def with_norm(self, entry: TensorDifference) -> TensorDifference:
        """Return a result with the norm of A's values, where both sides have them and they are the same."""
        if entry.a is None or entry.b is None or entry.a.shape is None or entry.change is not None or entry.unreadable:
            return entry
        from ckptread.values.statistics import l2_norm

        unchanged = entry.status in SAME or entry.status == "transposed"
        return msgspec.structs.replace(entry, norm=l2_norm(Tensor(self._a, entry.a))) if unchanged else entry

    def _result(
        self,
        pair: Pair,
        status: Status,
        change: Change | None = None,
        *,
        reason: str = "",
        unreadable: bool = False,
        arrangement: Arrangement | None = None,
    ) -> TensorDifference:
        return TensorDifference(
            a=pair.a,
            b=pair.b,
            status=status,
            change=change,
            reason=reason or pair.why or ("" if status == "same" else self._codes(pair)),
            unreadable=unreadable,
            by=pair.by,
            certainty=pair.certainty,
            arrangement=arrangement or pair.arrangement,
            suspect=pair.suspect,
            layout_counts=self._layout_counts,
        )

    def _codes(self, pair: Pair) -> str:
        """Say that values which differ are codes of a quantized weight, if either side has them."""
        sides = zip(self._quantized, (pair.a, pair.b), strict=True)
        return next(filter(None, (names.describe(info) for names, info in sides if info is not None)), "")

    def _only_on_one_side(self, pair: Pair) -> TensorDifference:
        if pair.problem:
            return self._result(pair, "not-comparable", reason=pair.problem, unreadable=True)
        return self._result(pair, "added" if pair.a is None else "removed")

    def _compare_values(self, pair: Pair, a: Tensor, b: Tensor) -> TensorDifference:
        same_dtype = a.info.dtype == b.info.dtype  # then numpy is not wanted yet
        if not same_dtype and not _comparable(a, b):
            reason = f"values of {a.info.dtype_name} and {b.info.dtype_name} cannot be compared"
            return self._result(pair, "not-comparable", reason=reason)
        if pair.arrangement is not None and not pair.arrangement.fits(a.shape, b.shape):
            reason = f"the mapping says {pair.arrangement.text(a.shape)}, which these shapes do not allow"
            return self._result(pair, "shape", reason=reason)
        if a.info.table_keys and b.info.table_keys and (of_table := self._compare_tables(pair, a, b)) is not None:
            return of_table
        if pair.arrangement is None and a.shape != b.shape:
            return self._compare_shapes(pair, a, b)
        change = self._change(pair, a, b)
        if not (self._ignore_dtype or same_dtype or same_kind(a.dtype, b.dtype)):
            return self._result(pair, "dtype", change)
        if change is not None and change.beyond:
            turned = None if pair.arrangement or pair.by == "map" else self._permuted_values(pair, a, b)
            return turned or self._result(pair, "changed", change)
        return self._result(pair, _unchanged(pair, change), change)

    def _compare_tables(self, pair: Pair, a: Tensor, b: Tensor) -> TensorDifference | None:
        """Compare rows of lookup tables by their keys; None where the rows are the same ones, in one order."""
        if not same_kind(a.dtype, b.dtype) or (a.shape == b.shape and self._change(pair, a, b) is None):
            return None
        from ckptread.operations.diff.lookup_tables import compare_rows

        rows = compare_rows(a, b, self._tolerance)
        if rows is None:
            return None
        if rows.reason:
            return self._result(pair, "changed" if a.shape == b.shape else "shape", rows.change, reason=rows.reason)
        if rows.change is None:
            return self._result(pair, "reordered", reason="a lookup table, whose rows have no order")
        return self._result(pair, "changed" if rows.change.beyond else "within-tolerance", rows.change)

    def _change(self, pair: Pair, a: Tensor, b: Tensor) -> Change | None:
        if pair.confirmed and self._tolerance.nan_equal:
            return None
        if pair.arrangement is None:
            return compare_values(a, b, self._tolerance)
        from ckptread.operations.diff.match.compare_layouts import compare_arranged  # as numpy, only where it is wanted

        return compare_arranged(a, b, pair.arrangement, self._tolerance)

    def _compare_shapes(self, pair: Pair, a: Tensor, b: Tensor) -> TensorDifference:
        return self._permuted_values(pair, a, b) or self._result(pair, "shape")

    def _permuted_values(self, pair: Pair, a: Tensor, b: Tensor) -> TensorDifference | None:
        """Return a difference of layout, if the values are the same once the axes are permuted."""
        from ckptread.operations.diff.match.compare_layouts import find_arrangement

        arrangement = find_arrangement(a, b)
        if arrangement is None:
            return None
        return self._result(pair, "transposed", arrangement=arrangement, reason="the same values, in another layout")


def _comparable(a: Tensor, b: Tensor) -> bool:
    """Whether values of two dtypes can be compared: numbers with numbers, text with text, records with their like."""
    kinds = [_kind(tensor) for tensor in (a, b)]
    return kinds[0] == kinds[1] and (kinds[0] != "record" or same_kind(a.dtype, b.dtype))


def _kind(tensor: Tensor) -> str:
    if is_numeric(tensor.dtype):
        return "number"
    return "text" if tensor.dtype.hasobject or tensor.dtype.kind in "SU" else "record"


def _unchanged(pair: Pair, change: Change | None) -> Status:
    if pair.arrangement is not None or pair.suspect:
        return "transposed"
    if change is not None:
        return "within-tolerance"
    return "renamed" if _renamed(pair) else "same"


def _renamed(pair: Pair) -> bool:
    """Whether a pair that was not made by names has two names. A position is not a name."""
    if pair.a is None or pair.b is None or pair.by in {"key", "variable", "given"}:
        return False
    if pair.a.positional or pair.b.positional or pair.a.key == pair.b.key:
        return False
    return pair.a.name.removesuffix(":0") != pair.b.name.removesuffix(":0")
