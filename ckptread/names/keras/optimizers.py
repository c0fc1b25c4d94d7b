"""The table of optimizers: their slot variables, in the order in which they are stored.

It is taken from ``build`` of keras/src/optimizers (Keras 3.15) and of tf_keras 2.21. An optimizer stores its iteration,
the learning rate if that is a number (Keras 3), a moving average per weight with ``use_ema``, a gradient accumulator
per weight with ``gradient_accumulation_steps`` (Keras 3), then the slots of this table. The variables are derived from
the optimizer's config and the weights that it trains, and are used only if they agree with the stored ones in number
and in every shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.tensors import Role

Config = Mapping[str, Any]
Shape = tuple[int, ...]

OVERWRITTEN = frozenset(
    ("inputs_scale", "inputs_amax_history", "kernel_scale", "kernel_amax_history", "outputs_grad_scale",
     "outputs_grad_amax_history")
)  # fmt: skip
"""Weights of float8 layers that are set to their gradient: they have no slots."""


class Slots(msgspec.Struct, frozen=True):
    """Slot variables that are created together: all of them for the first weight, then for the second."""

    names: tuple[str, ...]
    when: str = ""
    """The option that must be set (and not 0), or ""."""


class OptimizerRow(msgspec.Struct, frozen=True):
    """A row of the table."""

    slots: tuple[Slots, ...] = ()
    last: tuple[str, ...] = ()
    """Scalars of the optimizer itself, stored after the slots (before them in the first versions of Keras 3)."""


class Trained(msgspec.Struct, frozen=True):
    """A weight that an optimizer trains."""

    variable: str
    shape: Shape
    positional: bool = False


class State(msgspec.Struct, frozen=True):
    """A variable that an optimizer is expected to have stored."""

    name: str
    shape: Shape
    role: Role = "optimizer"
    of: Trained | None = None
    """The weight that it is a slot of; None if it is the optimizer's own."""


def _slots(*names: str, when: str = "") -> Slots:
    return Slots(names, when)


MOMENTUM_VELOCITY = _slots("momentum", "velocity")

OPTIMIZERS: Mapping[str, OptimizerRow] = {
    "Adadelta": OptimizerRow((_slots("accumulated_grad", "accumulated_delta_var"),)),
    "Adafactor": OptimizerRow((_slots("r", "c", "velocity"),)),
    "Adagrad": OptimizerRow((_slots("accumulator"),)),
    "Adam": OptimizerRow((MOMENTUM_VELOCITY, _slots("velocity_hat", when="amsgrad"))),
    "AdamW": OptimizerRow((MOMENTUM_VELOCITY, _slots("velocity_hat", when="amsgrad"))),
    "Adamax": OptimizerRow((_slots("momentum", "norm"),)),
    "Ftrl": OptimizerRow((_slots("accumulator", "linear"),)),
    "Lamb": OptimizerRow((MOMENTUM_VELOCITY,)),
    "Lion": OptimizerRow((_slots("momentum"),)),
    "Muon": OptimizerRow((MOMENTUM_VELOCITY,)),
    "Nadam": OptimizerRow((MOMENTUM_VELOCITY,), last=("u_product",)),
    "RMSprop": OptimizerRow((
        _slots("velocity"), _slots("momentum", when="momentum"), _slots("average_gradient", when="centered")
    )),
    "SGD": OptimizerRow((_slots("momentum", when="momentum"),)),
    "ScheduleFreeAdamW": OptimizerRow((MOMENTUM_VELOCITY,)),
}  # fmt: skip
"""Keras 3, without LossScaleOptimizer and MultiOptimizer, which have others inside (``optimizer_state``)."""

OPTIMIZERS_KERAS_2: Mapping[str, OptimizerRow] = {
    "Adadelta": OptimizerRow((_slots("accumulated_grad", "accumulated_delta_var"),)),
    "Adafactor": OptimizerRow((_slots("r", "c", "v"),)),
    "Adagrad": OptimizerRow((_slots("accumulator"),)),
    "Adam": OptimizerRow((_slots("m", "v"), _slots("vhat", when="amsgrad"))),
    "AdamW": OptimizerRow((_slots("m", "v"), _slots("vhat", when="amsgrad"))),
    "Adamax": OptimizerRow((_slots("m", "u"),)),
    "Ftrl": OptimizerRow((_slots("accumulator", "linear"),)),
    "Lion": OptimizerRow((_slots("m"),)),
    "Nadam": OptimizerRow((_slots("m", "v"),)),
    "RMSprop": OptimizerRow((
        _slots("velocity"), _slots("momentum", when="momentum"), _slots("average_gradient", when="centered")
    )),
    "SGD": OptimizerRow((_slots("m", when="momentum"),)),
}  # fmt: skip
"""Keras 2.11 to 2.15, in a .keras; other files of Keras 2 have the names of these variables."""


def state_head(config: Config, *, version_2: bool = False) -> list[State]:
    """Return the variables that every optimizer stores first, built or not."""
    head = [State("iteration", ())]
    rate = config.get("learning_rate", 0.001)
    if not version_2 and isinstance(rate, (int, float)):  # a schedule is computed, not stored
        head.append(State("learning_rate", ()))
    return head


def states(
    class_name: str, config: Config, trained: Sequence[Trained], *, version_2: bool = False
) -> list[list[State]]:
    """Return the possible variables of an optimizer of this config that trains ``trained``; none if it is unknown."""
    row = (OPTIMIZERS_KERAS_2 if version_2 else OPTIMIZERS).get(class_name)
    if row is None:
        return []
    slotted = [weight for weight in trained if version_2 or weight.variable.rpartition("/")[2] not in OVERWRITTEN]
    head, found = state_head(config, version_2=version_2), []
    if config.get("use_ema"):
        found += [State("average", weight.shape, "ema", weight) for weight in slotted]
    if config.get("gradient_accumulation_steps") and not version_2:
        found += [State("gradient_accumulator", weight.shape, of=weight) for weight in trained]
    for slots in row.slots:
        if not slots.when or config.get(slots.when):
            found += [each for weight in slotted for each in _slots_of(class_name, slots, weight, config, version_2)]
    last = [State(name, ()) for name in row.last]
    possible = [[*head, *found, *last], [*head, *last, *found], [*head, *found]]
    return possible + [[each for each in states if not _unfactored(class_name, each)] for states in possible[:1]]


def _unfactored(class_name: str, state: State) -> bool:
    """Whether it is Adafactor's scalar for a weight that is not factored, which an inner optimizer does not store."""
    return class_name == "Adafactor" and state.name in ("r", "c") and state.shape == ()


def _slots_of(class_name: str, slots: Slots, weight: Trained, config: Config, version_2: bool) -> Iterator[State]:
    """Yield the slots of one weight."""
    for name in slots.names:
        if name in ("r", "c") and class_name == "Adafactor":
            if len(weight.shape) >= 2 or not version_2:  # Keras 3 has a scalar for a weight that is not factored
                yield State(name, _factored(name, weight.shape), of=weight)
        elif class_name != "Muon" or name == "momentum" or _by_adam(weight, config):
            yield State(name, weight.shape, of=weight)


def _factored(name: str, shape: Shape) -> Shape:
    if len(shape) < 2:
        return ()
    return shape[:-1] if name == "r" else (*shape[:-2], shape[-1])


def _by_adam(weight: Trained, config: Config) -> bool:
    """Whether Muon leaves a weight to Adam. Its patterns are compared as plain text: a file's regex is never run."""
    if len(weight.shape) != 2 or (config.get("exclude_embeddings", True) and "embedding" in weight.variable.lower()):
        return True
    patterns = config.get("exclude_layers")
    return isinstance(patterns, list) and any(isinstance(p, str) and p in weight.variable for p in patterns)
