"""``--model`` of a SavedModel lists classes that are not Keras' own, and operations that read or write files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from tensorflow.core.protobuf import saved_model_pb2

import ckptread


class Odd(tf_keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x * 2.0


class Strange(tf_keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.parts = [Odd(), tf_keras.layers.Dense(2), tf_keras.layers.BatchNormalization()]

    def call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x


class Writer(tf.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def save(self, path: Any) -> Any:
        tf.io.write_file(path, "text")
        return tf.io.read_file(path)


def test_custom_classes_are_listed(tmp_path: Path) -> None:
    model = Strange()
    model.compile("adam", "mse", metrics=["accuracy", "AUC"])
    model.fit(np.ones((2, 3), "f4"), np.ones((2, 2), "f4"), verbose=0)
    model.save(str(tmp_path / "m"), save_format="tf")
    with ckptread.open(tmp_path / "m") as opened:
        assert opened.model is not None
        assert opened.model.custom_objects == ("Odd", "Strange")
        assert opened.model.reads_files == ()


def test_operations_on_files_are_listed(tmp_path: Path) -> None:
    tf.saved_model.save(Writer(), str(tmp_path / "m"))
    with ckptread.open(tmp_path / "m") as opened:
        assert opened.model is not None
        assert opened.model.reads_files == ("operation ReadFile", "operation WriteFile")


class Reader(tf.Module):  # type: ignore[misc]
    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def load(self, path: Any) -> Any:
        return tf.io.read_file(path)


def test_operations_on_files_are_listed_without_variables_too(tmp_path: Path) -> None:
    tf.saved_model.save(Reader(), str(tmp_path / "m"))
    shutil.rmtree(tmp_path / "m" / "variables")  # TensorFlow 1 writes no such folder
    with ckptread.open(tmp_path / "m") as opened:
        assert not opened.tensors
        assert opened.model is not None
        assert opened.model.reads_files == ("operation ReadFile",)


def changed(folder: Path, change: Any) -> Path:
    """Change the objects in a SavedModel's graph, each with its number."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    for number, node in enumerate(saved.meta_graphs[0].object_graph_def.nodes):
        change(number, node)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    return folder


def test_custom_classes_are_listed_without_keras_metadata(tmp_path: Path) -> None:
    """Keras before 2.5 has the metadata of each object in saved_model.pb."""
    from tensorflow.python.keras.protobuf import saved_metadata_pb2

    tf_keras.Sequential([tf_keras.Input((3,)), Odd(), tf_keras.layers.Dense(2)]).save(
        str(tmp_path / "m"), save_format="tf"
    )
    metadata = saved_metadata_pb2.SavedMetadata()
    metadata.ParseFromString((tmp_path / "m" / "keras_metadata.pb").read_bytes())
    (tmp_path / "m" / "keras_metadata.pb").unlink()
    with ckptread.open(tmp_path / "m") as opened:
        assert opened.model is not None
        assert "keras_metadata.pb" in opened.model.custom_objects[0]  # nothing else names the classes
    texts = {node.node_id: node.metadata for node in metadata.nodes}
    changed(tmp_path / "m", lambda number, node: setattr(node.user_object, "metadata", texts[number])
            if number in texts else None)  # fmt: skip
    with ckptread.open(tmp_path / "m") as opened:
        assert opened.model is not None
        assert opened.model.custom_objects == ("Odd",)


def test_registered_names_and_identifiers_are_listed(tmp_path: Path) -> None:
    tf.saved_model.save(Writer(), str(tmp_path / "m"))

    def mark(number: int, node: Any) -> None:
        if number == 0:
            node.registered_name, node.user_object.identifier = "ours.Writer", "their_object"

    with ckptread.open(changed(tmp_path / "m", mark)) as opened:
        assert opened.model is not None
        assert opened.model.custom_objects == ("ours.Writer", "their_object (an object's identifier)")
