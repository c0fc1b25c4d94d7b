"""A model beside itself in another format: every weight is found again, and none differs."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")


import ckptread
from ckptread.operations.diff.choose_pairs import choose_pairs
from ckptread.operations.diff.diff import compare_pairs
from ckptread.operations.diff.match.by_name import align
from ckptread.tensors import TensorInfo
from tests.names.keras.test_models import (
    all_frozen,
    frozen,
    made,
    many,
    nested,
    operations,
    partly_thawed,
    plain,
    shared_inside_first,
    shared_outside_first,
    twice_nested,
)

L = keras.layers


def attention() -> Any:
    x = keras.Input((5, 4))
    y = L.SpectralNormalization(L.Dense(3))(L.MultiHeadAttention(2, 3)(x, x))
    return keras.Model(x, L.LSTM(3)(L.TimeDistributed(L.Dense(3))(y)))


def alike() -> Any:
    """Layers of one name in three models."""
    x = keras.Input((4,))
    towers = [keras.Sequential([keras.Input((4,)), L.Dense(4, name="dense")], name=name) for name in ("a", "b")]
    return keras.Model(x, L.Dense(2, name="dense")(towers[1](towers[0](x))))


MODELS = [plain, many, nested, twice_nested, frozen, all_frozen, partly_thawed, operations, attention, alike,
          shared_outside_first, shared_inside_first]  # fmt: skip
WRAPPED = (nested, frozen, partly_thawed, attention)
"""What these wrap has names by position in a .weights.h5: there only a .keras of the same keys is its equal."""


def written(model: Any, folder: Path) -> dict[str, str]:
    """Write a model, trained one step where it can be, in every format; return the paths."""
    for number, weight in enumerate(model.weights):
        weight.assign(np.full(weight.shape, number + 1))
    if model.trainable_weights:
        model.compile(keras.optimizers.Adam(), "mse")
        model.optimizer.build(model.trainable_variables)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    model.save(folder / "model.h5")
    prefix = tf.train.Checkpoint(model=model).save(str(folder / "checkpoint"))
    model.export(str(folder / "export"), verbose=False)
    tf.saved_model.save(model, str(folder / "saved"))
    files = {name: str(folder / name) for name in ("model.keras", "model.weights.h5", "model.h5", "export", "saved")}
    return {**files, "checkpoint": prefix}


@pytest.mark.parametrize("make", MODELS)
def test_a_model_is_the_same_in_every_format(make: Any, tmp_path: Path) -> None:
    model = made(make)
    files = written(model, tmp_path)
    for one, other in combinations(files, 2):
        if make in WRAPPED and "model.weights.h5" in (one, other) and "model.keras" not in (one, other):
            continue
        with ckptread.open(files[one]) as a, ckptread.open(files[other]) as b:
            pairs = choose_pairs(a, b, align(list(a.tensors.values()), list(b.tensors.values())), (), (), "model")
            found = compare_pairs(a, b, pairs)
        assert [(entry.name, entry.status) for entry in found.differences] == [], (one, other)
        assert len(found.tensors) >= len(model.weights)


def tensor(key: str, variable: str | None = None) -> TensorInfo:
    return TensorInfo(key=key, shape=(2,), dtype="float32", nbytes=8, variable=variable, role="model")


def paired(a: list[TensorInfo], b: list[TensorInfo]) -> dict[str, str | None]:
    return {pair.a.key: pair.b.key if pair.b else None for pair in align(a, b) if pair.a is not None}


def test_names_decide_where_a_key_is_of_another_layer() -> None:
    """A layer was put before the others: the keys, which count, have moved on."""
    a = [tensor("layers/dense/vars/0", "head/kernel")]
    b = [tensor("layers/dense/vars/0", "new/kernel"), tensor("layers/dense_1/vars/0", "head/kernel")]
    assert paired(a, b) == {"layers/dense/vars/0": "layers/dense_1/vars/0"}


def test_a_layer_that_is_called_otherwise_is_found_by_its_key() -> None:
    a, b = [tensor("layers/dense/vars/0", "old/kernel")], [tensor("layers/dense/vars/0", "new/kernel")]
    assert paired(a, b) == {"layers/dense/vars/0": "layers/dense/vars/0"}


def test_a_key_that_holds_another_variable_is_not_believed() -> None:
    a, b = [tensor("vars/0", "dense/kernel")], [tensor("vars/0", "norm/gamma")]
    assert paired(a, b) == {"vars/0": None}
