"""The layers of a model as ``model.summary()`` has them: one row each, with the keys of its variables.

A row is a layer of the model itself; what lies inside it, a nested model or a wrapped layer, counts to it. A
layer that the config lists and that has no variables has an empty row. A layer that stands in two models counts
to the first place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ckptread.names.keras import KerasEvidence
from ckptread.names.model import facts
from ckptread.names.tensorflow import TensorFlowEvidence
from ckptread.tensors import TensorInfo


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer."""

    name: str
    """Its own name; "" for variables that the model itself owns, or whose layer is unknown."""
    class_name: str | None
    """Its class; None where the file does not say."""
    keys: tuple[str, ...]
    """Its variables, second names left out, in the model's order."""


def layers(tensors: Sequence[TensorInfo], evidence: KerasEvidence | TensorFlowEvidence | None = None) -> list[LayerRow]:
    """Return the rows of the model's layers, for tensors that ``describe`` has described.

    In the order of the config where there is one, else of first appearance.
    """
    model = facts(evidence) if isinstance(evidence, KerasEvidence) else None
    classes = {layer.name: layer.class_name for layer in model.layers} if model is not None else {}
    keys: dict[str, list[str]] = {name: [] for name in classes if name is not None}
    for info in tensors:
        if info.role == "model" and info.alias_of is None:
            keys.setdefault((info.layer or "").split("/")[0], []).append(info.key)
    return [LayerRow(name, classes.get(name), tuple(members)) for name, members in keys.items()]
