"""Which of its possible weights a layer has stored, by its config and by the stored tensors.

Every variant of the layer that fits the stored tensors in number, dimensions and kinds of dtype is considered; a weight
gets a name if all of them agree on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import msgspec

from ckptread.names.keras.layers import QUANTIZED, Layer, Weight
from ckptread.tensors import TensorInfo

Config = Mapping[str, Any]
Variant = tuple[Weight, ...]

UNKNOWN = Weight(name="", trainable=True)
"""A weight on which the variants do not agree."""
MODES = ("int8", "int4", "float8", "gptq", "awq")


def resolve(class_name: str, layer: Layer, config: Config | None, stored: Sequence[TensorInfo]) -> Variant | None:
    """Return which weights the tensors ``stored`` are, in order; None if no variant of the layer fits.

    ``config`` is None if the file has none. A weight has an empty name if the variants do not agree on it.
    """
    for known in (config, None):
        fitting = [v for v in _variants(class_name, layer, known) if _fits_stored(v, stored)]
        if fitting:
            return tuple(_common_weight(column) for column in zip(*fitting, strict=True))
    return None


def model_order(weights: Variant) -> list[int]:
    """Return the positions of stored weights in the order of ``layer.weights``: trainable first."""
    return sorted(range(len(weights)), key=lambda at: not weights[at].trainable)


def _variants(class_name: str, layer: Layer, config: Config | None) -> Sequence[Variant]:
    if config is None:
        return _every_variant(class_name, layer)
    rows = rows_of(class_name, layer, config)
    return [variant for row in rows for variant in _expand(row, config)]


def rows_of(class_name: str, layer: Layer, config: Config | None) -> list[tuple[Weight, ...]]:
    """Return the lists of weights that a layer may have; only one if its config states the quantization mode."""
    modes = QUANTIZED.get(class_name, {})
    mode = "?" if config is None else quantization_mode(config)
    if mode is None:
        return [layer.weights]
    return [modes[mode]] if mode in modes else [layer.weights, *modes.values()]


@lru_cache(maxsize=256)
def _every_variant(class_name: str, layer: Layer) -> Sequence[Variant]:
    return [variant for row in rows_of(class_name, layer, None) for variant in _expand(row, {})]


def _expand(weights: Sequence[Weight], config: Config) -> Iterator[Variant]:
    """Yield every combination of weights, over the options that ``config`` does not have."""
    options = {option for weight in weights for option in _options(weight.when)}
    open_options = sorted(option for option in options if option.partition("=")[0].rstrip("!") not in config)
    for values in product((True, False), repeat=len(open_options)):
        chosen = dict(zip(open_options, values, strict=True))
        yield tuple(weight for weight in weights if _is_met(weight.when, config, chosen))


def _options(when: str) -> list[str]:
    return [part.lstrip("!") for part in re.split(r"[|&]", when) if part]


def _is_met(when: str, config: Config, chosen: Mapping[str, bool]) -> bool:
    """Whether a condition of the table is met."""
    if when == "":
        return True
    for mark, decide in (("|", any), ("&", all)):
        if mark in when:
            return decide(_is_met(part, config, chosen) for part in when.split(mark))
    if when.startswith("!"):
        return not _is_met(when[1:], config, chosen)
    return chosen[when] if when in chosen else _is_set(when, config)


def _is_set(option: str, config: Config) -> bool:
    name, equals, wanted = option.partition("=")
    value = config[name.rstrip("!")]
    if not equals:
        return bool(value)
    return ((value is None) if wanted == "null" else value == wanted) != name.endswith("!")


def _fits_stored(variant: Variant, stored: Sequence[TensorInfo]) -> bool:
    return len(variant) == len(stored) and all(map(_could_be, variant, stored))


def _could_be(weight: Weight, info: TensorInfo) -> bool:
    if info.shape is None or (weight.ndim is not None and weight.ndim != len(info.shape)):
        return False
    integer = info.dtype.lstrip("<>|=").startswith(("int", "uint", "i", "u"))
    return weight.kind == "any" or integer == (weight.kind == "int")


def _common_weight(column: Sequence[Weight]) -> Weight:
    first = column[0]
    if all(weight.name == first.name and weight.shared == first.shared for weight in column):
        return first if len(column) == 1 else msgspec.structs.replace(first, trainable=any(w.trainable for w in column))
    return UNKNOWN if any(weight.trainable for weight in column) else msgspec.structs.replace(UNKNOWN, trainable=False)


def quantization_mode(config: Config) -> str | None:
    """Return the mode that a layer's dtype policy names; "?" if the policy is a map, None if it is not quantized."""
    policy = config.get("dtype")
    if not isinstance(policy, Mapping):
        return _parse_mode(policy)
    if policy.get("class_name") == "DTypePolicyMap":
        return "?"
    inner = policy.get("config")
    return (_parse_mode(inner.get("mode")) or _parse_mode(inner.get("name"))) if isinstance(inner, Mapping) else None


def _parse_mode(text: Any) -> str | None:
    """Return the mode that a policy's name begins with: ``int4/128``, ``int8_from_float32``."""
    if not isinstance(text, str):
        return None
    return next((mode for mode in MODES if re.match(rf"{mode}([_/]|$)", text)), None)
