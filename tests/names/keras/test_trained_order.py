"""Slots of an optimizer are named by their shapes where no config records the order, and only where one order fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import ckptread
from ckptread.names.keras import trained_order
from ckptread.names.keras.optimizers import Trained
from tests.names.keras.test_roles import gan

L = keras.layers


def saved(model: Any, optimizers: Any, path: Path) -> Any:
    """Save a model whose optimizers train these weights, with a value of its own in each variable."""
    for number, (optimizer, weights) in enumerate(optimizers):
        optimizer.build(weights)
        for variable in optimizer.variables[2:]:
            variable.assign(np.random.default_rng(number).normal(size=variable.shape))
    model.save(path)
    return ckptread.open(path)


@pytest.mark.parametrize(("critic", "maker"), [
    (keras.optimizers.Adam(), keras.optimizers.SGD(momentum=0.9)),
    (keras.optimizers.Adam(amsgrad=True), keras.optimizers.Adamax()),
    (keras.optimizers.Ftrl(), keras.optimizers.Lion()),
    (keras.optimizers.AdamW(), keras.optimizers.RMSprop()),
])  # fmt: skip
def test_the_slots_of_a_gan_have_the_names_that_keras_gives(critic: Any, maker: Any, tmp_path: Path) -> None:
    model = gan(keras, {"c_opt": critic, "m_opt": maker})
    trained = [(critic, model.critic.trainable_weights), (maker, model.maker.trainable_weights)]
    with saved(model, trained, tmp_path / "m.keras") as reader:
        for variable in (*critic.variables, *maker.variables):
            np.testing.assert_array_equal(reader[variable.path][...], variable.numpy())


def test_layers_are_put_in_the_order_of_the_slots(tmp_path: Path) -> None:
    """The file lists the layers by their names, and the optimizer has the order of the model."""
    inner = keras.Sequential([
        keras.Input((3,)), L.Dense(6, name="z"), L.BatchNormalization(name="a"), L.Dense(5, name="m")
    ], name="inner")  # fmt: skip

    class Outer(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner
            self.its_optimizer = keras.optimizers.Adam()

        def call(self, x: Any) -> Any:
            return self.inner(x)

    model = Outer()
    model(np.ones((1, 3), "float32"))
    trained = [(model.its_optimizer, model.trainable_weights)]
    with saved(model, trained, tmp_path / "m.keras") as reader:
        for variable in model.its_optimizer.variables:
            np.testing.assert_array_equal(reader[variable.path][...], variable.numpy())


def test_two_options_that_store_the_same_shapes_leave_slots_unnamed(tmp_path: Path) -> None:
    optimizer = keras.optimizers.RMSprop(centered=True)  # with momentum, the shapes are the same
    model = gan(keras, {"c_opt": optimizer})
    with saved(model, [(optimizer, model.critic.trainable_weights)], tmp_path / "m.keras") as reader:
        slots = [info for info in reader.tensors.values() if info.key.startswith("c_opt")]
        assert all(info.role == "optimizer" for info in slots)
        assert sum(info.variable is None for info in slots) == 8


def layer(name: str, *shapes: tuple[int, ...]) -> list[Trained]:
    return [Trained(f"{name}/{at}", shape) for at, shape in enumerate(shapes)]


def test_only_one_order_counts() -> None:
    one, other, third = layer("a", (3, 4), (4,)), layer("b", (4,)), layer("c", (4, 3))
    only = trained_order._only_order
    assert only([one, other, third], [(4,), (4, 3), (3, 4), (4,)]) == [*other, *third, *one]
    assert only([one, other, third], [(4,), (4, 3), (3, 4), (5,)]) is None
    assert only([one, layer("d", (3, 4), (4,))], [(3, 4), (4,)] * 2) is None
    assert only([layer("e", (4,)), layer("f", (4,), (4,))], [(4,)] * 3) is None


def test_many_layers_of_few_shapes_end_soon() -> None:
    layers = [layer(str(n), *[(2,)] * n) for n in range(1, 100)]
    assert trained_order._only_order(layers, [(2,)] * sum(range(1, 100))) is None
