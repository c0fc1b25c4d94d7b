"""Which of its possible weights a layer has stored: what its config says, and what the stored ones allow.

Every variant of the layer that fits the stored number, dimensions and kinds of dtype is kept; a name is given
where all of them agree, and none where they do not.
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
"""Stands where the variants do not agree."""
MODES = ("int8", "int4", "float8", "gptq", "awq")


def resolve(class_name: str, layer: Layer, config: Config | None, stored: Sequence[TensorInfo]) -> Variant | None:
    """Return the weights that ``stored`` are, in their order; None where no variant of the layer fits.

    ``config`` is None where the file holds none. A weight without a name is one that the variants disagree on.
    """
    for known in (config, None):
        fitting = [v for v in _variants(class_name, layer, known) if _fits(v, stored)]
        if fitting:
            return tuple(_agreed(column) for column in zip(*fitting, strict=True))
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
    """Return the rows of weights that a layer may have by its quantization mode: one where its config tells."""
    modes = QUANTIZED.get(class_name, {})
    mode = "?" if config is None else quantization_mode(config)
    if mode is None:
        return [layer.weights]
    return [modes[mode]] if mode in modes else [layer.weights, *modes.values()]


@lru_cache(maxsize=256)
def _every_variant(class_name: str, layer: Layer) -> Sequence[Variant]:
    return [variant for row in rows_of(class_name, layer, None) for variant in _expand(row, {})]


def _expand(weights: Sequence[Weight], config: Config) -> Iterator[Variant]:
    """Yield every choice of the weights, over the options that ``config`` does not have."""
    options = {option for weight in weights for option in _options(weight.when)}
    open_options = sorted(option for option in options if option.partition("=")[0].rstrip("!") not in config)
    for values in product((True, False), repeat=len(open_options)):
        chosen = dict(zip(open_options, values, strict=True))
        yield tuple(weight for weight in weights if _holds(weight.when, config, chosen))


def _options(when: str) -> list[str]:
    return [part.lstrip("!") for part in re.split(r"[|&]", when) if part]


def _holds(when: str, config: Config, chosen: Mapping[str, bool]) -> bool:
    """Say whether a condition of the table is met."""
    if when == "":
        return True
    for mark, decide in (("|", any), ("&", all)):
        if mark in when:
            return decide(_holds(part, config, chosen) for part in when.split(mark))
    if when.startswith("!"):
        return not _holds(when[1:], config, chosen)
    return chosen[when] if when in chosen else _is_set(when, config)


def _is_set(option: str, config: Config) -> bool:
    name, equals, wanted = option.partition("=")
    value = config[name.rstrip("!")]
    if not equals:
        return bool(value)
    return ((value is None) if wanted == "null" else value == wanted) != name.endswith("!")


def _fits(variant: Variant, stored: Sequence[TensorInfo]) -> bool:
    return len(variant) == len(stored) and all(map(_could_be, variant, stored))


def _could_be(weight: Weight, info: TensorInfo) -> bool:
    if info.shape is None or (weight.ndim is not None and weight.ndim != len(info.shape)):
        return False
    integer = info.dtype.lstrip("<>|=").startswith(("int", "uint", "i", "u"))
    return weight.kind == "any" or integer == (weight.kind == "int")


def _agreed(column: Sequence[Weight]) -> Weight:
    first = column[0]
    if all(weight.name == first.name and weight.shared == first.shared for weight in column):
        return first if len(column) == 1 else msgspec.structs.replace(first, trainable=any(w.trainable for w in column))
    return UNKNOWN if any(weight.trainable for weight in column) else msgspec.structs.replace(UNKNOWN, trainable=False)


def quantization_mode(config: Config) -> str | None:
    """Return the mode that a layer's dtype policy names, "?" where the policy is a map, None where it is plain."""
    policy = config.get("dtype")
    if not isinstance(policy, Mapping):
        return _mode(policy)
    if policy.get("class_name") == "DTypePolicyMap":
        return "?"
    inner = policy.get("config")
    return (_mode(inner.get("mode")) or _mode(inner.get("name"))) if isinstance(inner, Mapping) else None


def _mode(text: Any) -> str | None:
    """Return the mode that a policy's name begins with: ``int4/128``, ``int8_from_float32``."""
    if not isinstance(text, str):
        return None
    return next((mode for mode in MODES if re.match(rf"{mode}([_/]|$)", text)), None)
