"""Every optimizer of Keras 3 and 2 after one step: what it stores, by the names that it gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")


from ckptread.names.keras import optimizers as table
from ckptread.tensors import TensorInfo
from tests.names.keras import formats

L, O = keras.layers, keras.optimizers  # noqa: E741


def schedule() -> Any:
    return O.schedules.ExponentialDecay(0.1, 10, 0.9)


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    **{name: getattr(O, name) for name in table.OPTIMIZERS},
    "adam by name": lambda: "adam",
    "Adam amsgrad": lambda: O.Adam(amsgrad=True),
    "Adam of a function": lambda: O.Adam(lambda: 0.1),
    "AdamW ema": lambda: O.AdamW(use_ema=True),
    "RMSprop centered": lambda: O.RMSprop(momentum=0.1, centered=True),
    "SGD momentum": lambda: O.SGD(momentum=0.9),
    "SGD schedule": lambda: O.SGD(schedule(), momentum=0.9, use_ema=True, gradient_accumulation_steps=2),
    "Muon some": lambda: O.Muon(exclude_layers=["dense_b"]),
    "LossScaleOptimizer": lambda: O.LossScaleOptimizer(O.Adam()),
    "LossScaleOptimizer ema": lambda: O.LossScaleOptimizer(O.SGD(schedule(), use_ema=True)),
    "MultiOptimizer": lambda: multi(),  # noqa: PLW0108 - defined below
}
NAMED_BY_ATTRIBUTE = {"_r": "Adafactor", "_c": "Adafactor", "u_product": "Nadam"}
"""Variables that Keras gives no name of their own: ``adafactor/kernel`` twice, ``nadam/variable_12``."""


UNWRITABLE = {"Adafactor", "MultiOptimizer", "Adam of a function"}
"""What Keras cannot write to a legacy .h5: paths that stand twice, a config that is no JSON."""


def multi() -> Any:
    optimizers = O.OptimizerMap(O.SGD(momentum=0.9))
    optimizers["dense_a"] = O.Adam()
    return O.MultiOptimizer(optimizers)


def trained(build: Callable[[], Any]) -> Any:
    keras.backend.clear_session()
    layers = [L.Dense(3, name="dense_a"), L.BatchNormalization(name="norm"), L.Dense(2, use_bias=False, name="dense_b")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(build(), "mse", run_eagerly=True)
    model.fit(np.zeros((4, 4)), np.zeros((4, 2)), verbose=0)
    return model


def wrong(named: list[TensorInfo], variables: list[Any]) -> list[str]:
    """Compare in order; in Keras' paths the model's own scope stands before the weight."""
    rows = [info for info in named if info.role in ("optimizer", "ema") and info.repeats is None]
    found = [] if len(rows) == len(variables) else [f"{len(rows)} and {len(variables)}"]
    for info, variable in zip(rows, variables, strict=False):
        name = info.variable or ""
        by_attribute = any(name.endswith(ending) for ending in NAMED_BY_ATTRIBUTE)
        agrees = by_attribute or (name and variable.path.endswith(name.partition("/")[2]))
        average = variable.path.endswith("_average")
        if not agrees or info.shape != tuple(variable.shape) or (info.role == "ema") != average:
            found.append(f"{info.key}: {name} {info.role}, Keras {variable.path}")
    names = [info.variable for info in named if info.variable is not None and info.repeats is None]
    return found + [name for name in set(names) if names.count(name) > 1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_state_has_its_names(name: str, tmp_path: Path) -> None:
    model = trained(OPTIMIZERS[name])
    assert wrong(formats.keras_archive(model, tmp_path), model.optimizer.variables) == []


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in UNWRITABLE])
def test_legacy_files_name_their_optimizer_state(name: str, tmp_path: Path) -> None:
    model = trained(OPTIMIZERS[name])
    named = formats.legacy_h5(model, tmp_path)
    states = {info.variable for info in named if info.role in ("optimizer", "ema")}
    assert states == {variable.path for variable in model.optimizer.variables}


@pytest.mark.parametrize("name", ["Adam", "AdamW ema", "SGD schedule", "LossScaleOptimizer ema"])
def test_a_checkpoint_names_its_optimizer_state(name: str, tmp_path: Path) -> None:
    model = trained(OPTIMIZERS[name])
    named = formats.checkpoint(model, tmp_path)
    states = {info.variable: info.role for info in named if info.role in ("optimizer", "ema")}
    full_names = {variable.path.rpartition("/")[2]: variable for variable in model.optimizer.variables}
    assert {str(state).rpartition("/")[2] for state in states} == set(full_names)
    assert all((role == "ema") == str(name).endswith("_average") for name, role in states.items())


def test_an_optimizer_that_was_not_built_has_its_numbers(tmp_path: Path) -> None:
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    model.compile("adam", "mse")
    named = formats.keras_archive(model, tmp_path)
    assert [i.variable for i in named if i.role == "optimizer"] == ["adam/iteration", "adam/learning_rate"]


def test_weights_frozen_after_training_leave_the_slots_without_names(tmp_path: Path) -> None:
    """The optimizer still keeps slots for them: the derived list does not agree, so none is named."""
    model = trained(O.Adam)
    model.layers[0].trainable = False
    named = formats.keras_archive(model, tmp_path)
    assert {i.variable for i in named if i.role == "optimizer"} == {"adam/iteration", "adam/learning_rate", None}


def test_every_optimizer_is_in_the_table() -> None:
    import inspect

    classes = {c.__name__ for c in vars(O).values() if inspect.isclass(c) and issubclass(c, O.Optimizer)}
    assert classes - set(table.OPTIMIZERS) == {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
