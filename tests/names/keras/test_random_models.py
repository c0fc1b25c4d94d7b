"""Nothing that is said of a random model contradicts Keras: names, flags, roles, order and totals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")


import ckptread
from ckptread.tensors import TensorInfo
from tests.names.keras.agreement import suffixes
from tests.names.keras.keras_summary import printed
from tests.names.keras.random_models import FIRST_OF_OPTIMIZER, Maker, chains, states
from tests.names.keras.test_models import Block

Write = Callable[[Any, Path], str | None]
SEEDS = range(36)


def keras_archive(model: Any, folder: Path) -> str:
    model.save(folder / "model.keras")
    return str(folder / "model.keras")


def weights_h5(model: Any, folder: Path) -> str:
    model.save_weights(folder / "model.weights.h5")
    return str(folder / "model.weights.h5")


def legacy_h5(model: Any, folder: Path) -> str | None:
    try:
        model.save(folder / "model.h5")
    except ValueError:  # two weights of one path, of layers that are built without their model's scope
        return None
    return str(folder / "model.h5")


def checkpoint(model: Any, folder: Path) -> str:
    return str(tf.train.Checkpoint(model=model).save(str(folder / "checkpoint")))


OTHERS = (weights_h5, legacy_h5, checkpoint)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_contradicts_keras(seed: int, tmp_path: Path) -> None:
    keras.backend.clear_session()
    model = Maker(seed).model()
    for write in (keras_archive, OTHERS[seed % len(OTHERS)]):
        path = write(model, tmp_path)
        if path is not None:
            hold_to(model, path, write)


def hold_to(model: Any, path: str, write: Write) -> None:
    with ckptread.open(path) as reader:
        assert [each for info in reader.tensors.values() for each in untrue(reader, info, model)] == []
        order = [number_of(reader, info) for info in rows(reader)]
        summary = ckptread.summarize(reader)
    if write is not checkpoint:  # which leaves out layers that are held in a list
        assert sorted(order) == list(range(1, len(model.weights) + 1))
    if write is keras_archive:
        assert order == sorted(order) or not all_in_order(model)
        totals_agree(summary.totals, model)


def rows(reader: ckptread.Reader) -> list[TensorInfo]:
    return [info for info in reader.tensors.values() if info.role == "model" and info.repeats is None]


def number_of(reader: ckptread.Reader, info: TensorInfo) -> int:
    """Return the number that a tensor is filled with."""
    return int(np.asarray(reader[info.key]).reshape(-1)[0])


def untrue(reader: ckptread.Reader, info: TensorInfo, model: Any) -> list[str]:
    """Return what is said of a tensor that Keras says otherwise."""
    if info.role == "bookkeeping" or info.dtype == "string":
        return []
    number = number_of(reader, info)
    if info.role in ("optimizer", "ema"):
        return untrue_state(info, states(model)[number - FIRST_OF_OPTIMIZER])
    if info.role != "model":
        return [f"{info.key} has the role {info.role}"]
    weight = model.weights[number - 1]
    agreed = {weight.path, *chains(model)[id(weight)]}
    found = [] if info.shape == tuple(weight.shape) else [f"{info.key}: {info.shape}, Keras {weight.shape}"]
    if info.variable is not None:
        at = info.variable.rpartition("/")[0] if info.positional else info.variable
        wanted = {name.rpartition("/")[0] if info.positional else name for name in agreed}
        found += [] if any(suffixes(at, name) for name in wanted) else [f"{info.key}: {info.variable}, Keras {agreed}"]
    if info.trainable is not None and info.trainable != weight.trainable:
        found.append(f"{info.key}: trainable {info.trainable} ({weight.path})")
    return found


def untrue_state(info: TensorInfo, state: Any) -> list[str]:
    """Compare a name of the optimizer's state; Keras has the scopes before a weight's name that were open."""
    if info.variable is not None and (info.role == "ema") != state.path.endswith("_average"):
        return [f"{info.key}: {info.role}, Keras {state.path}"]
    ours = (info.variable or "").partition("/")[2].replace("/", "_")
    theirs = state.path.partition("/")[2].replace("/", "_")
    unnamed = ours.endswith(("_r", "_c", "u_product"))  # by Keras: adafactor/kernel twice, nadam/variable_12
    agrees = not ours or unnamed or ours.endswith(theirs) or theirs.endswith(ours)
    return [] if agrees else [f"{info.key}: {info.variable}, Keras {state.path}"]


def all_in_order(model: Any) -> bool:
    """Whether no layer holds layers as attributes, which Keras stores by name and lists as they were assigned."""
    return not any(isinstance(layer, Block) for layer in model._flatten_layers())


def totals_agree(totals: ckptread.ModelTotals, model: Any) -> None:
    wanted = {"Optimizer": 0, **printed(model)[1]}
    assert totals.total.parameters == wanted["Total"]
    assert totals.optimizer.parameters == wanted["Optimizer"]
    assert totals.trained.parameters <= wanted["Trainable"] <= totals.trained.parameters + totals.unknown.parameters
