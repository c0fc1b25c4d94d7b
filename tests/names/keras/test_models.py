"""Nested, shared, frozen, custom and subclassed models of Keras 3, in every format."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")


from ckptread.tensors import TensorInfo
from tests.names.keras import formats
from tests.names.keras.agreement import disagreements, model_rows, suffixes, unordered_disagreements, weights_of

L = keras.layers


@keras.saving.register_keras_serializable("names")
class Scale(L.Layer):
    """A custom layer with weights of its own."""

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(shape[-1],), name="gain")
        self.steps = self.add_weight(shape=(), name="steps", trainable=False)

    def call(self, x: Any) -> Any:
        return x * self.gain


@keras.saving.register_keras_serializable("names")
class Block(L.Layer):
    """A custom layer with layers in it, and some of them in a list."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.second, self.first = L.Dense(units), L.Dense(units)
        self.rest = [L.Dense(units), L.BatchNormalization()]

    def build(self, shape: Any) -> None:
        for layer in (self.second, self.first, *self.rest):
            layer.build(shape if layer is self.second else (None, self.units))

    def call(self, x: Any) -> Any:
        for layer in (self.second, self.first, *self.rest):
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = L.Dense(3, name="one")
        self.decoder = keras.Sequential([L.Dense(2), L.Dropout(0.5), L.BatchNormalization()])
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.offset = self.add_weight(shape=(2,), name="offset")

    def call(self, x: Any) -> Any:
        return self.decoder(self.encoder(x)) + self.offset


def plain() -> Any:
    return keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dropout(0.5), L.BatchNormalization(), L.Dense(2)])


def many() -> Any:
    """Over ten layers of a class: HDF5 lists 1, 10, 2."""
    return keras.Sequential([keras.Input((4,)), *(L.Dense(n + 2) for n in range(13))])


def nested() -> Any:
    x = keras.Input((5, 4), name="sequence")
    inner = keras.Sequential([L.Dense(4, trainable=False), L.BatchNormalization(), L.Dense(4)], name="inner")
    y = L.Bidirectional(L.GRU(3))(x)
    y = L.BatchNormalization()(L.Dense(4, name="mine")(y)) + 1.0
    return keras.Model(x, L.Dense(2)(inner(L.Dropout(0.5)(y))))


def twice_nested() -> Any:
    a = keras.Sequential([L.Dense(3), L.BatchNormalization()], name="a")
    b = keras.Sequential([a, L.Dense(3, name="q")], name="b")
    i = keras.Input((3,))
    c = keras.Model(i, b(i) + a(i), name="c")
    x = keras.Input((3,))
    return keras.Model(x, a(c(x)))


def shared_outside_first() -> Any:
    x, shared = keras.Input((4,)), L.Dense(4, name="shared")
    y = shared(x)
    return keras.Model(x, keras.Sequential([shared, L.Dense(4)], name="inner")(y))


def shared_inside_first() -> Any:
    x, shared = keras.Input((4,)), L.Dense(4, name="shared")
    inner = keras.Sequential([shared, L.Dense(4)], name="inner")
    inner.build((None, 4))
    return keras.Model(x, L.Dense(2)(shared(shared(inner(x)))))


def frozen() -> Any:
    model = nested()
    model.get_layer("inner").trainable = False
    model.get_layer("mine").trainable = False
    model.get_layer("bidirectional").trainable = False
    return model


def all_frozen() -> Any:
    model = twice_nested()
    model.trainable = False
    return model


def partly_thawed() -> Any:
    model = nested()
    model.trainable = False
    model.get_layer("inner").layers[0].trainable = True
    return model


def mixed() -> Any:
    x = keras.Input((5, 4))
    y = L.MultiHeadAttention(2, 3)(x, x)
    y = L.TimeDistributed(L.Dense(3))(L.SpectralNormalization(L.Dense(3))(y))
    return keras.Model(x, L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)]))(y))


def operations() -> Any:
    """Operations are nodes of the graph, and no layers: Add, Concatenate and Dense are layers too."""
    x = keras.Input((4,))
    y = L.Dense(4)(x)
    y = L.Add()([keras.ops.add(y, x), keras.ops.relu(x)])
    y = keras.ops.concatenate([y, keras.ops.multiply(y, 2.0)])
    return keras.Model(x, L.Dense(2)(L.Concatenate()([y, L.Dense(3)(y)])))


def custom() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(3)(Scale()(x)))


def composite() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, L.Dense(3)(Block(5)(x)))


def frozen_composite() -> Any:
    model = composite()
    model.layers[1].trainable = False
    return model


def subclassed() -> Any:
    model = Subclassed()
    model(np.zeros((1, 4)))
    return model


CONFIGURED = [plain, many, nested, twice_nested, shared_outside_first, shared_inside_first, frozen, all_frozen,
              partly_thawed, mixed, operations]  # fmt: skip
CUSTOM = [custom, composite, frozen_composite, subclassed]
Make = Callable[[], Any]


def made(make: Make) -> Any:
    keras.backend.clear_session()
    return make()


@cache
def kept(make: Make) -> Any:
    """A model that is built once for all formats that it is saved in. Never change it."""
    return made(make)


@pytest.mark.parametrize("make", CONFIGURED)
def test_a_keras_archive_agrees(make: Make, tmp_path: Path) -> None:
    model = kept(make)
    assert disagreements(formats.keras_archive(model, tmp_path), weights_of(model)) == []


@pytest.mark.parametrize("make", [make for make in CONFIGURED if make is not mixed])
def test_weights_h5_agrees(make: Make, tmp_path: Path) -> None:
    model = kept(make)
    wrappers = make in (nested, frozen, partly_thawed)  # of what they wrap, only a config says the class
    named = formats.weights_h5(model, tmp_path)
    assert unordered_disagreements(named, weights_of(model), names_required=not wrappers) == []


@pytest.mark.parametrize("make", CONFIGURED)
def test_legacy_h5_agrees(make: Make, tmp_path: Path) -> None:
    model = kept(make)
    named = formats.legacy_h5(model, tmp_path)
    assert disagreements(named, weights_of(model)) == []


@pytest.mark.parametrize("make", [make for make in CONFIGURED if make is not mixed])
@pytest.mark.parametrize("write", [formats.checkpoint, formats.export, formats.saved_model])
def test_tensorflow_formats_agree(make: Make, write: Any, tmp_path: Path) -> None:
    model = kept(make)
    named = write(model, tmp_path)
    lists_flags = write is formats.export
    # What export() lists as trainable leaves out a trainable layer of a frozen model.
    compare_flags = not (lists_flags and make is partly_thawed)
    assert disagreements(named, weights_of(model), flags=compare_flags, flags_required=lists_flags) == []


@pytest.mark.parametrize("make", CUSTOM)
@pytest.mark.parametrize("write", [formats.keras_archive, formats.weights_h5, formats.legacy_h5])
def test_what_is_said_of_custom_models_is_true(make: Make, write: Any, tmp_path: Path) -> None:
    model = kept(make)
    named, weights = write(model, tmp_path), weights_of(model)
    assert untrue(named, weights) == []
    assert len(model_rows(named)) == len(weights)


def untrue(named: list[TensorInfo], weights: list[Any]) -> list[str]:
    """Names that are no weight's, and flags that no weight of that name and shape has."""
    found = []
    for info in model_rows(named):
        same = [w for w in weights if w.shape == info.shape]
        if info.variable is not None and not info.positional:
            same = [w for w in same if suffixes(info.variable, w.path)]
        elif info.variable is not None:
            same = [w for w in same if suffixes(info.variable.rpartition("/")[0], w.path.rpartition("/")[0])]
        if not same or (info.trainable is not None and info.trainable not in {w.trainable for w in same}):
            found.append(f"{info.key}: {info.variable}, trainable {info.trainable}")
    return found


def test_a_custom_layer_has_names_by_position(tmp_path: Path) -> None:
    named = formats.keras_archive(made(custom), tmp_path)
    rows = [(i.variable, i.positional, i.trainable) for i in model_rows(named)]
    assert rows[:2] == [("scale/0", True, None), ("scale/1", True, None)]
    assert [variable for variable, _, _ in rows[2:]] == ["dense/kernel", "dense/bias"]


def test_a_frozen_custom_layer_is_frozen(tmp_path: Path) -> None:
    named = formats.keras_archive(made(frozen_composite), tmp_path)
    assert {i.trainable for i in model_rows(named) if (i.layer or "").startswith("block")} == {False}


def test_files_without_stored_names_go_by_the_config(tmp_path: Path) -> None:
    """Keras before 3.8 stored no names; they are taken out here."""
    from msgspec.structs import replace

    from ckptread.names.keras.describe import name_keras_tensors
    from tests.names import evidence

    for make in CONFIGURED:
        model = kept(make)
        model.save(tmp_path / "model.keras")
        tensors, given = evidence.keras_archive(tmp_path / "model.keras")
        named = name_keras_tensors(tensors, replace(given, attributes={}, keras_version="3.3.3"))
        assert disagreements(named, weights_of(model)) == [], make.__name__
