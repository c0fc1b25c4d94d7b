"""``summarize`` beside what ``model.summary()`` prints of the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")


import ckptread
from tests.names.keras.keras_summary import Row, printed
from tests.names.keras.test_models import (
    all_frozen,
    composite,
    custom,
    frozen,
    made,
    many,
    mixed,
    nested,
    operations,
    partly_thawed,
    plain,
    subclassed,
)

Make = Callable[[], Any]
FLAGS = {True: "Y", False: "N", None: "-"}


def rows(summary: ckptread.ModelSummary) -> list[Row]:
    return [
        (
            layer.name.rpartition("/")[2],
            str(layer.class_name),
            layer.weights.parameters,
            FLAGS[layer.trainable] if layer.keys else "-",
        )
        for layer in summary.layers
    ]


def totals(summary: ckptread.ModelSummary) -> dict[str, int]:
    found = summary.totals
    named = {"Total": found.total, "Trainable": found.trained, "Non-trainable": found.frozen}
    optimizer = {"Optimizer": found.optimizer} if found.optimizer.parameters else {}
    return {name: amount.parameters for name, amount in {**named, **optimizer}.items()}


def summarized(path: Path, **options: Any) -> ckptread.ModelSummary:
    with ckptread.open(path) as checkpoint:
        return ckptread.summarize(checkpoint, **options)


CONFIGURED = [plain, many, nested, frozen, partly_thawed, mixed, operations]


@pytest.mark.parametrize("make", CONFIGURED)
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_layers_and_totals_are_those_of_the_summary(make: Make, name: str, tmp_path: Path) -> None:
    model = made(make)
    model.save(tmp_path / name)
    found = summarized(tmp_path / name)
    assert sorted(rows(found)) == sorted(printed(model)[0])  # summary() has its operations in no fixed order
    assert totals(found) == printed(model)[1]
    assert found.totals.unknown.parameters == 0
    assert found.totals.model.nbytes == sum(weight.value.numpy().nbytes for weight in model.weights)


@pytest.mark.parametrize("make", [all_frozen, custom, composite])
def test_totals_hold_where_layers_are_shared_or_custom(make: Make, tmp_path: Path) -> None:
    model = made(make)
    model.save(tmp_path / "model.keras")
    found = summarized(tmp_path / "model.keras").totals
    wanted = printed(model)[1]
    assert found.total.parameters == wanted["Total"]
    assert found.trained.parameters <= wanted["Trainable"] <= (found.trained.parameters + found.unknown.parameters)


def test_nested_models_open_with_depth(tmp_path: Path) -> None:
    model = made(nested)
    model.save(tmp_path / "model.keras")
    found = [row for row in rows(summarized(tmp_path / "model.keras", depth=2)) if "forward" not in row[0]]
    found = [row for row in found if "backward" not in row[0]]
    assert sorted(found) == sorted(printed(model, expand_nested=True)[0])


def test_a_subclassed_model_has_the_layers_that_hold_weights(tmp_path: Path) -> None:
    model = made(subclassed)
    model.save(tmp_path / "model.keras")
    found = summarized(tmp_path / "model.keras")
    sizes = {layer.name: layer.weights.parameters for layer in found.layers}
    assert sizes == {"one": 15, "sequential": 16, "": 2}
    assert found.totals.total.parameters == printed(model)[1]["Total"]
    assert found.totals.trained.parameters == 0  # nothing says whether they are
    assert found.totals.frozen.parameters == 4  # the moving statistics


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": keras.optimizers.Adam,
    "SGD": keras.optimizers.SGD,
    "EMA": lambda: keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, gradient_accumulation_steps=2),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("file", ["model.keras", "model.h5"])
def test_a_trained_model_has_the_totals_of_the_summary(name: str, file: str, tmp_path: Path) -> None:
    model = made(plain)
    model.compile(OPTIMIZERS[name](), "mse", run_eagerly=True)
    model.fit(np.zeros((4, 4)), np.zeros((4, 2)), verbose=0)
    model.save(tmp_path / file)
    assert totals(summarized(tmp_path / file)) == printed(model)[1]


def test_an_optimizer_that_was_not_built_counts_nothing(tmp_path: Path) -> None:
    model = made(plain)
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    assert totals(summarized(tmp_path / "model.keras")) == printed(model)[1]


def test_keras_2_prints_the_total_of_the_model(tmp_path: Path) -> None:
    tf_keras.backend.clear_session()
    inner = tf_keras.Sequential([tf_keras.layers.Dense(3), tf_keras.layers.BatchNormalization()], name="block/inner")
    model = tf_keras.Sequential([tf_keras.Input((4,)), inner, tf_keras.layers.Dense(2, name="block/head")])
    model.compile("adam", "mse")
    model.fit(np.zeros((4, 4)), np.zeros((4, 2)), verbose=0)
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        found = summarized(tmp_path / name)
        assert {layer.name: layer.weights.parameters for layer in found.layers if layer.keys} == {
            layer.name: layer.count_params() for layer in model.layers
        }
        assert found.totals.model.parameters == model.count_params()


def test_a_saved_model_of_keras_2_lists_its_layers(tmp_path: Path) -> None:
    tf_keras.backend.clear_session()
    layers = [tf_keras.layers.Dense(3, name="first"), tf_keras.layers.Dropout(0.5), tf_keras.layers.Dense(2)]
    model = tf_keras.Sequential([tf_keras.Input((4,)), *layers])
    model.compile("adam", "mse")
    model.save(tmp_path / "saved", save_format="tf")
    with ckptread.open(tmp_path / "saved") as checkpoint:
        assert checkpoint.model is not None
        assert (checkpoint.model.class_name, checkpoint.model.optimizer) == ("Sequential", "Adam")
        found = ckptread.summarize(checkpoint)
    assert [(row.name, row.class_name, row.weights.parameters) for row in found.layers] == [
        (layer.name, layer.__class__.__name__, layer.count_params()) for layer in model.layers
    ]


def test_a_checkpoint_has_a_row_per_layer_behind_the_models_own_name(tmp_path: Path) -> None:
    model = made(plain)
    with ckptread.open(tf.train.Checkpoint(model=model).save(str(tmp_path / "c"))) as checkpoint:
        found = ckptread.summarize(checkpoint)
    sizes = {row.name.rpartition("/")[2]: row.weights.parameters for row in found.layers}
    assert sizes == {layer.name: layer.count_params() for layer in model.layers if layer.weights}
