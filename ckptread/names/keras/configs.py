"""Objects of a Keras config, read as data: class, name, own config, trainable flag; nothing is ever built.

Keras 3 writes ``{"module", "class_name", "config", "registered_name", ...}``, Keras 2 the same with or without
the module, and a ``Package>Class`` in ``class_name`` for a registered custom class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ckptread.names.keras.layers import EXPORTED_AS, Inner

Config = Mapping[str, Any]

MODELS = frozenset({"Sequential", "Functional", "Model"})
KERAS_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a config; without a config, what its path in the file says of its class."""

    class_name: str | None = None
    """Its class, as Keras names a built-in one; None where it is a custom class, or unknown."""
    written: str = ""
    """Its class as the config has it, custom ones too: what its group in the file is called after."""
    name: str | None = None
    config: Config | None = None
    trainable: bool | None = None
    """The flag of its config; None where there is none."""
    shared: int | None = None
    """The number that the config gives an object which stands in it twice."""
    inner: tuple[Configured, ...] | None = None
    """A model's layers; None where it is no model, or its config holds none."""


ANYTHING = Configured()
"""An object of which the file says nothing."""


def parse_config(value: Any, depth: int = 0) -> Configured | None:
    """Read one serialized object; None where ``value`` is none."""
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str) or depth > 64:
        return None
    config = _mapping(value.get("config"))
    if isinstance(value.get("config"), list):  # Sequential, before Keras 2.3
        config = {"layers": value["config"]}
    name, trainable = value.get("name", config.get("name")), config.get("trainable")
    return Configured(
        class_name=builtin_class(value),
        written=_real_name(value["class_name"].rpartition(">")[2]),
        name=name if isinstance(name, str) and name else None,
        config=config,
        trainable=trainable if isinstance(trainable, bool) else None,
        shared=shared if isinstance(shared := value.get("shared_object_id"), int) else None,
        inner=_layers(value, config, depth),
    )


def builtin_class(value: Config) -> str | None:
    """Return the class of a serialized object where it is Keras' own, else None."""
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if not isinstance(name, str) or ">" in name or registered not in (None, name):
        return None
    if isinstance(module, str) and module.split(".")[0] not in ("keras", "tf_keras", "tensorflow"):
        return None
    if "module" in value and module is None:
        return None
    return _real_name(name)


def _real_name(name: str) -> str:
    return EXPORTED_AS.get(name, name)


def is_operation(value: Config) -> bool:
    """Whether a node of a functional model is an operation (``x + 1``), which Keras does not save as a layer."""
    module = value.get("module")
    return isinstance(module, str) and module.startswith(("keras.src.ops", "keras.ops"))


def is_model(value: Config) -> bool:
    """Whether a serialized object is a model whose config lists its layers: Keras' own, or one described like them."""
    return builtin_class(value) in MODELS or "input_layers" in _mapping(value.get("config"))


def _layers(value: Config, config: Config, depth: int) -> tuple[Configured, ...] | None:
    """Return a model's layers; None where it is no model."""
    layers = config.get("layers")
    if not isinstance(layers, list) or not is_model(value):
        return None
    parsed = [
        parse_config(layer, depth + 1) for layer in layers if not (isinstance(layer, Mapping) and is_operation(layer))
    ]
    return tuple(layer for layer in parsed if layer is not None)


def inner_config(inner: Inner, outer: Config | None) -> Any:
    """Return what the outer config has of a layer inside, or of several in a list; None where it has nothing."""
    return next((outer[key] for key in inner.config.split("|") if outer and outer.get(key)), None)


def inner_layers(inner: Inner, outer: Configured) -> list[Configured]:
    """Return what the outer config, or the table, says of the layers inside another; one, or those of a list."""
    config = inner_config(inner, outer.config)
    if isinstance(config, list):
        return [parse_config(value) or ANYTHING for value in config]
    if not inner.config:
        return [Configured(class_name=inner.class_name, name=inner.name, config=outer.config)]
    layer = parse_config(config)
    if layer is None:
        return [ANYTHING]
    if inner.prefix and layer.name is not None:
        bare = layer.name.removeprefix("forward_").removeprefix("backward_")
        return [msgspec.structs.replace(layer, name=inner.prefix + bare)]
    return [layer]


def _mapping(value: Any) -> Config:
    return value if isinstance(value, Mapping) else {}
