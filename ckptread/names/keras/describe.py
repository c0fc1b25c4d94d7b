"""Names the tensors of an HDF5 file or a .keras archive as Keras does, from the file alone.

One function serves every layout that Keras has written: ``layers/dense/vars/0`` (Keras 3, and .keras of Keras 2.12 and
later), and ``dense/dense/kernel:0`` with ``layer_names`` and ``weight_names`` (Keras 1, 2, and legacy files of 3).
Tensors of any other file are returned unchanged. The config is read as data; nothing is built from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.names.keras import groups, legacy
from ckptread.names.keras.configs import ANYTHING, Configured, as_mapping, parse_config
from ckptread.names.keras.layers import LAYERS, LAYERS_KERAS_2
from ckptread.names.keras.optimizer_groups import count_shapes, optimizer_config
from ckptread.names.keras.optimizer_state import describe_optimizer
from ckptread.names.keras.walk import LayerWalk, Scope
from ckptread.tensors import TensorInfo

MATLAB_INTERNAL = ("#refs#/", "#subsystem#/")


class KerasEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a Keras file holds besides its tensors."""

    config: Any | None = None
    """config.json of a .keras, or the ``model_config`` attribute of a model saved as .h5, parsed."""
    training_config: Any | None = None
    """The ``training_config`` attribute of a model saved as .h5, parsed."""
    attributes: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    """Attributes by the path of their HDF5 group, without a leading slash; "" is the root."""
    archive: bool = False
    """Whether it is a .keras archive."""
    keras_version: str | None = None
    """From metadata.json of a .keras."""
    date_saved: str | None = None
    """From metadata.json too."""
    same_bytes: Callable[[str, str], bool] | None = None
    """Whether two tensors, by their keys, have equal bytes; needed if two weights of a legacy .h5 have one name."""


def name_keras_tensors(tensors: Sequence[TensorInfo], evidence: KerasEvidence) -> list[TensorInfo]:
    """Return the same tensors in the model's own order, with names, layers, roles and trainable flags filled in.

    A field stays None if the file does not record it. Tensors that Keras did not write come last, unchanged,
    and after them those that MATLAB keeps for itself.
    """
    if legacy.is_legacy(evidence.attributes):
        found = legacy.name_legacy_tensors(tensors, evidence.config, evidence.attributes, evidence.same_bytes)
    else:
        found = _describe_groups(tensors, evidence)
    named = {info.key: info for info in found}
    rest = sorted((info for info in tensors if info.key not in named), key=_is_internal)
    return drop_shared_names([*named.values(), *rest])


def _is_internal(info: TensorInfo) -> bool:
    """Whether MATLAB keeps this for itself: the values that a cell array refers to are not variables."""
    return info.key.startswith(MATLAB_INTERNAL)


def drop_shared_names(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Remove every name that several tensors have, except aliases and copies: it would identify none of them."""
    counts = Counter(info.variable for info in tensors if info.repeats is None)
    return [
        msgspec.structs.replace(info, variable=None, positional=False)
        if info.variable and counts[info.variable] > 1
        else info
        for info in tensors
    ]


def _describe_groups(tensors: Sequence[TensorInfo], evidence: KerasEvidence) -> list[TensorInfo]:
    root = groups.build_groups(tensors, evidence.attributes)
    names = [group.name for group in groups.walk_groups(root)]
    known = any(names) or evidence.archive or "layers" in root.children
    if not known and sum(len(group.own) for group in groups.walk_groups(root)) < len(tensors):
        return []  # some tensors are not in Keras' layout: another program wrote the file
    model = parse_config(evidence.config) or ANYTHING
    optimizer = root.children.pop("optimizer", None)
    version_2 = not any(names) and _is_keras_2(model, evidence.keras_version)
    walk = LayerWalk(
        LAYERS_KERAS_2 if version_2 else LAYERS,
        version_2=version_2,
        has_names=any(names),
        shapes=count_shapes(groups.walk_groups(root)),
    )
    walk.visit(model, root, Scope())
    optimizers = [(optimizer_config(*each), each[1]) for each in walk.optimizers]
    if optimizer is not None:
        optimizers.insert(0, (_optimizer_config(evidence.config), optimizer))
    states = [describe_optimizer(group, config, walk, version_2=version_2) for config, group in optimizers]
    return [*walk.found, *(info for each in states for info in each)]


def _is_keras_2(model: Configured, version: str | None) -> bool:
    """Whether Keras 2 wrote a .keras, by its version or by the attribute of its input layers that has their shape."""
    if version is not None:
        return version.startswith(("1.", "2."))
    return any("batch_input_shape" in (layer.config or {}) for layer in model.inner or ())


def _optimizer_config(config: Any) -> Any:
    return as_mapping(as_mapping(config).get("compile_config")).get("optimizer")
