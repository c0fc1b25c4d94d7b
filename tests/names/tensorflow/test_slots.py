"""Roles and names in TensorFlow checkpoints that the object graph decides: averages, generators, paths of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")


import ckptread
from ckptread.names.tensorflow import describe as names
from ckptread.names.tensorflow import graph_v1
from tests.names import evidence


class Averaging(tf_keras.optimizers.legacy.SGD):  # type: ignore[misc]
    """An optimizer with the slot of TensorFlow Addons' MovingAverage."""

    def _create_slots(self, variables: Any) -> None:
        super()._create_slots(variables)
        for variable in variables:
            self.add_slot(variable, "average")


def test_the_slot_average_is_a_moving_average(tmp_path: Path) -> None:
    model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3)])
    model.compile(Averaging(momentum=0.9), "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 3)), verbose=0)
    prefix = tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(tmp_path / "c"))
    named = names.name_tensorflow_tensors(*evidence.checkpoint(prefix))
    slots = {str(info.variable): info.role for info in named if ".OPTIMIZER_SLOT" in info.key}
    assert {name.rpartition("/")[2]: role for name, role in slots.items()} == {
        "average": "ema",
        "momentum": "optimizer",
    }
    assert len(slots) == 4


def test_the_slot_average_of_a_graph_is_a_moving_average() -> None:
    variables = {"dense/kernel", "SGD/dense/kernel/average", "SGD/dense/kernel/momentum"}
    assert graph_v1.role_of("SGD/dense/kernel/average", variables) == "ema"
    assert graph_v1.role_of("SGD/dense/kernel/momentum", variables) == "optimizer"


def test_the_state_of_a_generator_is_bookkeeping(tmp_path: Path) -> None:
    generator = tf.random.Generator.from_seed(1)
    prefix = tf.train.Checkpoint(gen=generator, w=tf.Variable([1.0], name="w")).write(str(tmp_path / "c"))
    found = {info.name: info.role for info in names.name_tensorflow_tensors(*evidence.checkpoint(prefix))}
    assert found["gen/_state_var"] == "bookkeeping"
    assert found["w"] == "model"


def test_a_variable_without_a_name_has_its_path(tmp_path: Path) -> None:
    """TensorFlow calls such a variable ``Variable``; the attribute says more."""
    prefix = tf.train.Checkpoint(total=tf.Variable(0)).write(str(tmp_path / "c"))
    with ckptread.open(prefix) as opened:
        assert "total" in {info.name for info in opened.tensors.values()}


def escaped(named: bool) -> Any:
    module = tf.Module()
    keys = ("enc/layer.0", "a..b", ".S", "plain")
    module.towers = {key: tf.Variable([at], name=f"v{at}" if named else None) for at, key in enumerate(keys, 1)}
    return keys, tf.train.Checkpoint(net=module)


@pytest.mark.parametrize("named", [True, False])
def test_keys_of_dictionaries_are_found_as_they_were_written(named: bool, tmp_path: Path) -> None:
    keys, saved = escaped(named)
    prefix = saved.write(str(tmp_path / "c"))
    with ckptread.open(prefix) as opened:
        for at, key in enumerate(keys, 1):
            assert opened[f"net/towers/{key}"][...].tolist() == [at]
            stored = key.replace(".", "..").replace("/", ".S")
            assert opened[f"net/towers/{stored}/.ATTRIBUTES/VARIABLE_VALUE"][...].tolist() == [at]
            if not named:
                assert f"net/towers/{key}" in {info.name for info in opened.tensors.values()}
                assert opened[f"net/towers/{stored}"][...].tolist() == [at]
