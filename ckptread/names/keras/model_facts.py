"""What a Keras config says of the model, read as data: nothing is imported, built or run.

For ``inspect --model``. What would run code on loading is named: a Lambda layer, a function or a lambda that the
config carries, TensorFlow operations of Keras 2, a layer that wraps a SavedModel or a module of PyTorch or JAX, a
function that no model needs (``os.system``, ``keras.utils.get_file``); and so is a layer that reads a file.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any

from ckptread.limits import JSON_DEPTH, MAX_ENTRIES, MAX_NAME_DEPTH
from ckptread.model import LayerFact, ModelFacts
from ckptread.names.keras.configs import KERAS_MODULES, is_model, parse_config
from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.keras.optimizer_state import keeps_slots
from ckptread.names.keras.optimizers import OPTIMIZERS

RUNS_CODE = frozenset(
    ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "NNXLayer", "TFOpLambda", "SlicingOpLambda",
     "KerasLayer")
)  # fmt: skip
"""Classes that bring code of their own, or load it from elsewhere."""
READS_VOCABULARY = ("StringLookup", "IntegerLookup", "TextVectorization")
INNOCENT = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
                      "__tuple__", "TypeSpec", "TensorShape"))  # fmt: skip
FUNCTION_MODULES = ("activations", "losses", "metrics", "initializers", "regularizers", "constraints", "ops", "random",
                    "src", "api", "backend", "applications")  # fmt: skip
"""Modules of Keras whose functions are a model's parts: activations, losses and the like."""


def read_model_facts(evidence: KerasEvidence) -> ModelFacts | None:
    """Return what the file says of its model, or None where it holds no config."""
    config = evidence.config
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        return None
    own = _mapping(config.get("config"))
    layers = [layer for layer in _list(own.get("layers")) if isinstance(layer, Mapping)]
    compiled = _compiled(evidence)
    objects = list(_objects([config, compiled]))
    return ModelFacts(
        class_name=config["class_name"],
        name=_text(own.get("name")),
        layers=_layer_facts(config),
        trainable=own["trainable"] if isinstance(own.get("trainable"), bool) else None,
        input_shape=_input_shape(config, layers),
        keras_version=_keras_version(evidence),
        date_saved=evidence.date_saved,
        optimizer=_optimizer_name(compiled),
        keeps_slots=keeps_slots(_optimizer(compiled)),
        loss=_readable(compiled.get("loss")),
        dtype_policy=_policy(own, layers),
        custom_objects=tuple(sorted({name for each in objects if (name := _custom_name(each)) is not None})),
        runs_code=tuple(dict.fromkeys(said for each in objects if (said := _runs(each)) is not None)),
        reads_files=tuple(dict.fromkeys(said for each in objects if (said := _reads(each)) is not None)),
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
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


def _layer_facts(model: Mapping[str, Any], depth: int = 0) -> tuple[LayerFact, ...]:
    """Return the layers of a model, those of models in it too. A Sequential has no row for its input."""
    own = model.get("config")
    listed = own if isinstance(own, list) else _list(_mapping(own).get("layers"))  # a list before Keras 2.3
    layers = [each for each in listed if isinstance(each, Mapping) and isinstance(each.get("class_name"), str)]
    if depth >= MAX_NAME_DEPTH or not (isinstance(own, list) or is_model(model)):
        return ()
    if model["class_name"] == "Sequential":
        layers = [each for each in layers if each["class_name"] != "InputLayer"]
    return tuple(_layer_fact(each, depth) for each in layers)


def _layer_fact(layer: Mapping[str, Any], depth: int) -> LayerFact:
    parsed = parse_config(layer, MAX_NAME_DEPTH)  # without what is in it
    name, trainable = (parsed.name, parsed.trainable) if parsed is not None else (None, None)
    return LayerFact(name, layer["class_name"].rpartition(">")[2], trainable, _layer_facts(layer, depth + 1))


def _custom_name(value: Mapping[str, Any]) -> str | None:
    """Return the registered name of a class or function that is not Keras' own."""
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if name in INNOCENT:
        return None
    if name == "function" and module == "builtins":
        return _text(value.get("config")) or _text(registered)
    if isinstance(registered, str) and name not in (registered, "function"):
        return registered
    if ">" in name:
        return None if name.removeprefix("Custom>") in OPTIMIZERS else str(name)  # tf_keras registers its own so
    own = isinstance(module, str) and module.split(".")[0] in KERAS_MODULES
    if "module" not in value or own or module in ("builtins", "tensorflow"):
        return None
    return str(registered or name)


def _runs(value: Mapping[str, Any]) -> str | None:
    """Say what an object would run on loading, or None where it is plain data to Keras."""
    if value["class_name"] == "function":
        return _foreign_function(value)
    if value["class_name"] == "__lambda__":
        return "a lambda, as bytecode"
    if value["class_name"] not in RUNS_CODE:
        return None
    name = _text(_mapping(value.get("config")).get("name")) or _text(value.get("name"))
    return f"{value['class_name']} {name}" if name else str(value["class_name"])


def _foreign_function(value: Mapping[str, Any]) -> str | None:
    """Name a function that is no model's part: of another library, or of Keras but for other ends."""
    module, name = _text(value.get("module")), _text(value.get("config")) or ""
    if module is None or (module == "builtins" and not hasattr(builtins, name)):
        return None
    package, _, rest = module.partition(".")
    if package in KERAS_MODULES and rest.split(".")[0] in FUNCTION_MODULES:
        return None
    return f"function {module}.{name}"


def _reads(value: Mapping[str, Any]) -> str | None:
    config = _mapping(value.get("config"))
    file = _text(config.get("vocabulary")) if value["class_name"] in READS_VOCABULARY else None
    return None if file is None else f"{value['class_name']} {_text(config.get('name')) or ''} {file}"


def _compiled(evidence: KerasEvidence) -> Mapping[str, Any]:
    config = evidence.config if isinstance(evidence.config, Mapping) else {}
    return _mapping(config.get("compile_config")) or _mapping(evidence.training_config)


def _optimizer(compiled: Mapping[str, Any]) -> Any:
    return compiled.get("optimizer", compiled.get("optimizer_config"))


def _optimizer_name(compiled: Mapping[str, Any]) -> str | None:
    value = _optimizer(compiled)
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
