from __future__ import annotations

from pathlib import Path

import keras
import pytest

from ckptread.names.keras import KerasEvidence
from ckptread.names.model import LayerFact, facts
from ckptread.names.rows import layers
from tests.names import evidence, formats
from tests.names.test_models import custom, made, nested

L = keras.layers


def test_a_config_tells_of_its_model(tmp_path: Path) -> None:
    model = made(nested)
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "mse")
    model.save(tmp_path / "model.keras")
    found = facts(evidence.keras_archive(tmp_path / "model.keras")[1])
    assert found is not None
    assert (found.class_name, found.name, found.input_shape) == ("Functional", model.name, "(None, 5, 4)")
    assert (found.optimizer, found.loss, found.dtype_policy) == ("LossScaleOptimizer of SGD", "mse", "float32")
    assert found.keras_version == keras.__version__
    assert found.custom_objects == found.runs_code == ()
    assert LayerFact("mine", "Dense", True) in found.layers


def test_custom_classes_and_code_are_named(tmp_path: Path) -> None:
    model = made(custom)
    x = keras.Input((4,))
    model = keras.Model(x, L.Lambda(lambda y: y + 1, name="sly", output_shape=(3,))(model(x)))
    model.save(tmp_path / "model.keras")
    found = facts(evidence.keras_archive(tmp_path / "model.keras")[1])
    assert found is not None
    assert found.custom_objects == ("names>Scale",)
    assert "Lambda sly" in found.runs_code


def test_a_legacy_file_tells_the_same(tmp_path: Path) -> None:
    model = made(nested)
    model.compile("adam", "mse")
    model.save(tmp_path / "model.h5")
    found = facts(evidence.hdf5(tmp_path / "model.h5")[1])
    assert found is not None
    assert (found.class_name, found.optimizer, found.loss) == ("Functional", "Adam", "mse")
    assert found.input_shape == "(None, 5, 4)"


@pytest.mark.parametrize("write", [formats.keras_archive, formats.legacy_h5])
def test_rows_are_those_of_the_summary(write: object, tmp_path: Path) -> None:
    model = made(nested)
    assert callable(write)
    write(model, tmp_path)
    archive = write is formats.keras_archive
    tensors, given = (
        evidence.keras_archive(tmp_path / "model.keras") if archive else evidence.hdf5(tmp_path / "model.h5")
    )
    named = formats.keras_names.describe(tensors, given)
    sizes = {info.key: info.size for info in named}
    rows = {row.name: (row.class_name, sum(sizes[key] for key in row.keys)) for row in layers(named, given)}
    wanted = {layer.name: (layer.__class__.__name__, layer.count_params()) for layer in model.layers}
    assert {name: row for name, row in rows.items() if row[0] != "Add"} == wanted


@pytest.mark.parametrize("config", [None, [], {}, {"class_name": 3}, {"class_name": "A", "config": [1, {"x": None}]}])
def test_any_config_is_read(config: object) -> None:
    facts(KerasEvidence(config))
