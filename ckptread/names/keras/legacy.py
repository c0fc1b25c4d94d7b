"""Names the tensors of the HDF5 layout of Keras 1 and 2, which Keras 3 still writes as .h5: names are attributes.

The group of the weights (the root, or ``model_weights`` in a whole model) lists its layers in ``layer_names``;
each layer's group lists its datasets in ``weight_names``; lists over 64 KiB are split into ``layer_names0``,
``layer_names1`` ... (keras/src/legacy/saving/legacy_h5_format.py). The file may list any names: those without
a tensor are skipped. Optimizer state is stored in ``optimizer_weights``, the model's own weights in
``top_level_model_weights``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.limits import MAX_LIST_PARTS
from ckptread.names.keras import policies
from ckptread.names.keras.configs import ANYTHING, Configured, parse_config
from ckptread.names.keras.groups import Attributes
from ckptread.names.keras.legacy_places import FitBudget, LegacyPlace, place_legacy_weights
from ckptread.names.keras.trainable import Flags, is_leaf
from ckptread.tensors import Role, TensorInfo

WHOLE_MODEL, TOP_LEVEL, OPTIMIZER = "model_weights", "top_level_model_weights", "optimizer_weights"
SameBytes = Callable[[str, str], bool]


class LegacyWeight(msgspec.Struct, frozen=True):
    """A weight of the file, and where it is in the model."""

    info: TensorInfo
    weight: str
    """Its name as stored, without TensorFlow's ``:0``."""
    where: LegacyPlace
    certain: bool
    """False if Keras 3.0 may have left out the layers between this and the weight: ``kernel``, in a nested model."""
    outer: str
    """The layer whose list has it."""


def is_legacy(attributes: Attributes) -> bool:
    """Whether the attributes are those of a legacy Keras file."""
    return any(_read_names(attributes, group, "layer_names") is not None for group in ("", WHOLE_MODEL))


def list_weights_by_layer(tensors: Mapping[str, TensorInfo], attributes: Attributes) -> dict[str, tuple[str, ...]]:
    """Return the keys of each layer's weights in the order of the lists, by which Keras loads them; none elsewhere."""
    group = _weights_group(attributes)
    listed = {
        name: tuple(info.key for info, _ in _listed_tensors(tensors, attributes, _join(group, name)))
        for name in _read_names(attributes, group, "layer_names") or []
    }
    return {name: keys for name, keys in listed.items() if keys}


def _weights_group(attributes: Attributes) -> str:
    return WHOLE_MODEL if _read_names(attributes, WHOLE_MODEL, "layer_names") is not None else ""


def name_legacy_tensors(
    tensors: Sequence[TensorInfo], config: Any, attributes: Attributes, same_bytes: SameBytes | None = None
) -> list[TensorInfo]:
    """Return the tensors that the lists name, described, in the model's order; the others are left out."""
    by_key = {info.key: info for info in policies.with_stated_dtypes(tensors, config)}
    group = _weights_group(attributes)
    model = parse_config(config) or ANYTHING
    top_level = _listed_tensors(by_key, attributes, _join(group, TOP_LEVEL))
    found = {info.key: _top_level_tensor(info, weight, model) for info, weight in top_level}
    found |= _model_tensors(by_key, attributes, group, model, same_bytes)
    for info, weight in _listed_tensors(by_key, attributes, OPTIMIZER):
        found.setdefault(info.key, _optimizer_tensor(info, weight))
    return list(found.values())


def _model_tensors(
    by_key: Mapping[str, TensorInfo],
    attributes: Attributes,
    group: str,
    model: Configured,
    same_bytes: SameBytes | None,
) -> dict[str, TensorInfo]:
    """Describe the layers' weights, in the config's order; a nested model stores its trainable ones first."""
    stored = sorted(_model_weights(by_key, attributes, group, model), key=lambda each: each.where.order)
    copies = _find_copies(stored, same_bytes)
    return {each.info.key: _model_tensor(each, copies.get(each.info.key)) for each in stored}


def _model_weights(
    by_key: Mapping[str, TensorInfo], attributes: Attributes, group: str, model: Configured
) -> Iterator[LegacyWeight]:
    """Yield the weights of every layer, in the order of the file."""
    layers = {layer.name: layer for layer in model.inner or ()}
    version_2 = not str(attributes.get(group, {}).get("keras_version", "")).startswith("3")
    flags, budget = Flags(version_2), FitBudget()
    for turn, name in enumerate(_read_names(attributes, group, "layer_names") or []):
        layer = layers.get(name, msgspec.structs.replace(ANYTHING, name=name))
        weights = list(_listed_tensors(by_key, attributes, _join(group, name)))
        places = place_legacy_weights(layer, [weight for _, weight in weights], model.trainable, flags, budget)
        for (info, weight), where in zip(weights, places, strict=True):
            certain = version_2 or "/" in weight or is_leaf(layer)
            yield LegacyWeight(info, weight, msgspec.structs.replace(where, order=(turn, *where.order)), certain, name)


def _find_copies(stored: Sequence[LegacyWeight], same_bytes: SameBytes | None) -> dict[str, str]:
    """Return the second copies of weights of a layer that two models share, each with the key of the first.

    Both have the same stored name. The config (Keras 2) or equal bytes (Keras 3) prove that the layer is the same.
    """
    firsts: dict[tuple[str, Any, str], LegacyWeight] = {}
    copies = {}
    for each in stored:
        first = firsts.setdefault((each.weight, each.info.shape, each.info.dtype), each)
        if first is each or "/" not in each.weight:
            continue
        by_config = each.where.shared is not None and each.where.shared == first.where.shared
        if by_config or (same_bytes is not None and same_bytes(first.info.key, each.info.key)):
            copies[each.info.key] = first.info.key
    return copies


def _read_names(attributes: Attributes, group: str, name: str) -> list[str] | None:
    """Return a list of names, also one that is split into parts; None if there is none."""
    values = attributes.get(group, {})
    if name in values:
        return _unique_texts(values[name])
    parts = [_unique_texts(values[f"{name}{at}"]) for at in range(_count_parts(values, name))]
    return list(dict.fromkeys(text for part in parts for text in part)) if parts else None


def _count_parts(values: Mapping[str, Any], name: str) -> int:
    return next((at for at in range(MAX_LIST_PARTS) if f"{name}{at}" not in values), MAX_LIST_PARTS)


def _unique_texts(value: Any) -> list[str]:
    """Return the strings of a list, without duplicates."""
    texts = value if isinstance(value, list | tuple) else ()
    return list(dict.fromkeys(text for text in texts if isinstance(text, str)))


def _listed_tensors(
    by_key: Mapping[str, TensorInfo], attributes: Attributes, group: str
) -> Iterator[tuple[TensorInfo, str]]:
    """Yield the tensors in a group's ``weight_names``, with their names without TensorFlow's ``:0``."""
    for weight in _read_names(attributes, group, "weight_names") or []:
        info = by_key.get(_join(group, weight))
        if info is not None:
            yield info, weight.removesuffix(":0")


def _join(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name


def _model_tensor(each: LegacyWeight, copy_of: str | None) -> TensorInfo:
    name = _weight_name(each)
    return msgspec.structs.replace(
        each.info,
        variable="/".join((*each.where.chain, name)) if each.certain else None,
        layer="/".join(each.where.chain),
        outer=each.outer,
        role="model",
        trainable=each.where.trainable,
        positional=each.certain and name.startswith("param_"),
        copy_of=copy_of,
    )


def _weight_name(each: LegacyWeight) -> str:
    """Return a weight's name in its layer. With Theano, Keras 1 has no scopes: ``dense_1_W`` is W of ``dense_1``."""
    scopes, _, name = each.weight.rpartition("/")
    prefix = f"{each.where.chain[-1]}_" if each.where.chain and not scopes else "/"
    return name.removeprefix(prefix) or name


def _top_level_tensor(info: TensorInfo, weight: str, model: Configured) -> TensorInfo:
    parts = weight.split("/")
    inside = parts[1:] if len(parts) > 1 and parts[0] == model.name else parts
    return msgspec.structs.replace(
        info, variable="/".join(inside), role="model", trainable=False if model.trainable is False else None
    )


def _optimizer_tensor(info: TensorInfo, weight: str) -> TensorInfo:
    role: Role = "ema" if _is_average(weight) else "optimizer"
    return msgspec.structs.replace(info, variable=None if weight.startswith("param_") else weight, role=role)


def _is_average(weight: str) -> bool:
    """Whether a slot is a moving average of a weight: ``adam/dense_kernel_average`` or ``Adam/average/dense/...``."""
    parts = weight.split("/")
    return weight.endswith("_average") or "average" in parts[1:]
