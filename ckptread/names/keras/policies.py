"""Dtype policies: what a config says about the dtypes of a model and its layers, and about their quantization.

HDF5 has no bfloat16, so Keras writes such weights to a legacy .h5 as opaque elements of two bytes (``|V2``), which
Keras itself cannot load. The policies in the file's config say what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.names.keras.configs import as_mapping, as_text, find_objects, list_layers
from ckptread.names.keras.variants import quantization_mode
from ckptread.tensors import TensorInfo

OPAQUE, BFLOAT16 = "|V2", "bfloat16"
INPUT = "InputLayer"
Objects = Iterable[Mapping[str, Any]]


def with_stated_dtypes(tensors: Sequence[TensorInfo], config: Any) -> list[TensorInfo]:
    """Return the tensors of a legacy file; opaque ones are bfloat16 if that is the policy of the model or a layer.

    No other dtype of Keras is stored as two opaque bytes.
    """
    opaque = any(info.dtype == OPAQUE for info in tensors)
    if not opaque or BFLOAT16 not in _policies_below(config):
        return list(tensors)
    return [msgspec.structs.replace(t, dtype=BFLOAT16) if t.dtype == OPAQUE else t for t in tensors]


def model_policy(own: Mapping[str, Any], layers: Objects) -> str | None:
    """Return the name of the policy that all layers of a model share, or else that of the model's ``own`` config."""
    configs = [as_mapping(layer.get("config")) for layer in layers if layer.get("class_name") != INPUT]
    names = {each for config in configs if (each := policy_name(config.get("dtype"))) is not None}
    return names.pop() if len(names) == 1 else policy_name(own.get("dtype"))


def policy_name(value: Any) -> str | None:
    """Return the name of a policy in a config: a string, or a serialized object."""
    config = as_mapping(value.get("config")) if isinstance(value, Mapping) else {}
    mode, source = as_text(config.get("mode")), as_text(config.get("source_name"))
    return as_text(value) or as_text(config.get("name")) or (f"{mode}_from_{source}" if mode and source else mode)


def quantized_layers(objects: Objects) -> tuple[str, ...]:
    """Return the quantized layers among serialized objects, by mode: ``int8: embedding, dense``."""
    layers = [(each, as_mapping(each.get("config"))) for each in objects]
    return list_layers((mode, layer) for layer, config in layers if (mode := _mode(config)) is not None)


def _mode(config: Mapping[str, Any]) -> str | None:
    mode = quantization_mode(config)
    return "a map of policies" if mode == "?" else mode


def _policies_below(config: Any) -> set[str | None]:
    """Return the policies of a model and of everything in it."""
    return {policy_name(as_mapping(each.get("config")).get("dtype")) for each in find_objects(config)}
