"""What the rules on values ask of one tensor, and whether it obeys them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ckptread.operations.check.rules import Rule
from ckptread.reader import Tensor
from ckptread.values.numbers import numbers_in
from ckptread.values.running_statistics import Statistics
from ckptread.values.statistics import pieces, statistics
from ckptread.values.widening import as_float

if TYPE_CHECKING:
    from ckptread.tensors import Array

OF_VALUES = frozenset({"no-nan", "no-inf", "finite", "no-zero", "max-abs"})


class Measured(msgspec.Struct, frozen=True):
    """What rules ask of a tensor's values."""

    statistics: Statistics
    magnitude: float | int | None
    """The largest |x|, NaN left out; None where there is no number."""


def measure(tensor: Tensor) -> Measured:
    """Return what the rules ask of a tensor's values. Raises CheckpointError as reading does."""
    stats = statistics(tensor)
    if stats.minimum is not None and stats.maximum is not None:
        return Measured(stats, max(abs(stats.minimum), abs(stats.maximum)))
    return Measured(stats, _largest(tensor) if stats.count and stats.nans is not None else None)


def _largest(tensor: Tensor) -> float | int | None:
    """Return the largest magnitude of numbers without a minimum and a maximum: complex ones, and those in records."""
    found = (_magnitude(numbers) for piece in pieces(tensor) for numbers in numbers_in(piece))
    return max((size for size in found if size is not None), default=None)


def _magnitude(numbers: Array) -> float | int | None:
    """Return the largest |x|, exactly for integers; None where all are NaN."""
    import numpy as np

    if numbers.dtype.kind in "biu":
        return max(abs(int(numbers.min())), abs(int(numbers.max()))) if numbers.size else None
    sizes: Array = np.abs(as_float(numbers))
    sizes = sizes[~np.isnan(sizes)]
    return float(sizes.max()) if sizes.size else None


def applies(rule: Rule, found: Measured | None) -> bool:
    """Whether there is a value that the rule can judge: text has no magnitude, and an empty tensor has no value."""
    if found is None or not found.statistics.count:
        return False
    return rule.name != "max-abs" or found.magnitude is not None


def violation(rule: Rule, measured: Measured) -> str:
    """Say how a tensor's values break a rule, or ""."""
    stats = measured.statistics
    return _broken(rule, measured) or (f"{stats.unjudged} cannot be judged" if stats.unjudged else "")


def _broken(rule: Rule, measured: Measured) -> str:
    stats = measured.statistics
    special = [f"{count:,} {word}" for word, count in (("NaN", stats.nans), ("Inf", stats.infs)) if count]
    if rule.name == "no-nan":
        return f"{stats.nans:,} NaN" if stats.nans else ""
    if rule.name == "no-inf":
        return f"{stats.infs:,} Inf" if stats.infs else ""
    if rule.name == "finite":
        return ", ".join(special)
    if rule.name == "no-zero":
        return "all zeros" if _is_zero(measured) else ""
    over = measured.magnitude is not None and measured.magnitude > float(rule.value or 0)
    return f"{measured.magnitude:g}" if over else ""


def _is_zero(measured: Measured) -> bool:
    """Whether there are values and all of them are zero; of a record, all numbers in it."""
    stats = measured.statistics
    if stats.zeros is None:
        return measured.magnitude == 0 and not stats.nans
    return stats.count > 0 and stats.zeros == stats.count
