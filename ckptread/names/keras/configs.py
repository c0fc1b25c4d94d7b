"""Reads the objects of a Keras config as data: class, name, config, trainable flag. Nothing is built.

Keras 3 writes ``{"module", "class_name", "config", "registered_name", ...}``, Keras 2 the same with or without
the module, and a ``Package>Class`` in ``class_name`` for a registered custom class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ckptread.limits import JSON_DEPTH, MAX_ENTRIES
from ckptread.names.keras.layers import EXPORTED_AS, Inner

Config = Mapping[str, Any]

MODELS = frozenset({"Sequential", "Functional", "Model"})
KERAS_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a config; without a config, only the class, from its path in the file."""

    class_name: str | None = None
    """Its class if that is built in; None for a custom or unknown class."""
    written: str = ""
    """Its class as the config has it, also a custom one: its group in the file is named after it."""
    name: str | None = None
    config: Config | None = None
    trainable: bool | None = None
    """The flag of its config; None if there is none."""
    shared: int | None = None
    """The number by which the config marks an object that occurs twice."""
    inner: tuple[Configured, ...] | None = None
    """A model's layers; None if it is not a model, or its config has none."""


ANYTHING = Configured()
"""An object of which nothing is known."""


def parse_config(value: Any, depth: int = 0) -> Configured | None:
    """Parse one serialized object; return None if ``value`` is not one."""
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str) or depth > 64:
        return None
    config = as_mapping(value.get("config"))
    if isinstance(value.get("config"), list):  # Sequential, before Keras 2.3
        config = {"layers": value["config"]}
    name, trainable = value.get("name", config.get("name")), config.get("trainable")
    return Configured(
        class_name=builtin_class(value),
        written=_code_name(value["class_name"].rpartition(">")[2]),
        name=as_text(name),
        config=config,
        trainable=trainable if isinstance(trainable, bool) else None,
        shared=shared if isinstance(shared := value.get("shared_object_id"), int) else None,
        inner=_layers(value, config, depth),
    )


def builtin_class(value: Config) -> str | None:
    """Return the class of a serialized object if Keras has it built in, else None."""
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if not isinstance(name, str) or ">" in name or registered not in (None, name):
        return None
    if isinstance(module, str) and module.split(".")[0] not in ("keras", "tf_keras", "tensorflow"):
        return None
    if "module" in value and module is None:
        return None
    return _code_name(name)


def _code_name(name: str) -> str:
    return EXPORTED_AS.get(name, name)


def is_operation(value: Config) -> bool:
    """Whether a node of a functional model is an operation (``x + 1``), which Keras does not save as a layer."""
    module = value.get("module")
    return isinstance(module, str) and module.startswith(("keras.src.ops", "keras.ops"))


def is_model(value: Config) -> bool:
    """Whether a serialized object is a model whose config lists its layers: Keras' own, or one with the same fields."""
    return builtin_class(value) in MODELS or "input_layers" in as_mapping(value.get("config"))


def _layers(value: Config, config: Config, depth: int) -> tuple[Configured, ...] | None:
    """Return a model's layers; None if it is not a model."""
    layers = config.get("layers")
    if not isinstance(layers, list) or not is_model(value):
        return None
    parsed = [
        parse_config(layer, depth + 1) for layer in layers if not (isinstance(layer, Mapping) and is_operation(layer))
    ]
    return tuple(layer for layer in parsed if layer is not None)


def inner_config(inner: Inner, outer: Config | None) -> Any:
    """Return the outer config's entry for a layer inside, or a list of them; None if it has none."""
    return next((outer[key] for key in inner.config.split("|") if outer and outer.get(key)), None)


def inner_layers(inner: Inner, outer: Configured) -> list[Configured]:
    """Return the layer, or the layers, inside another one, by the outer config or else by the table."""
    config = inner_config(inner, outer.config)
    if isinstance(config, list):
        return [parse_config(value) or ANYTHING for value in config]
    if not inner.config:
        return [Configured(class_name=inner.class_name, name=inner.name, config=outer.config)]
    layer = parse_config(config)
    if layer is None:
        return [ANYTHING]
    if inner.prefix and layer.name is not None:
        base = layer.name.removeprefix("forward_").removeprefix("backward_")
        return [msgspec.structs.replace(layer, name=inner.prefix + base)]
    return [layer]


def find_objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every serialized object of a config, the outermost first."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    for _ in range(MAX_ENTRIES):
        if not pending:
            return
        each, depth = pending.pop()
        if isinstance(each, Mapping):
            if isinstance(each.get("class_name"), str):
                yield each
            children = list(each.values())
        else:
            children = each if isinstance(each, list) else []
        if depth < JSON_DEPTH:
            pending += [(child, depth + 1) for child in reversed(children) if isinstance(child, (Mapping, list))]


def list_layers(found: Iterable[tuple[str, Config]]) -> tuple[str, ...]:
    """Return the names of serialized layers, joined by what they have in common: ``int8: embedding, dense``."""
    names: dict[str, dict[str, None]] = {}
    for shared, layer in found:
        name = as_text(as_mapping(layer.get("config")).get("name")) or as_text(layer.get("name"))
        names.setdefault(shared, {})[name or str(layer.get("class_name"))] = None
    return tuple(f"{shared}: {', '.join(each)}" for shared, each in names.items())


def as_mapping(value: Any) -> Config:
    """Return a value of a config if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return a value of a config if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """Return a value of a config if it is a string that is not empty, else None."""
    return value if isinstance(value, str) and value else None
