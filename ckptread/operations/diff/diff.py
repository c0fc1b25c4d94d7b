"""What changed between two checkpoints.

A verdict is honest: it says what was compared, and whatever could not be compared counts as a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from ckptread.operations.diff.match.by_name import align
from ckptread.operations.diff.match.pairs import Pair
from ckptread.operations.diff.tensor_difference import SAME, PairComparer, Status, TensorDifference
from ckptread.reader import Reader
from ckptread.storage.progress import SILENT, Meter
from ckptread.values.difference import Tolerance

__all__ = ["SAME", "Difference", "Status", "TensorDifference", "compare"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What came of comparing two checkpoints."""

    a: str
    b: str
    tensors: tuple[TensorDifference, ...]
    tolerance: Tolerance
    stopped: bool = False
    """Whether the comparison ended early, at the number of differences that was asked for."""
    counts: Counter[Status] = msgspec.field(default_factory=Counter)

    @property
    def differences(self) -> list[TensorDifference]:
        """The tensors that are not the same."""
        return [t for t in self.tensors if t.differs]

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
    layout_counts: bool = True,
    stop_after: int | None = None,
    meter: Meter = SILENT,
) -> Difference:
    """Compare two checkpoints tensor by tensor, values and all.

    ``pairs`` says what to compare with what; None aligns all tensors by their names. ``stop_after`` ends at that
    many differences. With ``ignore_dtype`` equal values of different dtypes are the same; with ``layout_counts`` equal
    values under permuted axes are a difference.
    """
    tolerance = tolerance or Tolerance()
    chosen = align(list(a.tensors.values()), list(b.tensors.values())) if pairs is None else pairs
    outcome = PairComparer(a, b, tolerance, ignore_dtype=ignore_dtype, layout_counts=layout_counts)
    found: list[TensorDifference] = []
    differing = 0
    for pair in chosen:
        if stop_after is not None and differing >= stop_after:
            return _difference(a, b, found, tolerance, stopped=True)
        found.append(outcome.of(pair))
        differing += found[-1].differs
        meter.add(_nbytes(pair))
    return _difference(a, b, found, tolerance, stopped=False)


def _nbytes(pair: Pair) -> int:
    return max(t.nbytes for t in (pair.a, pair.b) if t is not None)


def _difference(
    a: Reader, b: Reader, found: list[TensorDifference], tolerance: Tolerance, *, stopped: bool
) -> Difference:
    return Difference(
        a=a.path,
        b=b.path,
        tensors=tuple(found),
        tolerance=tolerance,
        stopped=stopped,
        counts=Counter(t.status for t in found),
    )
