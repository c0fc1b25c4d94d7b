"""``--model`` of a SavedModel lists classes that are not Keras' own, and operations that read or write files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

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
