"""Checkpoints that no Keras model wrote, and models that share names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")


import ckptread
from ckptread.names.tensorflow import describe as names
from ckptread.names.tensorflow.messages import OBJECT_GRAPH
from ckptread.untrusted.binary import Message
from tests.names import evidence

L = keras.layers


class InCall(keras.Model):
    """Its layers build their layers inside ``call``: all of them are ``in_call/kernel`` to TensorFlow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = L.Bidirectional(L.LSTM(2)), L.MultiHeadAttention(2, 2)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.first(self.second(x, x))


def test_a_full_name_that_stands_twice_names_nothing(tmp_path: Path) -> None:
    model = InCall()
    model(np.zeros((1, 3, 4)))
    prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "c"))
    named = [i for i in names.name_tensorflow_tensors(*evidence.checkpoint(prefix)) if i.role == "model"]
    variables = [info.variable for info in named if info.variable is not None]
    assert len(named) == len(model.weights)
    assert len(variables) == len(set(variables))
    assert None in {info.variable for info in named}


def test_modules_and_counters(tmp_path: Path) -> None:
    module = tf.Module()
    module.a, module.b, module.named = tf.Variable([1.0]), tf.Variable([2.0]), tf.Variable([3.0], name="mine")
    checkpoint = tf.train.Checkpoint(module=module, global_step=tf.Variable(1, dtype=tf.int64))
    prefix = checkpoint.save(str(tmp_path / "c"))
    found = {i.key.partition("/.ATTR")[0]: i for i in names.name_tensorflow_tensors(*evidence.checkpoint(prefix))}
    assert found["module/a"].variable is None  # TensorFlow calls all of them Variable
    assert found["module/named"].variable == "mine"
    assert {found[key].role for key in ("save_counter", "global_step", names.OBJECT_GRAPH_KEY)} == {"bookkeeping"}
    assert found["module/named"].role == "model"


def test_an_optimizer_is_known_by_its_children(tmp_path: Path) -> None:
    """Under another name, with a model variable that only the optimizer's list leads to."""
    weight = keras.Variable(np.zeros((2, 2)), name="weight")
    optimizer = keras.optimizers.Adam(use_ema=True, name="adam")  # whatever was made before in this process
    optimizer.build([weight])
    prefix = tf.train.Checkpoint(helper=optimizer).save(str(tmp_path / "c"))
    roles = {str(info.variable): info.role for info in names.name_tensorflow_tensors(*evidence.checkpoint(prefix))}
    assert roles["weight"] == "model"
    assert roles["adam/iteration"] == roles["adam/weight_momentum"] == "optimizer"
    assert roles["adam/weight_average"] == "ema"


def test_copies_of_an_export_are_second_names(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dropout(0.5), L.Dense(2)])
    model.export(str(tmp_path / "e"), verbose=False)
    named = names.name_tensorflow_tensors(*evidence.saved_model(tmp_path / "e"))
    aliases = {info.key: info.copy_of for info in named if info.copy_of is not None}
    assert len(aliases) == len(model.weights)
    assert all(second.startswith("_all_variables/") for second in aliases)
    seeds = [info for info in named if "seed_generator_state" in str(info.variable)]
    assert [info.role for info in seeds] == ["bookkeeping"]


class Uneven(keras.Model):
    """Layers built inside ``call``, of which one alone has a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = L.Dense(4, use_bias=False), L.Dense(2)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.second(self.first(x))


def test_a_name_beside_one_that_stands_twice_names_nothing(tmp_path: Path) -> None:
    """Keras calls it uneven/dense_1/bias, TensorFlow uneven/bias."""
    model = Uneven()
    model(np.zeros((1, 4)))
    prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "c"))
    named = [i for i in names.name_tensorflow_tensors(*evidence.checkpoint(prefix)) if i.role == "model"]
    assert [info.variable for info in named] == [None] * 3


def test_the_object_graph_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has half a million fields where there are 20,000 variables."""
    prefix = tf.train.Checkpoint(v=tf.Variable(1.0)).save(str(tmp_path / "c"))
    decoded: list[int] = []
    decode = Message.decode
    monkeypatch.setattr(Message, "decode", lambda self, *rest: decoded.append(id(self)) or decode(self, *rest))
    with ckptread.open(prefix) as reader:
        assert len(reader.tensors) == 3
    assert decoded.count(id(OBJECT_GRAPH)) == 1
