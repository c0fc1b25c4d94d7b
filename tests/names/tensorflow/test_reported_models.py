"""Models that people asked about: two graphs, slots of partitions, an optimizer of their own, a model in another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from safetensors.numpy import save_file

import ckptread

tf1 = tf.compat.v1


def roles(path: Path) -> dict[str, tuple[Any, Any]]:
    with ckptread.open(path) as reader:
        return {info.name: (info.role, info.trainable) for info in reader.tensors.values()}


def test_a_saved_model_with_two_graphs_has_the_flags_of_the_first(run: Any, tmp_path: Path) -> None:
    builder = tf1.saved_model.Builder(str(tmp_path / "m"))
    for tags in (["serve"], ["serve", "tpu"]):
        with tf.Graph().as_default(), tf1.Session() as session:
            with tf1.variable_scope("net"):
                tf1.get_variable("w", (2, 3))
                tf1.get_variable("frozen", (2,), trainable=False)
            session.run(tf1.global_variables_initializer())
            if "tpu" in tags:
                builder.add_meta_graph(tags)
            else:
                builder.add_meta_graph_and_variables(session, tags)
    builder.save()
    assert roles(tmp_path / "m") == {"net/w": ("model", True), "net/frozen": ("model", False)}
    assert run("diff", tmp_path / "m", tmp_path / "m" / "variables" / "variables").code == 0
    assert run("verify", tmp_path / "m").code == 0


@pytest.mark.parametrize("meta", [True, False])
@pytest.mark.parametrize("name", ["Adagrad", "Ftrl", "Adam"])
def test_slots_of_a_partitioned_variable_are_whole(name: str, meta: bool, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as session:
        with tf1.variable_scope("rank", partitioner=tf1.fixed_size_partitioner(3)):
            kernel = tf1.get_variable("kernel", (7, 2), use_resource=False)
        optimizer = getattr(tf1.train, f"{name}Optimizer")(0.1)
        train = optimizer.minimize(tf.reduce_sum(tf.convert_to_tensor(kernel) ** 2))
        session.run(tf1.global_variables_initializer())
        session.run(train)
        prefix = tf1.train.Saver().save(session, str(tmp_path / "c"), write_meta_graph=meta)
    known = tf.train.load_checkpoint(prefix)
    with ckptread.open(prefix) as reader:
        assert reader.tensors.keys() == known.get_variable_to_shape_map().keys()
        for key in reader.tensors:
            np.testing.assert_array_equal(reader[key][...], known.get_tensor(key))
    found = roles(Path(prefix))
    assert found.pop("rank/kernel") == ("model", True if meta else None)
    assert {role for role, _ in found.values()} == {"optimizer"}


def test_slots_that_an_optimizer_of_ones_own_names_are_not_the_model(tmp_path: Path) -> None:
    """As BERT's optimizer does, without a .meta file."""
    with tf.Graph().as_default(), tf1.Session() as session:
        names = ["bert/embeddings/word_embeddings", "bert/pooler/dense/kernel", "output_weights"]
        weights = [tf1.get_variable(name, (4, 2)) for name in names]
        slots = [tf1.get_variable(f"{name}/adam_{slot}", (4, 2), trainable=False) for name in names for slot in "mv"]
        step = tf1.train.get_or_create_global_step()
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver([*weights, *slots, step])
        prefix = saver.save(session, str(tmp_path / "c"), write_meta_graph=False)
    assert {name for name, (role, _) in roles(Path(prefix)).items() if role == "model"} == set(names)


def test_a_model_in_another_pairs_with_itself_alone(tmp_path: Path) -> None:
    """As Keras 2's multi_gpu_model made it: the real model is one layer of an outer one."""
    layers = tf_keras.layers
    one = tf_keras.Sequential(
        [tf_keras.Input((4,)), layers.Dense(3, name="fc"), layers.BatchNormalization(name="bn")], name="model_1"
    )
    given = tf_keras.Input((4,))
    halves = [one(layers.Lambda(lambda x, k=k: x[k::2], (4,), name=f"half_{k}")(given)) for k in range(2)]
    many = tf_keras.Model(given, layers.Concatenate(axis=0)(halves))
    many.save_weights(tmp_path / "many.h5")
    one.save_weights(tmp_path / "one.h5")
    one.save(tmp_path / "one.keras")
    for other in ("one.h5", "one.keras"):
        found = ckptread.diff(tmp_path / "many.h5", tmp_path / other)
        assert found.same
        assert len(found.tensors) == 6


def test_weights_of_transformers_pair_across_its_formats(tmp_path: Path) -> None:
    """Its .h5 lists the layers of the main layer, with the model's name before each weight; safetensors have none."""
    names = [
        "bert/encoder/layer_._0/output/dense/kernel",
        "bert/encoder/layer_._0/output/dense/bias",
        "classifier/kernel",
    ]
    values = {name: np.random.default_rng(at).normal(size=(3,)).astype("f4") for at, name in enumerate(names)}
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        file.attrs["layer_names"] = [b"bert", b"classifier"]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.15.0"
        for layer in ("bert", "classifier"):
            listed = [f"tf_bert_for_sequence_classification/{name}:0" for name in names if name.startswith(layer)]
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in listed]
            for name in listed:
                group[name] = values[name.partition("/")[2].removesuffix(":0")]
    save_file(values, tmp_path / "model.safetensors", {"format": "tf"})
    found = ckptread.diff(tmp_path / "tf_model.h5", tmp_path / "model.safetensors")
    assert found.same
    assert [entry.by for entry in found.tensors] == ["variable"] * 3
