"""Roles, flags and names that the config or the names in a file decide: GANs, LoRA, reloaded and Windows files."""

from __future__ import annotations

import json
import ntpath
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")


import ckptread
from ckptread.names.keras.describe import name_keras_tensors
from ckptread.names.keras.model_facts import read_model_facts
from tests.names import evidence
from tests.names.keras import formats
from tests.names.keras.agreement import disagreements, model_rows, weights_of
from tests.names.keras.test_keras_2 import made as made_2
from tests.names.keras.test_keras_2 import nested as nested_2

L = keras.layers


def gan(library: Any, optimizers: Any) -> Any:
    """Return a model that has two models, and trains them with optimizers of its own."""

    class Gan(library.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            dense = library.layers.Dense
            self.critic = library.Sequential([library.Input((5,)), dense(4, name="c_in"), dense(1, name="c_out")])
            self.maker = library.Sequential([library.Input((3,)), dense(6, name="m_in"), dense(5, name="m_out")])
            for name, optimizer in optimizers.items():
                setattr(self, name, optimizer)

        def call(self, x: Any) -> Any:
            return self.critic(self.maker(x))

    model = Gan()
    model(np.ones((1, 3), "float32"))
    return model


def optimizers_of(library: Any) -> dict[str, Any]:
    kinds = library.optimizers
    return {
        "first": kinds.Adam(), "d_opt": kinds.SGD(name="mine"), "other": kinds.RMSprop(name="unheard_of"),
        "many": [kinds.Adam(), kinds.Nadam()], "unbuilt": kinds.Lion(),
    }  # fmt: skip


@pytest.mark.parametrize("write", [formats.keras_archive, formats.weights_h5])
def test_optimizers_under_any_attribute_are_optimizers(write: Any, tmp_path: Path) -> None:
    optimizers = optimizers_of(keras)
    model = gan(keras, optimizers)
    for each, half in zip([optimizers["first"], optimizers["other"], *optimizers["many"]], "cmcm", strict=True):
        each.build((model.critic if half == "c" else model.maker).trainable_weights)
    named = write(model, tmp_path)
    assert sum(info.size for info in model_rows(named)) == model.count_params()
    states = [*optimizers["many"], *(optimizers[name] for name in ("first", "d_opt", "other", "unbuilt"))]
    assert sum(info.role == "optimizer" for info in named) == sum(len(each.variables) for each in states)
    variables = {info.variable for info in named}
    assert {variable.path for variable in optimizers["first"].variables[:2]} <= variables


def test_optimizers_of_keras_2_under_any_attribute_are_optimizers(tmp_path: Path) -> None:
    optimizer = tf_keras.optimizers.Adam()
    model = gan(tf_keras, {"c_optimizer": optimizer})
    optimizer.build(model.critic.trainable_variables)
    named = formats.keras_archive(model, tmp_path)
    assert sum(info.size for info in model_rows(named)) == model.count_params()


def test_a_layer_that_counts_is_no_optimizer(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("roles")
    class Counting(L.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.seen = self.add_weight(shape=(), dtype="int64", trainable=False, name="seen")
            self.center = self.add_weight(shape=(7,), trainable=False, name="center")

        def call(self, x: Any) -> Any:
            return x + self.center

    model = keras.Sequential([keras.Input((7,)), Counting(), L.Dense(2)])
    assert len(model_rows(formats.keras_archive(model, tmp_path))) == 4


def with_lora() -> Any:
    tokens = keras.Input((5,), batch_size=4)
    x = L.Embedding(11, 6, name="embedding")(tokens)
    x = L.Conv1D(4, 2, name="conv")(L.EinsumDense("abc,cd->abd", (5, 3), bias_axes="d", name="einsum")(x))
    model = keras.Model(tokens, L.Dense(2, name="head")(L.Dense(3, name="dense", use_bias=False)(L.Flatten()(x))))
    for name in ("embedding", "conv", "einsum", "dense"):
        model.get_layer(name).enable_lora(2)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_lora_freezes_the_kernel_and_trains_the_factors(tmp_path: Path) -> None:
    model = with_lora()
    state = [variable.path for variable in model.optimizer.variables]
    named = formats.keras_archive(model, tmp_path)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    stored = {info.variable: info.trainable for info in model_rows(named)}
    assert stored == {w.path: w.trainable for w in loaded.weights if "lora" not in w.path}
    assert [info.variable for info in named if info.role == "optimizer"] == state
    facts = read_model_facts(evidence.keras_archive(tmp_path / "model.keras")[1])
    assert facts is not None
    assert facts.lora == ("rank 2: embedding, einsum, conv, dense",)


@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_quantized_layers_are_listed_by_mode(mode: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, name="one"), L.ReLU(), L.Dense(2, name="two")])
    model.quantize(mode)
    model.save(tmp_path / "model.keras")
    facts = read_model_facts(evidence.keras_archive(tmp_path / "model.keras")[1])
    assert facts is not None
    assert facts.quantized == (f"{mode}: one, two",)


def test_files_of_windows_have_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras 2.12 to 2.15 joined the names of groups as Windows joins the names of folders."""
    model = made_2(nested_2)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    here = formats.keras_archive(model, tmp_path)
    over = _Over(tf, io=_Over(tf.io, gfile=_Over(tf.io.gfile, join=ntpath.join)))
    monkeypatch.setattr("tf_keras.src.saving.saving_lib.tf", over)
    there = formats.keras_archive(model, tmp_path)
    assert any("\\" in info.key for info in there)
    assert disagreements(there, weights_of(model)) == []
    described = [[(i.variable, i.layer, i.role, i.trainable) for i in named] for named in (here, there)]
    assert described[0] == described[1]


class _Over:
    """A module with other members in place of some of its own."""

    def __init__(self, module: Any, **members: Any) -> None:
        self._module = module
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def plain_texts(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def rename_scopes(path: Path, suffix: str) -> None:
    """Rename the weights as Keras on TensorFlow 1 did when it saved a model that it had loaded before."""
    with h5py.File(path, "r+") as file:
        for group in file.get("model_weights", file).values():
            names = list(plain_texts(group.attrs.get("weight_names", [])))
            new = [name.replace("/", f"{suffix}/", 1) for name in names]
            for old, name in zip(names, new, strict=True):
                group.move(old, name)
            if new:
                group.attrs["weight_names"] = [name.encode() for name in new]


@pytest.mark.parametrize("write", [formats.legacy_h5, formats.weights_h5])
def test_a_model_saved_after_a_reload_keeps_its_names(write: Any, tmp_path: Path) -> None:
    tf_keras.backend.clear_session()
    layers = [tf_keras.layers.Dense(3), tf_keras.layers.Dense(3), tf_keras.layers.BatchNormalization()]
    model = tf_keras.Sequential([tf_keras.Input((4,)), *layers])
    name = "model.h5"
    model.save(tmp_path / name) if write is formats.legacy_h5 else model.save_weights(tmp_path / name)
    before = name_keras_tensors(*evidence.hdf5(tmp_path / name))
    rename_scopes(tmp_path / name, "_2")
    after = name_keras_tensors(*evidence.hdf5(tmp_path / name))
    assert [info.key for info in before] != [info.key for info in after]
    assert [(i.variable, i.trainable) for i in before] == [(i.variable, i.trainable) for i in after]
    assert [info.variable for info in after] == [w.name.removesuffix(":0") for w in model.weights]


def test_weights_of_theano_have_their_names_in_the_layer(tmp_path: Path) -> None:
    """Keras 1 on Theano names a weight after its layer, without a scope."""
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["layer_names"] = [b"level1", b"level1_bn"]
        for layer, names in {"level1": ["W", "b"], "level1_bn": ["gamma", "running_mean"]}.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}_{name}".encode() for name in names]
            for name in names:
                group[f"{layer}_{name}"] = np.ones(2)
    named = name_keras_tensors(*evidence.hdf5(tmp_path / "model.h5"))
    assert [i.variable for i in named] == ["level1/W", "level1/b", "level1_bn/gamma", "level1_bn/running_mean"]


def in_bfloat16() -> Any:
    layers = [L.Dense(3, dtype="bfloat16", name="one"), L.Dense(2, dtype="bfloat16", name="two")]
    return keras.Sequential([keras.Input((4,)), *layers])


def test_a_legacy_file_has_the_dtype_of_its_policies(tmp_path: Path) -> None:
    """HDF5 has no bfloat16: Keras writes two opaque bytes, and then cannot load them."""
    model = in_bfloat16()
    model.save(tmp_path / "model.h5")
    with ckptread.open(tmp_path / "model.h5") as opened:
        assert [opened["/".join(w.path.split("/")[-2:])].dtype.name for w in model.weights] == ["bfloat16"] * 4
        assert all(
            np.array_equal(opened["/".join(w.path.split("/")[-2:])][...], np.asarray(w.value)) for w in model.weights
        )
        assert opened.model is not None
        assert opened.model.dtype_policy == "bfloat16"


def test_opaque_bytes_stay_opaque_without_such_a_policy(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, name="dense")])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        assert "bfloat16" not in json.dumps(file.attrs["model_config"])
        group = next(iter(file["model_weights/dense"].values()))
        del group["dense/bias" if "dense/bias" in group else "bias"]
        group["bias"] = np.zeros(3, "V2")
    with ckptread.open(tmp_path / "model.h5") as opened:
        assert "|V2" in {info.dtype for info in opened.tensors.values()}
