"""Roles of TensorFlow 1 variables: the key is the name, and the name shows the role.

A Saver stores variables under their names. Slots are named after their variable: ``dense/kernel/Adam_1`` by
tf.train's optimizers, ``training/Adagrad/dense/kernel/accumulator`` by Keras 2 in graph mode, ``kernel_slot_v`` by
Mesh TensorFlow, ``kernel/adam_m`` by BERT. A name counts as a slot only if the checkpoint has its variable as well.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

import msgspec

from ckptread.names.tensorflow.saved_model import SavedGraph
from ckptread.tensors import Role, TensorInfo

SLOT = (
    r"(.+)(?:/(?:Adam|AdaMax|Momentum|Adagrad|AdagradDA|Adadelta|RMSProp|Ftrl|Nadam|ProximalAdagrad|LAMB)(?:_[0-9])?"
    r"|/(?:adam|lamb)_[mv]|_slot_(?:v|vr|vc|m)|/(?:Adafactor|adafactor)(?:_[0-9])?)"
)
"""A variable's name, then the ending that an optimizer of TensorFlow 1 adds."""
KERAS_STATE = (
    r"(?:(?:training|train|.*/training)(?:_[0-9]+)?/)?"
    r"(Adam|SGD|RMSprop|Adagrad|Adadelta|Adamax|Nadam|Ftrl|AdamWeightDecay|LAMB)(?:_[0-9]+)?/(.+)"
)
"""An optimizer's name of Keras 2, then those of a variable and its slot, or that of one of its own scalars."""
KERAS_NUMBERS = frozenset(
    ("iter", "decay", "learning_rate", "beta_1", "beta_2", "rho", "momentum", "beta", "l1_regularization_strength",
     "l2_regularization_strength", "learning_rate_power", "lr", "iterations", "epsilon")
)  # fmt: skip
POWERS = r"(?:.*/)?beta[12]_power(?:_[0-9]+)?"
AVERAGE = "/ExponentialMovingAverage"
AVERAGE_SLOT = "average"
"""The slot of Keras 2's optimizers that average weights."""
COUNTERS = r"save_counter|(?:.*/)?global_step"
HINTS = ("Ada", "ada", "SGD", "RMS", "Ftrl", "LAMB", "lamb_", "Momentum", "_slot_", "_power", AVERAGE, "global_step",
           "save_counter")  # fmt: skip
"""Every name that matches an expression above contains one of these words; most names have none."""


def name_graph_v1_tensors(tensors: Sequence[TensorInfo], saved: SavedGraph) -> list[TensorInfo]:
    """Return the tensors with names, roles and trainable flags, in the order in which the graph created them."""
    keys = {info.key for info in tensors}
    hints = _find_hints(keys)
    ordered = sorted(tensors, key=lambda info: saved.known.get(info.key, len(saved.known))) if saved.known else tensors
    return [_describe_by_name(info, role_of(info.key, keys, hints), saved) for info in ordered]


def _describe_by_name(info: TensorInfo, role: Role, saved: SavedGraph) -> TensorInfo:
    trainable = None
    if role == "model" and saved.trained is not None and info.key in saved.known:
        trainable = info.key in saved.trained
    layer = info.key.rpartition("/")[0] or None
    return msgspec.structs.replace(
        info, variable=info.key, layer=layer if role == "model" else None, role=role, trainable=trainable
    )


def _find_hints(names: Iterable[str]) -> Sequence[str]:
    """Return the hints that occur in any of the names: in most checkpoints, one or two."""
    text = "\n".join(names)
    return [word for word in HINTS if word in text]


def role_of(name: str, names: Container[str], hints: Sequence[str] = HINTS) -> Role:
    """Return the role of the variable ``name`` of a checkpoint that has the variables ``names``.

    ``hints`` are all those that occur in any of the names.
    """
    if not any(map(name.__contains__, hints)):
        return "model"
    if re.fullmatch(COUNTERS, name):
        return "bookkeeping"
    if name.endswith(AVERAGE) and name.removesuffix(AVERAGE) in names:
        return "ema"
    slot = re.fullmatch(SLOT, name)
    if (slot is not None and slot[1] in names) or re.fullmatch(POWERS, name):
        return "optimizer"
    state = re.fullmatch(KERAS_STATE, name)
    if state is not None and state[2] in KERAS_NUMBERS:
        return "optimizer"
    weight, _, kind = state[2].rpartition("/") if state is not None else ("", "", "")
    if weight in names:
        return "ema" if kind == AVERAGE_SLOT else "optimizer"
    return "model"
