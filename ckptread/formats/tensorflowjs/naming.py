"""The layer, the role and the trainable flag of each weight, by the config of a Keras model."""

from __future__ import annotations

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
    layers = dict(_layers(model, None)) if model is not None else {}
    for info in tensors:
        yield info if info.role == "optimizer" or model is None else _name(info, layers)


def _name(info: TensorInfo, layers: Mapping[str, tuple[Configured, bool | None]]) -> TensorInfo:
    place, _, weight = info.key.rpartition("/")
    while place and place not in layers:
        place = place.rpartition("/")[0]
    if not place:
        return msgspec.structs.replace(info, role="model")
    layer, around = layers[place]
    return msgspec.structs.replace(info, role="model", layer=place, trainable=FLAGS.of(layer, weight, around))


def _layers(
    model: Configured, around: bool | None, depth: int = 0
) -> Iterator[tuple[str, tuple[Configured, bool | None]]]:
    """Yield the layers of a model, and of models inside it, by name, with the flag around each."""
    flag = FLAGS.inside(model, around)
    for layer in model.inner or ():
        if layer.name is not None:
            yield layer.name, (layer, flag)
        if depth < MAX_LAYER_DEPTH:
            yield from _layers(layer, flag, depth + 1)
