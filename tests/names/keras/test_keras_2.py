"""Models of Keras 2, through tf_keras: there a variable is trained where model.trainable_weights has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf_keras = pytest.importorskip("tf_keras")


from tests.names import evidence
from tests.names.keras import formats
from tests.names.keras.agreement import disagreements, model_rows, unordered_disagreements, weights_of

L, O = tf_keras.layers, tf_keras.optimizers  # noqa: E741
Make = Callable[[], Any]


def nested() -> Any:
    x = tf_keras.Input((5, 4))
    inner = tf_keras.Sequential([L.Dense(4, trainable=False), L.BatchNormalization(), L.Dense(4)], name="inner")
    y = L.Bidirectional(L.GRU(3))(x)
    y = L.BatchNormalization()(L.Dense(4, name="mine")(y)) + 1.0
    return tf_keras.Model(x, L.Dense(2)(inner(L.Dropout(0.5)(y))))


def frozen() -> Any:
    model = nested()
    for name in ("inner", "mine", "bidirectional"):
        model.get_layer(name).trainable = False
    return model


def mixed() -> Any:
    x = tf_keras.Input((8, 8, 3))
    y = L.ConvLSTM2D(2, 2)(L.DepthwiseConv2D(2)(L.SeparableConv2D(4, 3)(x))[:, None])
    y = L.Reshape((-1, 2))(y)
    y = L.TimeDistributed(L.Dense(3))(L.MultiHeadAttention(2, 2)(y, y))
    return tf_keras.Model(x, L.PReLU()(L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)]))(y)))


def shared() -> Any:
    x, layer = tf_keras.Input((4,)), L.Dense(4, name="shared")
    return tf_keras.Model(x, tf_keras.Sequential([layer, L.Dense(4)], name="inner")(layer(x)))


def preprocessing() -> Any:
    layers = [L.Normalization(), L.Conv2D(3, 3), L.Flatten(), L.Dense(2)]
    return tf_keras.Sequential([tf_keras.Input((8, 8, 3)), *layers])


MODELS = [nested, frozen, mixed, shared, preprocessing]


def made(make: Make) -> Any:
    tf_keras.backend.clear_session()
    return make()


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("write", [formats.keras_archive, formats.legacy_h5, formats.saved_model])
def test_formats_with_flags_agree(make: Make, write: Any, tmp_path: Path) -> None:
    model = made(make)
    assert disagreements(write(model, tmp_path), weights_of(model)) == []


@pytest.mark.parametrize("make", MODELS)
def test_formats_without_flags_agree(make: Make, tmp_path: Path) -> None:
    model = made(make)
    assert disagreements(formats.checkpoint(model, tmp_path), weights_of(model), flags_required=False) == []
    model.save_weights(tmp_path / "weights.h5")
    named = formats.keras_names.name_keras_tensors(*evidence.hdf5(tmp_path / "weights.h5"))
    assert unordered_disagreements(named, weights_of(model)) == []


OPTIMIZERS = ["Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lion", "Nadam", "RMSprop", "SGD"]


def trained(optimizer: Any) -> Any:
    layers = [L.Dense(3, name="a"), L.BatchNormalization(name="n"), L.Dense(2, use_bias=False, name="b")]
    model = tf_keras.Sequential([tf_keras.Input((4,)), *layers])
    model.compile(optimizer, "mse", metrics=["mae"], run_eagerly=True)
    model.fit(np.zeros((4, 4)), np.zeros((4, 2)), verbose=0)
    return model


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("write", [formats.keras_archive, formats.legacy_h5])
def test_optimizer_state_has_its_names(name: str, write: Any, tmp_path: Path) -> None:
    options = {"momentum": 0.9} if name in ("RMSprop", "SGD") else {}
    model = trained(getattr(O, name)(use_ema=True, **options))
    named = [info for info in write(model, tmp_path) if info.role in ("optimizer", "ema")]
    wanted = [variable.name.removesuffix(":0") for variable in model.optimizer.variables]
    assert [info.variable for info in named] == wanted
    assert all((info.role == "ema") == ("/average/" in str(info.variable)) for info in named)


@pytest.mark.parametrize("write", [formats.legacy_h5, formats.checkpoint, formats.saved_model])
def test_slots_of_the_legacy_optimizers_have_their_names(write: Any, tmp_path: Path) -> None:
    model = trained(O.legacy.Adam())
    states = {info.variable for info in write(model, tmp_path) if info.role == "optimizer"}
    assert states >= {variable.name.removesuffix(":0") for variable in model.optimizer.weights}
    assert None not in states


def test_metrics_are_no_part_of_the_model(tmp_path: Path) -> None:
    model = trained("sgd")
    for write in (formats.keras_archive, formats.saved_model):
        named = write(model, tmp_path)
        assert sum(info.role == "metric" for info in named) == 4
        assert len(model_rows(named)) == len(model.weights)
