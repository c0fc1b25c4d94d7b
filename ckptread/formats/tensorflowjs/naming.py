"""The layer, the role and the trainable flag of each weight, by the config of a Keras model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ckptread.limits import MAX_LAYER_DEPTH
from ckptread.names.keras.configs import Configured, as_mapping, parse_config
from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.keras.trainable import Flags
from ckptread.tensors import TensorInfo

FLAGS = Flags(version_2=True)


def read_keras_evidence(document: Any) -> KerasEvidence:
    """Return the config of a layers model; that of any other model is None."""
    topology = as_mapping(as_mapping(document).get("modelTopology"))
    config = as_mapping(topology.get("model_config", topology))
    version = topology.get("keras_version")
    return KerasEvidence(
        config=config if isinstance(config.get("class_name"), str) else None,
        training_config=topology.get("training_config"),
        keras_version=version if isinstance(version, str) else None,
    )


def name_layers(tensors: Iterable[TensorInfo], config: Any) -> Iterator[TensorInfo]:
    """Yield the model's tensors with their layers and flags, as far as the config has a layer of such a name."""
    model = parse_config(config)
    found = list(_layers(model, None)) if model is not None else []
    counts = Counter(name for name, _, _ in found)
    layers = {name: (layer, around) for name, layer, around in found if counts[name] == 1}
    for info in tensors:
        yield info if info.role == "optimizer" or model is None else _name(info, layers)


def _name(info: TensorInfo, layers: Mapping[str, tuple[Configured, bool | None]]) -> TensorInfo:
    place = next((place for place in _places(info.key) if place in layers), None)
    if place is None:
        return msgspec.structs.replace(info, role="model")
    layer, around = layers[place]
    weight = info.key.rpartition("/")[2]
    return msgspec.structs.replace(info, role="model", layer=place, trainable=FLAGS.of(layer, weight, around))


def _places(key: str) -> Iterator[str]:
    """Yield what may be the layer in a weight's name, the innermost first; the model's own name may come before it."""
    parts = key.split("/")[:-1][:MAX_LAYER_DEPTH]
    for end in range(len(parts), 0, -1):
        yield "/".join(parts[:end])
        yield "/".join(parts[1:end])


def _layers(model: Configured, around: bool | None, depth: int = 0) -> Iterator[tuple[str, Configured, bool | None]]:
    """Yield the layers of a model, and of models inside it, by name, with the flag around each."""
    flag = FLAGS.inside(model, around)
    for layer in model.inner or ():
        if layer.name is not None:
            yield layer.name, layer, flag
        if depth < MAX_LAYER_DEPTH:
            yield from _layers(layer, flag, depth + 1)
