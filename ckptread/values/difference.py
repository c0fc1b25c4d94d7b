"""What is measured of the difference between the values of two tensors, and what counts as the same."""

from __future__ import annotations

import math

import msgspec


class Tolerance(msgspec.Struct, frozen=True):
    """What counts as the same: ``|a - b| <= atol + rtol * |b|``, numpy's formula; B is the reference."""

    rtol: float = 0.0
    atol: float = 0.0
    nan_equal: bool = True
    """Whether NaN equals NaN."""

    @property
    def exact(self) -> bool:
        """Whether only equal values count as the same."""
        return self.rtol == 0 and self.atol == 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How the values of two tensors, a and b, differ. The norms and maxima are None for strings."""

    count: int
    """Elements compared."""
    changed: int
    """Elements whose values differ; NaN equals NaN unless asked otherwise, -0.0 equals 0.0."""
    beyond: int
    """Elements that differ by more than the tolerance."""
    max_abs: float | int | None = None
    """Largest |a - b|, exact for integers; NaN where a NaN appeared or is gone."""
    max_rel: float | None = None
    """Largest |a - b| / |b|, where b is not zero."""
    mean_abs: float | None = None
    """Mean |a - b| over the elements where both are finite."""
    relative_l2: float | None = None
    """‖a - b‖ / ‖a‖ over the elements where both are finite; infinite where a is all zeros."""
    cosine: float | None = None
    """(a · b) / (‖a‖ ‖b‖) over the same; None where either is all zeros."""
    nans_a: int = 0
    nans_b: int = 0
    infs_a: int = 0
    infs_b: int = 0
    signed_zeros: int = 0
    """Elements that are 0.0 on one side and -0.0 on the other."""
    distance: float | None = None
    """‖a - b‖ over the elements where both are finite."""
    norm: float | None = None
    """‖a‖ over the same."""


FIGURES = Change.__struct_fields__
"""The names of the statistics, in their order."""


class ChangeSums(msgspec.Struct, kw_only=True):
    """Counts and sums over some elements of two tensors, a and b, from which a :class:`Change` is computed."""

    count: int = 0
    changed: int = 0
    beyond: int = 0
    finite: int = 0
    """Elements that are finite on both sides: those of the five sums."""
    absolute: float = 0.0
    """Sum of |a - b|."""
    square: float = 0.0
    """(a - b) · (a - b)."""
    square_a: float = 0.0
    """a · a."""
    square_b: float = 0.0
    product: float = 0.0
    """a · b."""
    max_abs: float | int = 0
    max_rel: float = 0.0
    nans_a: int = 0
    nans_b: int = 0
    infs_a: int = 0
    infs_b: int = 0
    signed_zeros: int = 0
    numeric: bool = True
    """Whether the elements are numbers."""

    def merge(self, later: ChangeSums) -> None:
        """Add the sums of elements that come after these."""
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.max_abs = larger(self.max_abs, later.max_abs)
        self.max_rel = max(self.max_rel, later.max_rel)
        self.numeric = self.numeric and later.numeric

    def add_equal(self, finite: int, square: float) -> None:
        """Add finite elements that are equal, whose sum of squares is ``square``."""
        self.finite += finite
        self.square_a += square
        self.square_b += square
        self.product += square

    def change(self) -> Change:
        """Return how the elements differ."""
        if not self.numeric:
            return Change(count=self.count, changed=self.changed, beyond=self.beyond)
        norm_a, norm_b = math.sqrt(self.square_a), math.sqrt(self.square_b)
        return Change(
            count=self.count,
            changed=self.changed,
            beyond=self.beyond,
            max_abs=self.max_abs,
            max_rel=self.max_rel,
            mean_abs=self.absolute / self.finite if self.finite else None,
            relative_l2=relative(math.sqrt(self.square), norm_a),
            cosine=self.product / (norm_a * norm_b) if norm_a and norm_b else None,
            nans_a=self.nans_a,
            nans_b=self.nans_b,
            infs_a=self.infs_a,
            infs_b=self.infs_b,
            signed_zeros=self.signed_zeros,
            distance=math.sqrt(self.square),
            norm=norm_a,
        )


ADDED = tuple(name for name in ChangeSums.__struct_fields__ if name not in {"max_abs", "max_rel", "numeric"})


def larger(a: float, b: float) -> float:
    """Return the larger of two numbers; NaN if either is."""
    return a if math.isnan(a) or a > b else b


def relative(difference: float, norm: float) -> float:
    """Return the norm of a difference by that of what it is a difference to; infinite where that is all zeros."""
    if difference == 0:
        return 0.0
    return difference / norm if norm else math.inf
