"""What the rules on two checkpoints ask of pairs of tensors, and whether they obey them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ckptread.operations.check.rules import Rule
from ckptread.operations.diff.movement import Movement, movement
from ckptread.operations.diff.tensor_difference import SAME, TensorDifference
from ckptread.reports.cells import percent_text


class Offender(msgspec.Struct, frozen=True):
    """A tensor that breaks a rule."""

    name: str
    key: str
    reason: str
    unreadable: bool = False
    """Whether it could not be read."""


def offender_of_pair(rule: Rule, entry: TensorDifference) -> Offender | None:
    """Say how a pair breaks a rule, or None. A tensor without its like was neither frozen nor trained."""
    tensor = entry.b or entry.a
    if tensor is None:
        return None
    if entry.unreadable:
        return Offender(tensor.name, tensor.key, entry.reason, unreadable=True)
    if rule.name == "changed":
        kept = entry.status not in SAME and None not in (entry.a, entry.b)
        return None if kept else Offender(tensor.name, tensor.key, _describe_change(entry, "is the same"))
    return None if entry.status in SAME else Offender(tensor.name, tensor.key, _describe_change(entry, entry.status))


def _describe_change(entry: TensorDifference, status: str) -> str:
    """Say what became of a tensor."""
    if entry.a is None:
        return "is not in the other one"
    if entry.b is None:
        return "is missing here"
    if entry.status == "shape":
        return f"shape {entry.a.shape} -> {entry.b.shape}"
    if entry.status == "dtype":
        return f"dtype {entry.a.dtype} -> {entry.b.dtype}"
    if entry.change is None or status != "changed":
        return entry.reason or status
    return f"{entry.change.changed:,} of {entry.change.count:,} elements changed"


def judge_movement(rule: Rule, pairs: Sequence[TensorDifference]) -> dict[str, Any]:
    """Return how far tensors moved together, and where that is too far, those that did; fields of a RuleResult.

    A tensor that cannot be compared, is missing on a side, has another shape or more NaN is too far, whatever its norm.
    """
    limit = float(rule.value or 0)
    together = movement(pairs)
    beyond = together.ratio is not None and not together.ratio <= limit
    broken = [offender for entry in pairs if (offender := _moved_too_far(entry, limit if beyond else None)) is not None]
    return {"offenders": tuple(broken), "found": f"moved {_ratio_text(together)}"}


def _moved_too_far(entry: TensorDifference, limit: float | None) -> Offender | None:
    """Return a tensor that has no distance, or one above the limit; None for any other."""
    tensor = entry.b or entry.a
    moved = movement([entry])
    measured = entry.status in SAME or (entry.change is not None and entry.change.distance is not None)
    if tensor is None or (measured and not moved.spoiled and (limit is None or not (moved.ratio or 0) > limit)):
        return None
    reason = f"moved {_ratio_text(moved)}" if measured else _describe_change(entry, entry.status)
    reason = "more NaN or infinities than before" if moved.spoiled else reason
    return Offender(tensor.name, tensor.key, reason, unreadable=entry.unreadable)


def _ratio_text(moved: Movement) -> str:
    return "from zero" if moved.from_zero else percent_text(moved.ratio or 0.0)
