"""Tensors whose names are written otherwise, or are only positions, are paired although their values changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from safetensors.numpy import save_file

import ckptread

L = keras.layers


@keras.saving.register_keras_serializable("within")
class Mixing(L.Layer):  # type: ignore[misc]
    """A custom layer: a .keras has no names for its weights."""

    def build(self, shape: Any) -> None:
        self.wide = self.add_weight(shape=(shape[-1], 4), name="wide")
        self.deep = self.add_weight(shape=(4, shape[-1]), name="deep")
        self.offset = self.add_weight(shape=(shape[-1],), name="offset")
        self.left, self.right = (self.add_weight(shape=(7,), name=name) for name in ("left", "right"))

    def call(self, x: Any) -> Any:
        return x @ self.wide @ self.deep + self.offset


def model() -> Any:
    keras.backend.clear_session()
    made = keras.Sequential([keras.Input((3,)), Mixing(name="one"), Mixing(name="two"), L.Dense(2, name="head")])
    for number, weight in enumerate(made.weights, 1):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    return made


def pairs_of(a: Path, b: Path, **options: Any) -> list[tuple[Any, Any, Any]]:
    found = ckptread.diff(a, b, role="model", **options)
    return [(e.a.name if e.a else None, e.b.name if e.b else None, e.certainty) for e in found.tensors]


def test_positions_in_a_layer_are_paired_by_shape(tmp_path: Path) -> None:
    made = model()
    made.save(tmp_path / "m.keras")
    for weight in made.weights:
        weight.assign(weight * 1.5 + 0.25)
    prefix = tf.train.Checkpoint(model=made).write(str(tmp_path / "c"))
    found = pairs_of(tmp_path / "m.keras", Path(prefix))
    likely = {a: b for a, b, certainty in found if certainty == "likely"}
    assert all(f"{layer}/{at}" in likely for layer in ("one", "two") for at in range(3))
    assert all(likely[f"one/{at}"].endswith(f"one/{name}") for at, name in enumerate(("wide", "deep", "offset")))
    assert sum(a is None for a, _, _ in found) == sum(b is None for _, b, _ in found) == 4  # the twins


def test_names_that_differ_in_their_separator_are_paired(tmp_path: Path) -> None:
    values = {f"enc/block.{at}/{name}": np.full(3, at + 1, "f4") for at in range(3) for name in ("kernel", "bias")}
    np.savez(tmp_path / "a.npz", **values)
    dotted = {name.replace("/", "."): value * np.float32(1.01) for name, value in values.items()}
    save_file(dotted, tmp_path / "b.safetensors")
    found = ckptread.diff(tmp_path / "a.npz", tmp_path / "b.safetensors")
    assert {(e.a.name if e.a else None): (e.b.name if e.b else None) for e in found.tensors} == {
        name: name.replace("/", ".") for name in values
    }


def test_names_that_become_one_are_not_paired(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"a/b/c": np.ones(3, "f4")})
    save_file({name: np.full(3, at, "f4") for at, name in enumerate(("a.b.c", "a/b.c"), 2)}, tmp_path / "b.safetensors")
    found = ckptread.diff(tmp_path / "a.npz", tmp_path / "b.safetensors")
    assert all(e.a is None or e.b is None for e in found.tensors)
