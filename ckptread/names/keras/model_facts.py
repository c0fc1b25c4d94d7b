"""Reads the facts about a model from its Keras config, as data: nothing is imported, built or run.

For ``inspect --model``. Everything that would run code on loading is listed: a Lambda layer, a function or a lambda
inside the config, TensorFlow operations of Keras 2, a layer that wraps a SavedModel or a module of PyTorch or JAX, a
function that no model needs (``os.system``, ``keras.utils.get_file``). So is every layer that would read a file.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ckptread.limits import MAX_NAME_DEPTH
from ckptread.model import LayerFact, ModelFacts
from ckptread.names.keras import policies
from ckptread.names.keras.configs import (
    KERAS_MODULES,
    as_list,
    as_mapping,
    as_text,
    find_objects,
    is_model,
    parse_config,
)
from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.keras.lora import adapted_layers
from ckptread.names.keras.optimizer_state import keeps_slots
from ckptread.names.keras.optimizers import OPTIMIZERS

RUNS_CODE = frozenset(
    ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "NNXLayer", "TFOpLambda", "SlicingOpLambda",
     "KerasLayer")
)  # fmt: skip
"""Classes whose config contains code, or that load it from elsewhere."""
READS_VOCABULARY = ("StringLookup", "IntegerLookup", "TextVectorization")
PLAIN_DATA = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__",
                      "__tuple__", "TypeSpec", "TensorShape"))  # fmt: skip
FUNCTION_MODULES = ("activations", "losses", "metrics", "initializers", "regularizers", "constraints", "ops", "random",
                    "src", "api", "backend", "applications")  # fmt: skip
"""Modules of Keras whose functions are parts of models: activations, losses and the like."""


def read_model_facts(evidence: KerasEvidence) -> ModelFacts | None:
    """Return the facts about a file's model, or None if the file has no config."""
    config = evidence.config
    if not isinstance(config, Mapping) or not isinstance(config.get("class_name"), str):
        return None
    own = as_mapping(config.get("config"))
    layers = [layer for layer in as_list(own.get("layers")) if isinstance(layer, Mapping)]
    compiled = _compile_config(evidence)
    objects = list(find_objects([config, compiled]))
    return ModelFacts(
        class_name=config["class_name"],
        name=as_text(own.get("name")),
        layers=_layer_facts(config),
        trainable=own["trainable"] if isinstance(own.get("trainable"), bool) else None,
        input_shape=_input_shape(config, layers),
        keras_version=_keras_version(evidence),
        date_saved=evidence.date_saved,
        optimizer=_optimizer_name(compiled),
        keeps_slots=keeps_slots(_optimizer_config(compiled)),
        loss=_describe_loss(compiled.get("loss")),
        dtype_policy=policies.model_policy(own, layers),
        quantized=policies.quantized_layers(objects),
        lora=adapted_layers(objects),
        custom_objects=tuple(sorted(_unique_descriptions(_custom_name, objects))),
        runs_code=_unique_descriptions(_describe_code, objects),
        reads_files=_unique_descriptions(_describe_file, objects),
    )


def _unique_descriptions(
    describe: Callable[[Mapping[str, Any]], str | None], objects: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return what ``describe`` returns for the objects, each once, without None."""
    return tuple(dict.fromkeys(found for each in objects if (found := describe(each)) is not None))


def _layer_facts(model: Mapping[str, Any], depth: int = 0) -> tuple[LayerFact, ...]:
    """Return the layers of a model, with those of models inside it. The input of a Sequential is not listed."""
    own = model.get("config")
    listed = own if isinstance(own, list) else as_list(as_mapping(own).get("layers"))  # a list before Keras 2.3
    layers = [each for each in listed if isinstance(each, Mapping) and isinstance(each.get("class_name"), str)]
    if depth >= MAX_NAME_DEPTH or not (isinstance(own, list) or is_model(model)):
        return ()
    if model["class_name"] == "Sequential":
        layers = [each for each in layers if each["class_name"] != "InputLayer"]
    return tuple(_layer_fact(each, depth) for each in layers)


def _layer_fact(layer: Mapping[str, Any], depth: int) -> LayerFact:
    parsed = parse_config(layer, MAX_NAME_DEPTH)  # without the layers inside it
    name, trainable = (parsed.name, parsed.trainable) if parsed is not None else (None, None)
    return LayerFact(name, layer["class_name"].rpartition(">")[2], trainable, _layer_facts(layer, depth + 1))


def _custom_name(value: Mapping[str, Any]) -> str | None:
    """Return the registered name of a class or function that is not part of Keras."""
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    if name in PLAIN_DATA:
        return None
    if name == "function" and module == "builtins":
        return as_text(value.get("config")) or as_text(registered)
    if isinstance(registered, str) and name not in (registered, "function"):
        return registered
    if ">" in name:
        return (
            None if name.removeprefix("Custom>") in OPTIMIZERS else str(name)
        )  # tf_keras registers its own optimizers like this
    own = isinstance(module, str) and module.split(".")[0] in KERAS_MODULES
    if "module" not in value or own or module in ("builtins", "tensorflow"):
        return None
    return str(registered or name)


def _describe_code(value: Mapping[str, Any]) -> str | None:
    """Return what code an object would run on loading; None if it would run none."""
    if value["class_name"] == "function":
        return _foreign_function(value)
    if value["class_name"] == "__lambda__":
        return "a lambda, as bytecode"
    if value["class_name"] not in RUNS_CODE:
        return None
    name = as_text(as_mapping(value.get("config")).get("name")) or as_text(value.get("name"))
    return f"{value['class_name']} {name}" if name else str(value["class_name"])


def _foreign_function(value: Mapping[str, Any]) -> str | None:
    """Return a function that is not part of a model: of another library, or of a part of Keras for other purposes."""
    module, name = as_text(value.get("module")), as_text(value.get("config")) or ""
    if module is None or (module == "builtins" and not hasattr(builtins, name)):
        return None
    package, _, rest = module.partition(".")
    if package in KERAS_MODULES and rest.split(".")[0] in FUNCTION_MODULES:
        return None
    return f"function {module}.{name}"


def _describe_file(value: Mapping[str, Any]) -> str | None:
    """Return what file a layer would read on loading; None if it would read none."""
    config = as_mapping(value.get("config"))
    file = as_text(config.get("vocabulary")) if value["class_name"] in READS_VOCABULARY else None
    return None if file is None else f"{value['class_name']} {as_text(config.get('name')) or ''} {file}"


def _compile_config(evidence: KerasEvidence) -> Mapping[str, Any]:
    config = evidence.config if isinstance(evidence.config, Mapping) else {}
    return as_mapping(config.get("compile_config")) or as_mapping(evidence.training_config)


def _optimizer_config(compiled: Mapping[str, Any]) -> Any:
    return compiled.get("optimizer", compiled.get("optimizer_config"))


def _optimizer_name(compiled: Mapping[str, Any]) -> str | None:
    value = _optimizer_config(compiled)
    if not isinstance(value, Mapping):
        return as_text(value)
    name = as_text(value.get("class_name"))
    inner = as_mapping(as_mapping(value.get("config")).get("inner_optimizer"))
    inner_name = as_text(inner.get("class_name"))
    return f"{name} of {inner_name}" if inner_name else (name.rpartition(">")[2] if name else None)


def _describe_loss(value: Any) -> str | None:
    """Return a loss in words: its class or function, or those of each output."""
    if isinstance(value, Mapping):
        if isinstance(value.get("class_name"), str):
            inner = value.get("config")
            return as_text(inner) if value["class_name"] == "function" else value["class_name"]
        parts = [f"{key}: {_describe_loss(each)}" for key, each in list(value.items())[:100]]
        return ", ".join(parts) or None
    if isinstance(value, list):
        return ", ".join(str(_describe_loss(each)) for each in value[:100]) or None
    return as_text(value)


def _keras_version(evidence: KerasEvidence) -> str | None:
    root = evidence.attributes.get("", {})
    weights = evidence.attributes.get("model_weights", {})
    return evidence.keras_version or as_text(root.get("keras_version")) or as_text(weights.get("keras_version"))


def _input_shape(config: Mapping[str, Any], layers: list[Mapping[str, Any]]) -> str | None:
    """Return the shapes of the input layers, or else the shape with which the model was built."""
    shapes = {}
    for layer in layers:
        own = as_mapping(layer.get("config"))
        shape = _format_shape(own.get("batch_shape", own.get("batch_input_shape")))
        if shape is not None and layer.get("class_name") == "InputLayer":
            shapes[as_text(own.get("name")) or "input"] = shape
    if len(shapes) > 1:
        return ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
    first = as_mapping(layers[0].get("config")) if layers else {}
    built = as_mapping(config.get("build_config")).get("input_shape")
    return next(iter(shapes.values()), None) or _format_shape(first.get("batch_input_shape")) or _format_shape(built)


def _format_shape(value: Any) -> str | None:
    if isinstance(value, Mapping):  # {"class_name": "__tuple__", "items": [...]}
        value = value.get("items")
    if not isinstance(value, list) or not all(each is None or isinstance(each, int) for each in value):
        return None
    return str(tuple(value))
