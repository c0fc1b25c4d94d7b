"""What changed between two checkpoints.

A verdict is honest: it says what was compared, and whatever could not be compared counts as a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from ckptread.change import Change, Tolerance
from ckptread.compare import compare_values, same_kind
from ckptread.errors import CheckpointError
from ckptread.match import align
from ckptread.pairs import Pair
from ckptread.reader import Reader, Tensor
from ckptread.records import dataclass, field
from ckptread.tensors import TensorInfo

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
    "not-comparable",
]
SAME: frozenset[Status] = frozenset({"same", "within-tolerance", "renamed"})
"""The statuses that are no difference."""

Progress = Callable[[int], None]
"""Called with the number of bytes that were compared since the last call."""


@dataclass(frozen=True)
class TensorDifference:
    """One tensor of A, one of B, or both, and what came of comparing them."""

    a: TensorInfo | None
    b: TensorInfo | None
    status: Status
    change: Change | None = None
    """Figures, where values were compared and are not the same bit for bit."""
    reason: str = ""
    """Why the two could not be compared."""
    unreadable: bool = False
    """Whether that is because one of them could not be read."""

    @property
    def name(self) -> str:
        """What to call it: by its variable, or by its key."""
        tensor = self.a or self.b
        return tensor.name if tensor else ""


@dataclass(frozen=True)
class Difference:
    """What came of comparing two checkpoints."""

    a: str
    b: str
    tensors: tuple[TensorDifference, ...]
    tolerance: Tolerance
    stopped: bool = False
    """Whether the comparison ended early, at the number of differences that was asked for."""
    counts: Counter[Status] = field(default_factory=Counter)

    @property
    def differences(self) -> list[TensorDifference]:
        """The tensors that are not the same."""
        return [t for t in self.tensors if t.status not in SAME]

    @property
    def same(self) -> bool:
        """Whether nothing differs, and everything could be compared."""
        return not self.differences

    @property
    def unreadable(self) -> bool:
        """Whether something could not be read."""
        return any(t.unreadable for t in self.tensors)


def compare(
    a: Reader,
    b: Reader,
    pairs: Sequence[Pair] | None = None,
    *,
    tolerance: Tolerance | None = None,
    ignore_dtype: bool = False,
    stop_after: int | None = None,
    progress: Progress | None = None,
) -> Difference:
    """Compare two checkpoints tensor by tensor, values and all.

    ``pairs`` says what to compare with what; None aligns all tensors by their names. ``stop_after`` ends at that
    many differences. With ``ignore_dtype`` equal values of different dtypes are the same.
    """
    tolerance = tolerance or Tolerance()
    chosen = align(list(a.tensors.values()), list(b.tensors.values())) if pairs is None else pairs
    found: list[TensorDifference] = []
    for pair in chosen:
        if stop_after is not None and sum(t.status not in SAME for t in found) >= stop_after:
            return _difference(a, b, found, tolerance, stopped=True)
        found.append(_compare_pair(a, b, pair, tolerance, ignore_dtype))
        if progress:
            progress(max(t.nbytes for t in (pair.a, pair.b) if t is not None))
    return _difference(a, b, found, tolerance, stopped=False)


def _difference(
    a: Reader, b: Reader, found: list[TensorDifference], tolerance: Tolerance, *, stopped: bool
) -> Difference:
    return Difference(a.path, b.path, tuple(found), tolerance, stopped, Counter(t.status for t in found))


def _compare_pair(a: Reader, b: Reader, pair: Pair, tolerance: Tolerance, ignore_dtype: bool) -> TensorDifference:
    if pair.a is None or pair.b is None:
        return TensorDifference(pair.a, pair.b, "added" if pair.a is None else "removed")
    problem = pair.a.problem or pair.b.problem
    if problem:
        return TensorDifference(pair.a, pair.b, "not-comparable", reason=problem, unreadable=True)
    if pair.a.shape != pair.b.shape:
        return TensorDifference(pair.a, pair.b, "shape")
    if pair.a.shape is None:
        return TensorDifference(pair.a, pair.b, "same" if pair.a.dtype == pair.b.dtype else "dtype")
    try:
        return _compare_tensors(Tensor(a, pair.a), Tensor(b, pair.b), tolerance, ignore_dtype)
    except CheckpointError as error:
        return TensorDifference(pair.a, pair.b, "not-comparable", reason=str(error), unreadable=True)


def _compare_tensors(a: Tensor, b: Tensor, tolerance: Tolerance, ignore_dtype: bool) -> TensorDifference:
    same_dtype = a.info.dtype == b.info.dtype  # then numpy is not wanted yet
    if not same_dtype and (a.dtype.hasobject != b.dtype.hasobject or (a.dtype.kind == "V") != (b.dtype.kind == "V")):
        reason = f"values of {a.info.dtype} and {b.info.dtype} cannot be compared"
        return TensorDifference(a.info, b.info, "not-comparable", reason=reason)
    change = compare_values(a, b, tolerance)
    other_dtype = not (ignore_dtype or same_dtype or same_kind(a.dtype, b.dtype))
    return TensorDifference(a.info, b.info, _status(change, other_dtype), change)


def _status(change: Change | None, other_dtype: bool) -> Status:
    if other_dtype:
        return "dtype"
    if change is None:
        return "same"
    return "changed" if change.beyond else "within-tolerance"
