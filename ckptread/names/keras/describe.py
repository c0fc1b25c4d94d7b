"""What Keras calls the tensors of an HDF5 file or a .keras archive, from the file alone.

One function for every layout that Keras has written: ``layers/dense/vars/0`` (Keras 3, and .keras of Keras 2.12
and later), ``dense/dense/kernel:0`` with ``layer_names`` and ``weight_names`` (Keras 1, 2, and legacy files of 3).
A file that is neither comes back as it was. Nothing of the config is ever built: it is read as data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.names.keras import groups, legacy
from ckptread.names.keras.configs import ANYTHING, Configured, parse_config
from ckptread.names.keras.layers import LAYERS, LAYERS_KERAS_2
from ckptread.names.keras.optimizer_state import describe_optimizer
from ckptread.names.keras.walk import LayerWalk, Place
from ckptread.tensors import TensorInfo


class KerasEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a Keras file says besides its tensors."""

    config: Any | None = None
    """config.json of a .keras, or the ``model_config`` attribute of a whole-model .h5, parsed."""
    training_config: Any | None = None
    """The ``training_config`` attribute of a whole-model .h5, parsed."""
    attributes: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    """Attributes by the path of their HDF5 group, without a leading slash; "" is the root."""
    archive: bool = False
    """Whether it is a .keras archive."""
    keras_version: str | None = None
    """What metadata.json of a .keras says."""
    date_saved: str | None = None
    """The same."""
    same_bytes: Callable[[str, str], bool] | None = None
    """Whether two keys hold equal bytes: asked only of two weights that a legacy .h5 calls the same."""


def name_keras_tensors(tensors: Sequence[TensorInfo], evidence: KerasEvidence) -> list[TensorInfo]:
    """Return the same tensors in the model's own order, with names, layers, roles and trainable flags filled in.

    A field stays None where the file does not say. Tensors that Keras did not write come last, as they were.
    """
    if legacy.is_legacy(evidence.attributes):
        found = legacy.name_legacy_tensors(tensors, evidence.config, evidence.attributes, evidence.same_bytes)
    else:
        found = _describe_groups(tensors, evidence)
    named = {info.key: info for info in found}
    return unique([*named.values(), *(info for info in tensors if info.key not in named)])


def unique(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Take back every name that stands for more than one tensor, aliases apart: it would name none of them."""
    counts = Counter(info.variable for info in tensors if info.alias_of is None)
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
        return []  # not all of it lies as Keras has it: it is another's file
    model = parse_config(evidence.config) or ANYTHING
    optimizer = root.children.pop("optimizer", None)
    version_2 = not any(names) and _is_keras_2(model, evidence.keras_version)
    walk = LayerWalk(LAYERS_KERAS_2 if version_2 else LAYERS, version_2=version_2, has_names=any(names))
    walk.visit(model, root, Place())
    if optimizer is None:
        return walk.found
    config = _optimizer_config(evidence.config)
    return [*walk.found, *describe_optimizer(optimizer, config, walk, version_2=version_2)]


def _is_keras_2(model: Configured, version: str | None) -> bool:
    """Whether Keras 2 wrote a .keras, by its version or by how its input layers spell their shape."""
    if version is not None:
        return version.startswith(("1.", "2."))
    return any("batch_input_shape" in (layer.config or {}) for layer in model.inner or ())


def _optimizer_config(config: Any) -> Any:
    compiled = config.get("compile_config") if isinstance(config, Mapping) else None
    return compiled.get("optimizer") if isinstance(compiled, Mapping) else None
