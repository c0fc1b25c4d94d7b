"""Checkpoints of TensorFlow 1: the key is the name, the .meta beside it knows what is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

tf = pytest.importorskip("tensorflow")


from ckptread.names.tensorflow import describe as names
from ckptread.names.tensorflow import graph_v1
from ckptread.names.tensorflow.graph_v1 import role_of
from tests.names import evidence

v1 = tf.compat.v1


def save(folder: Path, optimizer: Any, **options: Any) -> str:
    """Train one step and save; with a moving average of the first weight, and a variable that is not trained."""
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("dense"):
            kernel = v1.get_variable("kernel", (3, 2), use_resource=False)
            bias = v1.get_variable("bias", (2,), use_resource=False)
        v1.get_variable("frozen", (2,), trainable=False, use_resource=False)
        step = v1.train.get_or_create_global_step()
        loss = tf.reduce_sum(tf.matmul(tf.ones((1, 3)), kernel) + bias)
        train = optimizer.minimize(loss, global_step=step)
        average = tf.train.ExponentialMovingAverage(0.9).apply([kernel])
        session.run(v1.variables_initializer(v1.trainable_variables()))  # which the averages start from
        session.run(v1.global_variables_initializer())
        session.run([train, average])
        return str(v1.train.Saver(**options).save(session, str(folder / "model.ckpt")))


OPTIMIZERS = {
    "Adam": v1.train.AdamOptimizer,
    "Momentum": lambda rate: v1.train.MomentumOptimizer(rate, 0.9),
    "Adagrad": v1.train.AdagradOptimizer,
    "RMSProp": v1.train.RMSPropOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "Adadelta": v1.train.AdadeltaOptimizer,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_saver_of_tensorflow_1(name: str, tmp_path: Path) -> None:
    prefix = save(tmp_path, OPTIMIZERS[name](0.1))
    named = {info.key: info for info in names.name_tensorflow_tensors(*evidence.checkpoint(prefix))}
    assert {key: info.variable for key, info in named.items()} == {key: key for key in named}
    model = {key: info.trainable for key, info in named.items() if info.role == "model"}
    assert model == {"dense/kernel": True, "dense/bias": True, "frozen": False}
    assert list(model) == ["dense/kernel", "dense/bias", "frozen"]
    assert {info.role for key, info in named.items() if key == "global_step"} == {"bookkeeping"}
    assert named["dense/kernel/ExponentialMovingAverage"].role == "ema"
    rest = {key for key, info in named.items() if info.role == "optimizer"}
    assert len(named) == len(rest) + 5
    assert rest


def test_without_a_meta_the_flags_are_unknown(tmp_path: Path) -> None:
    prefix = save(tmp_path, v1.train.AdamOptimizer(0.1))
    Path(prefix + ".meta").unlink()
    named = names.name_tensorflow_tensors(*evidence.checkpoint(prefix))
    assert {info.trainable for info in named} == {None}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("a/kernel/Adam", "optimizer"),
        ("a/kernel/Adam_1", "optimizer"),
        ("b/kernel/Adam", "model"),  # there is no b/kernel: a layer may be called Adam
        ("training/Adagrad/a/kernel/accumulator", "optimizer"),
        ("training/Adagrad/learning_rate", "optimizer"),
        ("training/Adagrad/b/kernel/accumulator", "model"),
        ("beta1_power", "optimizer"),
        ("a/kernel_slot_v", "optimizer"),
        ("a/kernel/ExponentialMovingAverage", "ema"),
        ("global_step", "bookkeeping"),
        ("a/kernel", "model"),
    ],
)
def test_a_slot_is_one_only_where_its_variable_is_there(name: str, role: str) -> None:
    assert role_of(name, {"a/kernel"}) == role


@given(
    st.one_of(*map(st.from_regex, (graph_v1.SLOT, graph_v1.POWERS, graph_v1.COUNTERS)), st.just("x" + graph_v1.AVERAGE))
)
def test_no_name_that_tells_a_role_is_passed_over_as_usual(name: str) -> None:
    assert any(part in name for part in graph_v1.HINTS)


@pytest.mark.parametrize(
    "optimizer", ["Adam", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "LAMB"]
)
@pytest.mark.parametrize("scope", ["", "training/", "a/training_2/"])
def test_the_state_of_a_keras_optimizer_in_a_graph_is_told_by_its_name(optimizer: str, scope: str) -> None:
    assert role_of(f"{scope}{optimizer}/a/kernel/m", {"a/kernel"}) == "optimizer"
    assert role_of(f"{scope}{optimizer}_1/learning_rate", set()) == "optimizer"
