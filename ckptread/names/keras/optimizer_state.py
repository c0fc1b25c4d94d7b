"""The variables under ``optimizer`` of a Keras 3 weights file, by the names that Keras gave them.

``optimizer/vars/7`` is ``adam/dense_1_bias_velocity``: the optimizer's name, the weight's, the slot's. Keras 2
turned it round: ``Adam/v/dense_1/bias``. An optimizer that holds others stores their variables twice, in its own
list and in their groups; the second is an alias of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ckptread.names.keras.configs import parse_config
from ckptread.names.keras.groups import VariableGroup, snake_case, walk_groups
from ckptread.names.keras.optimizers import OPTIMIZERS, State, Trained, state_head, states
from ckptread.names.keras.walk import LayerWalk
from ckptread.tensors import TensorInfo

LOSS_SCALE, MULTI = "LossScaleOptimizer", "MultiOptimizer"
SHORT_NAMES = {name.lower(): name for name in OPTIMIZERS}
"""What ``compile(optimizer="adam")`` leaves in the config."""


class ConfiguredOptimizer(msgspec.Struct, frozen=True):
    """One optimizer of the config."""

    class_name: str
    name: str
    config: Mapping[str, Any]


def describe_optimizer(
    group: VariableGroup, config: Any, walk: LayerWalk, *, version_2: bool = False
) -> list[TensorInfo]:
    """Return all tensors of the optimizer's group, in its order, named where the derived list agrees."""
    optimizer = _parse(config)
    found: list[TensorInfo] = []
    if optimizer is None:
        found = [msgspec.structs.replace(info, role="optimizer") for info in group.own]
    elif optimizer.class_name in (LOSS_SCALE, MULTI):
        found = _holder(optimizer, group, walk)
    else:
        found = _named(optimizer, group.own, walk, version_2)
    seen = {info.key for info in found}
    rest = [info for each in walk_groups(group) for info in each.own if info.key not in seen]
    return [*found, *(msgspec.structs.replace(info, role="optimizer") for info in rest)]


def keeps_slots(config: Any) -> bool | None:
    """Whether an optimizer of this config has variables for each weight once it is built; None for an unknown one."""
    optimizer = _parse(config)
    if optimizer is None:
        return None
    if optimizer.class_name == LOSS_SCALE:
        return keeps_slots(optimizer.config.get("inner_optimizer"))
    possible = states(optimizer.class_name, optimizer.config, [Trained("weight", (2, 2))])
    return any(state.of is not None for state in possible[0]) if possible else None


def _parse(config: Any) -> ConfiguredOptimizer | None:
    if isinstance(config, str):
        name = SHORT_NAMES.get(config.lower())
        return None if name is None else ConfiguredOptimizer(name, snake_case(name), {})
    parsed = parse_config(config)
    if parsed is None or parsed.class_name is None:
        return None
    return ConfiguredOptimizer(parsed.class_name, parsed.name or snake_case(parsed.class_name), parsed.config or {})


def _holder(optimizer: ConfiguredOptimizer, group: VariableGroup, walk: LayerWalk) -> list[TensorInfo]:
    """Name the variables of an optimizer that holds others, and theirs, which its own list has again at its end."""
    inner, own = _inner(optimizer, group), group.own
    named = [info for each, child in inner for info in _named(each, child.own, walk, False)]
    at = len(own) - len(named)
    if len(own) == len(state_head({})):  # not built yet: its list has its own numbers alone
        return [*_first(optimizer, own), *named]
    if not named or at < 0 or [info.shape for info in own[at:]] != [info.shape for info in named]:
        return [msgspec.structs.replace(info, role="optimizer") for info in own]
    outer = [
        msgspec.structs.replace(info, key=each.key, extent=each.extent, problem=each.problem, nbytes=each.nbytes)
        for each, info in zip(own[at:], named, strict=True)
    ]
    seconds = [msgspec.structs.replace(info, alias_of=each.key) for each, info in zip(own[at:], named, strict=True)]
    return [*_first(optimizer, own[:at]), *outer, *seconds]


def _first(optimizer: ConfiguredOptimizer, own: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Name what a holder keeps itself, where that is what it must be."""
    head = state_head({})
    if optimizer.class_name == LOSS_SCALE and len(own) > len(head):
        head += [State("step_counter", ()), State("dynamic_scale", ())]
    if [each.shape for each in head] != [info.shape for info in own]:
        return [msgspec.structs.replace(info, role="optimizer") for info in own]
    return [_apply(info, each, optimizer, False) for info, each in zip(own, head, strict=True)]


def _inner(optimizer: ConfiguredOptimizer, group: VariableGroup) -> list[tuple[ConfiguredOptimizer, VariableGroup]]:
    """Return the optimizers that another holds, in its order, with their groups."""
    if optimizer.class_name == LOSS_SCALE:
        pairs = [(_parse(optimizer.config.get("inner_optimizer")), group.child("inner_optimizer"))]
    else:
        pairs = _mapped(optimizer, group.child("optimizers", "_inner_optimizers"))
    return [(held, child) for held, child in pairs if held is not None and child is not None]


def _mapped(
    optimizer: ConfiguredOptimizer, stored: VariableGroup | None
) -> list[tuple[ConfiguredOptimizer | None, VariableGroup | None]]:
    options = parse_config(optimizer.config.get("optimizer_map"))
    config = options.config if options is not None and options.config is not None else {}
    several = config.get("optimizer_map")
    held = [*(several.values() if isinstance(several, Mapping) else ()), config.get("default_optimizer")]
    turns: Counter[str] = Counter()
    pairs: list[tuple[ConfiguredOptimizer | None, VariableGroup | None]] = []
    for each in map(_parse, held):
        base = snake_case(each.class_name) if each is not None else ""
        key = f"{base}_{turns[base]}" if turns[base] else base
        turns[base] += 1
        pairs.append((each, stored.child(key) if stored is not None else None))
    return pairs


def _named(
    optimizer: ConfiguredOptimizer, own: Sequence[TensorInfo], walk: LayerWalk, version_2: bool
) -> list[TensorInfo]:
    """Name one optimizer's variables: all of them, or only the first ones, which do not depend on the model."""
    shapes = [info.shape for info in own]
    trained = _trained(walk) if walk.ordered else []
    possible = states(optimizer.class_name, optimizer.config, trained, version_2=version_2)
    wanted = next((each for each in possible if [state.shape for state in each] == shapes), None)
    if wanted is None:
        head = state_head(optimizer.config, version_2=version_2) if possible else []
        wanted = head if [each.shape for each in head] == shapes[: len(head)] else []
    found = [_apply(info, each, optimizer, version_2) for info, each in zip(own, wanted, strict=False)]
    return found + [msgspec.structs.replace(info, role="optimizer") for info in own[len(wanted) :]]


def _trained(walk: LayerWalk) -> list[Trained]:
    """Return the weights that the optimizer trains, where all of them have a name."""
    weights = [w for w in walk.found if w.role == "model" and w.alias_of is None and w.trainable is not False]
    if any(weight.variable is None or weight.shape is None for weight in weights):
        return []
    return [Trained(weight.variable or "", weight.shape or (), weight.positional) for weight in weights]


def _apply(info: TensorInfo, each: State, optimizer: ConfiguredOptimizer, version_2: bool) -> TensorInfo:
    if each.of is None:
        variable = each.name if version_2 else f"{optimizer.name}/{each.name}"
    elif version_2:
        variable = f"{optimizer.name}/{each.name}/{each.of.variable}"
    else:
        variable = f"{optimizer.name}/{each.of.variable.replace('/', '_')}_{each.name}"
    positional = each.of is not None and each.of.positional
    return msgspec.structs.replace(info, variable=variable, role=each.role, positional=positional)
