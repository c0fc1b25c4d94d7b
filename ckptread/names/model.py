"""What a Keras config says of the model, read as data: nothing is imported, built or run.

For ``inspect --model``. What would run code on loading is named: a Lambda layer, a function or a lambda that the
config carries, TensorFlow operations of Keras 2, a layer that wraps a SavedModel or a module of PyTorch or JAX.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ckptread.names.configs import KERAS_MODULES, parse
from ckptread.names.keras import KerasEvidence

RUNS_CODE = frozenset(
    ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "NNXLayer", "TFOpLambda", "SlicingOpLambda",
     "KerasLayer", "__lambda__")
)  # fmt: skip
"""Classes that bring code of their own, or load it from elsewhere."""
INNOCENT = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
                      "__tuple__", "TypeSpec", "TensorShape"))  # fmt: skip
MAX_OBJECTS = 200_000
MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class LayerFact:
    """A layer of the model."""

    name: str | None
    class_name: str
    trainable: bool | None
    """Its flag; None where the config has none."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the config says; None or empty where it does not say."""

    class_name: str
    name: str | None = None
    layers: tuple[LayerFact, ...] = ()
    """Those of the model itself, not of models inside it; empty for a subclassed model."""
    input_shape: str | None = None
    """As ``(None, 224, 224, 3)``; several inputs by name."""
    keras_version: str | None = None
    optimizer: str | None = None
    loss: str | None = None
    dtype_policy: str | None = None
    """The policy of the model, or the one that all its layers share."""
    custom_objects: tuple[str, ...] = ()
    """Registered names of the classes and functions that are not Keras' own."""
    runs_code: tuple[str, ...] = ()
    """What would run code on loading, each with its name."""


def facts(evidence: KerasEvidence) -> ModelFacts | None:
    """Return what the file says of its model, or None where it holds no config."""
    config = evidence.config
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        return None
    own = _mapping(config.get("config"))
    layers = [layer for layer in _list(own.get("layers")) if isinstance(layer, Mapping)]
    compiled = _compiled(evidence)
    objects = list(_objects(config))
    return ModelFacts(
        class_name=config["class_name"],
        name=_text(own.get("name")),
        layers=tuple(_layer_fact(layer) for layer in layers if isinstance(layer.get("class_name"), str)),
        input_shape=_input_shape(config, layers),
        keras_version=_keras_version(evidence),
        optimizer=_optimizer_name(compiled),
        loss=_readable(compiled.get("loss")),
        dtype_policy=_policy(own, layers),
        custom_objects=tuple(sorted({name for each in objects if (name := _custom_name(each)) is not None})),
        runs_code=tuple(dict.fromkeys(_runs(each) for each in objects if each["class_name"] in RUNS_CODE)),
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every serialized object of a config, the outermost first."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    for _ in range(MAX_OBJECTS):
        if not pending:
            return
        each, depth = pending.pop()
        if isinstance(each, Mapping):
            if isinstance(each.get("class_name"), str):
                yield each
            children = list(each.values())
        else:
            children = each if isinstance(each, list) else []
        if depth < MAX_DEPTH:
            pending += [(child, depth + 1) for child in reversed(children) if isinstance(child, (Mapping, list))]


def _layer_fact(layer: Mapping[str, Any]) -> LayerFact:
    parsed = parse(layer)
    name, trainable = (parsed.name, parsed.trainable) if parsed is not None else (None, None)
    return LayerFact(name, layer["class_name"].rpartition(">")[2], trainable)


def _custom_name(value: Mapping[str, Any]) -> str | None:
    """Return the registered name of a class or function that is not Keras' own."""
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if name in INNOCENT:
        return None
    if name == "function" and module == "builtins":
        return registered if isinstance(registered, str) else _text(value.get("config"))
    if isinstance(registered, str) and registered != name:
        return registered
    if ">" in name:
        return str(name)
    own = isinstance(module, str) and module.split(".")[0] in KERAS_MODULES
    if "module" not in value or own or module in ("builtins", "tensorflow"):
        return None
    return str(registered or name)


def _runs(value: Mapping[str, Any]) -> str:
    name = _text(_mapping(value.get("config")).get("name")) or _text(value.get("name"))
    return f"{value['class_name']} {name}" if name else str(value["class_name"])


def _compiled(evidence: KerasEvidence) -> Mapping[str, Any]:
    config = evidence.config if isinstance(evidence.config, Mapping) else {}
    return _mapping(config.get("compile_config")) or _mapping(evidence.training_config)


def _optimizer_name(compiled: Mapping[str, Any]) -> str | None:
    value = compiled.get("optimizer", compiled.get("optimizer_config"))
    if not isinstance(value, Mapping):
        return _text(value)
    name = _text(value.get("class_name"))
    inner = _mapping(_mapping(value.get("config")).get("inner_optimizer"))
    held = _text(inner.get("class_name"))
    return f"{name} of {held}" if held else (name.rpartition(">")[2] if name else None)


def _readable(value: Any) -> str | None:
    """Return a loss as a person would write it: its class or function, several by output."""
    if isinstance(value, Mapping):
        if isinstance(value.get("class_name"), str):
            inner = value.get("config")
            return _text(inner) if value["class_name"] == "function" else value["class_name"]
        parts = [f"{key}: {_readable(each)}" for key, each in list(value.items())[:100]]
        return ", ".join(parts) or None
    if isinstance(value, list):
        return ", ".join(str(_readable(each)) for each in value[:100]) or None
    return _text(value)


def _keras_version(evidence: KerasEvidence) -> str | None:
    root = evidence.attributes.get("", {})
    weights = evidence.attributes.get("model_weights", {})
    return evidence.keras_version or _text(root.get("keras_version")) or _text(weights.get("keras_version"))


def _policy(own: Mapping[str, Any], layers: list[Mapping[str, Any]]) -> str | None:
    name = _policy_name(own.get("dtype"))
    if name is not None:
        return name
    configs = [_mapping(layer.get("config")) for layer in layers if layer.get("class_name") != "InputLayer"]
    names = {each for config in configs if (each := _policy_name(config.get("dtype"))) is not None}
    return names.pop() if len(names) == 1 else None


def _policy_name(value: Any) -> str | None:
    config = _mapping(value.get("config")) if isinstance(value, Mapping) else {}
    mode, source = _text(config.get("mode")), _text(config.get("source_name"))
    return _text(value) or _text(config.get("name")) or (f"{mode}_from_{source}" if mode and source else mode)


def _input_shape(config: Mapping[str, Any], layers: list[Mapping[str, Any]]) -> str | None:
    """Return the shapes of the input layers, else the shape that the model was built with."""
    shapes = {}
    for layer in layers:
        own = _mapping(layer.get("config"))
        shape = _shape(own.get("batch_shape", own.get("batch_input_shape")))
        if shape is not None and layer.get("class_name") == "InputLayer":
            shapes[_text(own.get("name")) or "input"] = shape
    if len(shapes) > 1:
        return ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
    first = _mapping(layers[0].get("config")) if layers else {}
    built = _mapping(config.get("build_config")).get("input_shape")
    return next(iter(shapes.values()), None) or _shape(first.get("batch_input_shape")) or _shape(built)


def _shape(value: Any) -> str | None:
    if isinstance(value, Mapping):  # {"class_name": "__tuple__", "items": [...]}
        value = value.get("items")
    if not isinstance(value, list) or not all(each is None or isinstance(each, int) for each in value):
        return None
    return str(tuple(value))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
