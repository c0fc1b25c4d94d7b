"""Recognises the optimizers that a model has under attributes of its own, as GANs do: ``d_opt``, ``optimizers/adam_1``.

Their variables are the iteration, the learning rate and the slots. A group with the name of a Keras optimizer is one;
under another name, the slots must have the shapes of other variables in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ckptread.names.keras.groups import VariableGroup, snake_case, split_number
from ckptread.names.keras.optimizers import OPTIMIZERS
from ckptread.tensors import TensorInfo

Shape = tuple[int, ...] | None

NESTED = ("LossScaleOptimizer", "MultiOptimizer")
CLASSES: Mapping[str, str] = {snake_case(name): name for name in (*OPTIMIZERS, *NESTED)}
"""Optimizers by their name in a path, which is also the name that Keras gives them."""


def optimizer_class(attribute: str, group: VariableGroup) -> str | None:
    """Return the class that the name of a group, or that of its attribute, states."""
    names = (group.name or "", attribute)
    return next((CLASSES[base] for base in map(_base, names) if base in CLASSES), None)


def is_optimizer(attribute: str, group: VariableGroup, shapes: Mapping[Shape, int]) -> bool:
    """Whether a group, stored under this attribute, is an optimizer; ``shapes`` counts those of all variables."""
    if not group.own or not _is_number(group.own[0], "iu"):
        return False
    if optimizer_class(attribute, group) is not None:
        return True
    has_rate = len(group.own) > 1 and _is_number(group.own[1], "f")
    called = "opt" in attribute or "optim" in (group.name or "")
    slots = [info.shape for info in group.own[2 if has_rate else 1 :]]
    own = count_shapes([group])
    return (called or (has_rate and bool(slots))) and all(shapes[shape] > own[shape] for shape in slots)


def optimizer_config(attribute: str, group: VariableGroup) -> dict[str, Any] | None:
    """Return a config for an optimizer whose file has none, from its names and its first variables."""
    class_name = optimizer_class(attribute, group)
    if class_name is None:
        return None
    has_rate = len(group.own) > 1 and _is_number(group.own[1], "f")
    return {"class_name": class_name, "config": {"name": group.name, "learning_rate": 0.0 if has_rate else None}}


def count_shapes(groups: Iterable[VariableGroup]) -> Counter[Shape]:
    """Return how many variables of these groups have each shape."""
    return Counter(info.shape for group in groups for info in group.own)


def _base(name: str) -> str:
    return name if name in CLASSES else split_number(name)[0]


def _is_number(info: TensorInfo, kinds: str) -> bool:
    return info.shape == () and info.dtype.lstrip("<>|=")[:1] in kinds
