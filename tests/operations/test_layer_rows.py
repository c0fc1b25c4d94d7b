"""``inspect --layers`` has a row for each layer wherever the file has paths, with or without a config or names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")

import ckptread


def rows(path: Path, **options: Any) -> dict[str, int]:
    summary = ckptread.summarize(path, **options)
    return {row.name: row.weights.parameters for row in summary.layers if row.weights.parameters}


def two_layers(library: Any) -> Any:
    inner = library.Sequential([library.Input((3,)), library.layers.Dense(2, name="deep")], name="inner")
    layers = [library.Input((4,)), library.layers.Dense(3, name="first"), inner]
    return library.Sequential(layers)


def without_names(path: Path) -> None:
    """Take the stored names out of a file, which Keras before 3.7 did not write."""
    groups: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visit(groups.append)
        for group in groups:
            if "name" in file[group].attrs:
                del file[group].attrs["name"]


def test_a_weights_file_without_names_has_rows_by_path(tmp_path: Path) -> None:
    keras.backend.clear_session()
    two_layers(keras).save_weights(tmp_path / "m.weights.h5")
    without_names(tmp_path / "m.weights.h5")
    assert rows(tmp_path / "m.weights.h5") == {"dense": 15, "sequential": 8}
    assert rows(tmp_path / "m.weights.h5", depth=2) == {"dense": 15, "sequential": 8, "sequential/dense": 8}


def test_a_weights_file_of_keras_2_has_rows_by_path(tmp_path: Path) -> None:
    two_layers(tf_keras).save_weights(tmp_path / "m.weights.h5")
    assert rows(tmp_path / "m.weights.h5") == {"dense": 15, "sequential": 8}


SLASHES = ("Conv", "squeeze/excite/Conv", "a", "a/b", "a/b/c")


@pytest.mark.parametrize("whole", [True, False])
def test_layers_with_slashes_have_rows_of_their_own(whole: bool, tmp_path: Path) -> None:
    model = tf_keras.Sequential([tf_keras.Input((6,)), *(tf_keras.layers.Dense(4, name=name) for name in SLASHES)])
    model.save(tmp_path / "m.h5") if whole else model.save_weights(tmp_path / "m.h5")
    assert rows(tmp_path / "m.h5") == {layer.name: layer.count_params() for layer in model.layers}


def with_slashes() -> Any:
    """Return a model whose layers have slashes in their names, also one in a model, and layers with layers inside."""
    layers = tf_keras.layers
    inner = tf_keras.Sequential([tf_keras.Input((4,)), layers.Dense(3, name="in/ner")], name="n/m")
    given = tf_keras.Input((6,))
    x = given
    for name in SLASHES:
        x = layers.Dense(4, name=name)(x)
    x = layers.Reshape((3, 1))(inner(x))
    x = layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both/ways")(x)
    return tf_keras.Model(given, layers.LSTM(2, name="last/lstm")(layers.Reshape((4, 1))(x)))


@pytest.mark.parametrize("container", ["checkpoint", "weights", "saved-model"])
def test_layers_with_slashes_have_rows_in_tensorflow_formats(container: str, tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    model = with_slashes()
    path = tmp_path / "m"
    if container == "checkpoint":
        tensorflow.train.Checkpoint(model=model).write(str(path))
    elif container == "weights":
        model.save_weights(path, save_format="tf")
    else:
        model.save(path, save_format="tf")
    expected = {layer.name: layer.count_params() for layer in model.layers if layer.count_params()}
    if container != "saved-model":  # which records the model in the model
        expected["in/ner"] = expected.pop("n/m")
    assert rows(path) == expected


def test_a_model_that_was_built_when_it_was_called_has_rows_of_its_layers(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    model = tf_keras.Sequential([tf_keras.layers.Dense(4, name="one"), tf_keras.layers.Dense(2, name="two")], name="m")
    model(np.ones((1, 3)))
    tensorflow.train.Checkpoint(model=model).write(str(tmp_path / "m"))
    assert rows(tmp_path / "m") == {"one": 16, "two": 10}


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
@pytest.mark.parametrize(
    ("library", "expected"), [(keras, {"dec": 16, "enc": 15}), (tf_keras, {"dense": 16, "sequential": 15})]
)
def test_a_subclassed_model_has_a_row_for_each_object(
    library: Any, expected: dict[str, int], ending: str, tmp_path: Path
) -> None:
    """Keras 2 stores the objects under a list of layers, by class."""

    class Vae(library.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.enc = library.Sequential([library.layers.Dense(3)], name="enc")
            self.dec = library.layers.Dense(4, name="dec")

        def call(self, x: Any) -> Any:
            return self.dec(self.enc(x))

    model, path = Vae(), tmp_path / f"m.{ending}"
    model(np.ones((1, 4), "f4"))
    model.save(path) if ending == "keras" else model.save_weights(path)
    assert rows(path) == expected


def test_a_layer_without_a_name_is_not_counted_with_a_namesake(tmp_path: Path) -> None:
    """The path of an object is numbered by class, so it may be another layer's name."""
    tf_keras.backend.clear_session()
    x = tf_keras.Input((4,))
    first, second = tf_keras.layers.Dense(3, name="dense_1"), tf_keras.layers.Dense(2, name="dense")
    model = tf_keras.Model(x, second(first(x)))
    model.save(tmp_path / "m.keras")
    assert rows(tmp_path / "m.keras") == {"dense_1": 15, "dense": 8}


def test_what_matlab_keeps_for_itself_comes_last(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.mat", "w") as file:
        for name in ("#refs#/a", "#subsystem#/b", "values", "Zeta"):
            file[name] = np.ones(2)
    with ckptread.open(tmp_path / "m.mat") as opened:
        assert list(opened.tensors)[:2] == ["Zeta", "values"]
        assert len(opened.tensors) == 4
