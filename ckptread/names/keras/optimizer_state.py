"""Names the variables under ``optimizer`` of a Keras 3 weights file as Keras does.

``optimizer/vars/7`` is ``adam/dense_1_bias_velocity``: the names of the optimizer, the weight and the slot. Keras 2
has another order: ``Adam/v/dense_1/bias``. An optimizer with others inside stores their variables twice, in its own
list and in their groups; the second is a copy of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ckptread.names.keras.configs import parse_config
from ckptread.names.keras.groups import VariableGroup, snake_case, walk_groups
from ckptread.names.keras.optimizers import OPTIMIZERS, State, Trained, state_head, states
from ckptread.names.keras.trained_order import states_by_shapes
from ckptread.names.keras.walk import LayerWalk
from ckptread.tensors import TensorInfo

LOSS_SCALE, MULTI = "LossScaleOptimizer", "MultiOptimizer"
SHORT_NAMES = {name.lower(): name for name in OPTIMIZERS}
"""Optimizers by the name that ``compile(optimizer="adam")`` writes into the config."""


class ConfiguredOptimizer(msgspec.Struct, frozen=True):
    """One optimizer of the config."""

    class_name: str
    name: str
    config: Mapping[str, Any]


def describe_optimizer(
    group: VariableGroup, config: Any, walk: LayerWalk, *, version_2: bool = False
) -> list[TensorInfo]:
    """Return all tensors of the optimizer's group, in order, named if the expected variables agree with the stored."""
    optimizer = _parse_optimizer(config)
    found: list[TensorInfo] = []
    if optimizer is None:
        found = [msgspec.structs.replace(info, role="optimizer") for info in group.own]
    elif optimizer.class_name in (LOSS_SCALE, MULTI):
        found = _name_nested(optimizer, group, walk)
    else:
        found = _name_variables(optimizer, group.own, walk, version_2)
    seen = {info.key for info in found}
    rest = [info for each in walk_groups(group) for info in each.own if info.key not in seen]
    return [*found, *(msgspec.structs.replace(info, role="optimizer") for info in rest)]


def keeps_slots(config: Any) -> bool | None:
    """Whether an optimizer of this config has variables for each weight once it is built; None if it is unknown."""
    optimizer = _parse_optimizer(config)
    if optimizer is None:
        return None
    if optimizer.class_name == LOSS_SCALE:
        return keeps_slots(optimizer.config.get("inner_optimizer"))
    possible = states(optimizer.class_name, optimizer.config, [Trained("weight", (2, 2))])
    return any(state.of is not None for state in possible[0]) if possible else None


def _parse_optimizer(config: Any) -> ConfiguredOptimizer | None:
    if isinstance(config, str):
        name = SHORT_NAMES.get(config.lower())
        return None if name is None else ConfiguredOptimizer(name, snake_case(name), {})
    parsed = parse_config(config)
    if parsed is None or parsed.class_name is None:
        return None
    return ConfiguredOptimizer(parsed.class_name, parsed.name or snake_case(parsed.class_name), parsed.config or {})


def _name_nested(optimizer: ConfiguredOptimizer, group: VariableGroup, walk: LayerWalk) -> list[TensorInfo]:
    """Name the variables of an optimizer and of those inside it, which its own list repeats at the end."""
    inner, own = _inner_optimizers(optimizer, group), group.own
    named = [info for each, child in inner for info in _name_variables(each, child.own, walk, False)]
    at = len(own) - len(named)
    if len(own) == len(state_head({})):  # not built yet: its list has only its own scalars
        return [*_name_own(optimizer, own), *named]
    if not named or at < 0 or [info.shape for info in own[at:]] != [info.shape for info in named]:
        return [msgspec.structs.replace(info, role="optimizer") for info in own]
    outer = [
        msgspec.structs.replace(info, key=each.key, extent=each.extent, problem=each.problem, nbytes=each.nbytes)
        for each, info in zip(own[at:], named, strict=True)
    ]
    seconds = [msgspec.structs.replace(info, copy_of=each.key) for each, info in zip(own[at:], named, strict=True)]
    return [*_name_own(optimizer, own[:at]), *outer, *seconds]


def _name_own(optimizer: ConfiguredOptimizer, own: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Name the own variables of an optimizer with others inside, if their shapes are as expected."""
    head = state_head({})
    if optimizer.class_name == LOSS_SCALE and len(own) > len(head):
        head += [State("step_counter", ()), State("dynamic_scale", ())]
    if [each.shape for each in head] != [info.shape for info in own]:
        return [msgspec.structs.replace(info, role="optimizer") for info in own]
    return [_name_variable(info, each, optimizer, False) for info, each in zip(own, head, strict=True)]


def _inner_optimizers(
    optimizer: ConfiguredOptimizer, group: VariableGroup
) -> list[tuple[ConfiguredOptimizer, VariableGroup]]:
    """Return the optimizers inside another, in its order, with their groups."""
    if optimizer.class_name == LOSS_SCALE:
        pairs = [(_parse_optimizer(optimizer.config.get("inner_optimizer")), group.child("inner_optimizer"))]
    else:
        pairs = _mapped_optimizers(optimizer, group.child("optimizers", "_inner_optimizers"))
    return [(inner, child) for inner, child in pairs if inner is not None and child is not None]


def _mapped_optimizers(
    optimizer: ConfiguredOptimizer, stored: VariableGroup | None
) -> list[tuple[ConfiguredOptimizer | None, VariableGroup | None]]:
    options = parse_config(optimizer.config.get("optimizer_map"))
    config = options.config if options is not None and options.config is not None else {}
    several = config.get("optimizer_map")
    inner = [*(several.values() if isinstance(several, Mapping) else ()), config.get("default_optimizer")]
    turns: Counter[str] = Counter()
    pairs: list[tuple[ConfiguredOptimizer | None, VariableGroup | None]] = []
    for each in map(_parse_optimizer, inner):
        base = snake_case(each.class_name) if each is not None else ""
        key = f"{base}_{turns[base]}" if turns[base] else base
        turns[base] += 1
        pairs.append((each, stored.child(key) if stored is not None else None))
    return pairs


def _name_variables(
    optimizer: ConfiguredOptimizer, own: Sequence[TensorInfo], walk: LayerWalk, version_2: bool
) -> list[TensorInfo]:
    """Name one optimizer's variables: all, or only the first ones, which do not depend on the model."""
    shapes = [info.shape for info in own]
    trained = _trained(walk) if walk.ordered else []
    possible = states(optimizer.class_name, optimizer.config, trained, version_2=version_2)
    expected = next((each for each in possible if [state.shape for state in each] == shapes), None)
    if expected is None and possible and not walk.ordered:
        kind = optimizer.class_name
        expected = states_by_shapes(kind, optimizer.config, own, walk.found, version_2=version_2)
    if expected is None:
        head = state_head(optimizer.config, version_2=version_2) if possible else []
        expected = head if [each.shape for each in head] == shapes[: len(head)] else []
    found = [_name_variable(info, each, optimizer, version_2) for info, each in zip(own, expected, strict=False)]
    return found + [msgspec.structs.replace(info, role="optimizer") for info in own[len(expected) :]]


def _trained(walk: LayerWalk) -> list[Trained]:
    """Return the weights that the optimizer trains; none if some of them have no name."""
    found: list[Trained] = []
    for at, info in enumerate([*walk.found, None]):
        found += [Trained(name, shape) for name, shape in walk.factors.get(at, ())]
        if info is None or info.role != "model" or info.repeats is not None or info.trainable is False:
            continue
        if info.variable is None or info.shape is None:
            return []
        found.append(Trained(info.variable, info.shape, info.positional))
    return found


def _name_variable(info: TensorInfo, each: State, optimizer: ConfiguredOptimizer, version_2: bool) -> TensorInfo:
    if each.of is None:
        variable = each.name if version_2 else f"{optimizer.name}/{each.name}"
    elif version_2:
        variable = f"{optimizer.name}/{each.name}/{each.of.variable}"
    else:
        variable = f"{optimizer.name}/{each.of.variable.replace('/', '_')}_{each.name}"
    positional = each.of is not None and each.of.positional
    return msgspec.structs.replace(info, variable=variable, role=each.role, positional=positional)
