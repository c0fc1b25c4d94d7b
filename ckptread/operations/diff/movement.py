"""How far tensors moved from A to B, taken together: those of a layer, of a path, or all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import msgspec

from ckptread.operations.diff.tensor_difference import TensorDifference
from ckptread.tensors import separator
from ckptread.values.difference import larger, relative

BESIDE_MODEL = frozenset({"optimizer", "metric", "bookkeeping"})
"""The roles of tensors that are not part of the model itself."""


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """How far some tensors moved, taken together."""

    tensors: int
    differ: int
    distance: float | None
    """‖a - b‖ over all their elements that are finite on both sides; None where no numbers were compared."""
    norm: float | None
    """‖a‖ over the same; unchanged tensors count where their norm is known."""
    max_abs: float | int | None
    new_nans: int
    """Tensors that have more NaN in B."""
    new_infs: int

    @property
    def spoiled(self) -> bool:
        """Whether there are more NaN or infinities in B."""
        return bool(self.new_nans or self.new_infs)

    @property
    def from_zero(self) -> bool:
        """Whether all were zero, and are not any more."""
        return self.norm == 0 and bool(self.distance)

    @property
    def ratio(self) -> float | None:
        """``distance`` by ``norm``: infinite where all were zero."""
        return None if self.distance is None or self.norm is None else relative(self.distance, self.norm)


def movement(entries: Iterable[TensorDifference]) -> Movement:
    """Return how far these tensors moved."""
    listed = list(entries)
    changes = [entry.change for entry in listed if entry.change is not None and entry.change.distance is not None]
    norms = [c.norm for c in changes if c.norm is not None] + [e.norm for e in listed if e.norm is not None]
    sizes = [change.max_abs for change in changes if change.max_abs is not None]
    return Movement(
        tensors=len(listed),
        differ=sum(entry.differs for entry in listed),
        distance=math.hypot(*(c.distance for c in changes if c.distance is not None)) if norms else None,
        norm=math.hypot(*norms) if norms else None,
        max_abs=reduce(larger, sizes) if sizes else None,
        new_nans=sum(entry.change is not None and entry.change.nans_b > entry.change.nans_a for entry in listed),
        new_infs=sum(entry.change is not None and entry.change.infs_b > entry.change.infs_a for entry in listed),
    )


def by_layer(entries: Iterable[TensorDifference]) -> dict[str, list[TensorDifference]]:
    """Return the tensors by their layer."""
    return _grouped(entries, lambda entry: entry.place)


def by_path(entries: Sequence[TensorDifference], depth: int) -> dict[str, list[TensorDifference]]:
    """Return the tensors by the first components of their names."""
    mark = separator(tensor for entry in entries for tensor in (entry.a, entry.b) if tensor is not None)
    return _grouped(entries, lambda entry: mark.join(entry.name.split(mark)[:depth]))


def _grouped(
    entries: Iterable[TensorDifference], name: Callable[[TensorDifference], str]
) -> dict[str, list[TensorDifference]]:
    groups: dict[str, list[TensorDifference]] = {}
    for entry in entries:
        groups.setdefault(name(entry), []).append(entry)
    return groups


def beside_model(entry: TensorDifference) -> str:
    """Return the role of a tensor that is not part of the model itself; "" for one that is."""
    roles = [tensor.role for tensor in (entry.a, entry.b) if tensor is not None and tensor.role is not None]
    return roles[0] if roles and roles[0] in BESIDE_MODEL else ""
