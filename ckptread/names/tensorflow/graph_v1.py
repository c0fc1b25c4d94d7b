"""Variables of TensorFlow 1: the key is the name, and the name tells what the variable is for.

A Saver stores variables under their names. Slots are named after their variable: ``dense/kernel/Adam_1`` by
tf.train's optimizers, ``training/Adagrad/dense/kernel/accumulator`` by Keras' (2.x in a graph), ``kernel_slot_v`` by
Mesh TensorFlow, ``kernel/adam_m`` by BERT's. A name is believed to be a slot only where its variable is there too.
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
"""A variable's name, then what an optimizer of TensorFlow 1 puts behind it."""
KERAS_STATE = (
    r"(?:(?:training|train|.*/training)(?:_[0-9]+)?/)?"
    r"(Adam|SGD|RMSprop|Adagrad|Adadelta|Adamax|Nadam|Ftrl|AdamWeightDecay|LAMB)(?:_[0-9]+)?/(.+)"
)
"""An optimizer of Keras 2: the name of its own, then that of the variable and of the slot, or of a number it keeps."""
KERAS_NUMBERS = frozenset(
    ("iter", "decay", "learning_rate", "beta_1", "beta_2", "rho", "momentum", "beta", "l1_regularization_strength",
     "l2_regularization_strength", "learning_rate_power", "lr", "iterations", "epsilon")
)  # fmt: skip
POWERS = r"(?:.*/)?beta[12]_power(?:_[0-9]+)?"
AVERAGE = "/ExponentialMovingAverage"
COUNTERS = r"save_counter|(?:.*/)?global_step"
TELLING = ("Ada", "ada", "SGD", "RMS", "Ftrl", "LAMB", "lamb_", "Momentum", "_slot_", "_power", AVERAGE, "global_step",
           "save_counter")  # fmt: skip
"""One of these is in every name that the expressions above take: of most names that is quickly said."""


def name_graph_v1_tensors(tensors: Sequence[TensorInfo], saved: SavedGraph) -> list[TensorInfo]:
    """Return the tensors with their names, roles and trainable flags, in the order that the graph made them."""
    keys = {info.key for info in tensors}
    telling = _telling(keys)
    ordered = sorted(tensors, key=lambda info: saved.known.get(info.key, len(saved.known))) if saved.known else tensors
    return [_described(info, role_of(info.key, keys, telling), saved) for info in ordered]


def _described(info: TensorInfo, role: Role, saved: SavedGraph) -> TensorInfo:
    trainable = None
    if role == "model" and saved.trained is not None and info.key in saved.known:
        trainable = info.key in saved.trained
    layer = info.key.rpartition("/")[0] or None
    return msgspec.structs.replace(
        info, variable=info.key, layer=layer if role == "model" else None, role=role, trainable=trainable
    )


def _telling(names: Iterable[str]) -> Sequence[str]:
    """Return the telling words that occur in any of the names at all: in most checkpoints, one or two."""
    text = "\n".join(names)
    return [word for word in TELLING if word in text]


def role_of(name: str, names: Container[str], telling: Sequence[str] = TELLING) -> Role:
    """Say what the variable called ``name`` is for, beside the variables called ``names``.

    No other words than the ``telling`` ones are in any of the names.
    """
    if not any(map(name.__contains__, telling)):
        return "model"
    if re.fullmatch(COUNTERS, name):
        return "bookkeeping"
    if name.endswith(AVERAGE) and name.removesuffix(AVERAGE) in names:
        return "ema"
    slot = re.fullmatch(SLOT, name)
    if (slot is not None and slot[1] in names) or re.fullmatch(POWERS, name):
        return "optimizer"
    state = re.fullmatch(KERAS_STATE, name)
    if state is not None and (state[2] in KERAS_NUMBERS or state[2].rpartition("/")[0] in names):
        return "optimizer"
    return "model"
