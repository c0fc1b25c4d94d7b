from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")


from ckptread.model import LayerFact
from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.keras.model_facts import read_model_facts
from tests.names import evidence
from tests.names.keras.test_models import custom, made, nested

L = keras.layers


def test_a_config_tells_of_its_model(tmp_path: Path) -> None:
    model = made(nested)
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "mse")
    model.save(tmp_path / "model.keras")
    found = read_model_facts(evidence.keras_archive(tmp_path / "model.keras")[1])
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
    found = read_model_facts(evidence.keras_archive(tmp_path / "model.keras")[1])
    assert found is not None
    assert found.custom_objects == ("names>Scale",)
    assert found.runs_code == ("Lambda sly", "a lambda, as bytecode")


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        ("os", "system", ("function os.system",)),
        ("builtins", "exec", ("function builtins.exec",)),
        ("keras.utils", "get_file", ("function keras.utils.get_file",)),
        ("keras.activations", "gelu", ()),
        ("keras.losses", "mean_squared_error", ()),
        ("builtins", "mine>act", ()),
    ],
)
def test_a_function_that_no_model_needs_is_named(module: str, name: str, said: tuple[str, ...]) -> None:
    config = {"class_name": "Sequential", "config": {"layers": [function(module, name)]}}
    found = read_model_facts(KerasEvidence(config=config))
    assert found is not None
    assert found.runs_code == said


def test_a_layer_that_reads_a_file_is_named() -> None:
    config = {"class_name": "StringLookup", "config": {"name": "words", "vocabulary": "/etc/passwd"}}
    found = read_model_facts(KerasEvidence(config=config))
    assert found is not None
    assert found.reads_files == ("StringLookup words /etc/passwd",)


def test_optimizers_that_tf_keras_registers_are_its_own() -> None:
    optimizer = {"class_name": "Custom>Adam", "module": "optimizers", "registered_name": "Custom>Adam", "config": {}}
    found = read_model_facts(
        KerasEvidence(config={"class_name": "Sequential"}, training_config={"optimizer_config": optimizer})
    )
    assert found is not None
    assert (found.optimizer, found.custom_objects) == ("Adam", ())


def test_a_legacy_file_tells_the_same(tmp_path: Path) -> None:
    model = made(nested)
    model.compile("adam", "mse")
    model.save(tmp_path / "model.h5")
    found = read_model_facts(evidence.hdf5(tmp_path / "model.h5")[1])
    assert found is not None
    assert (found.class_name, found.optimizer, found.loss) == ("Functional", "Adam", "mse")
    assert found.input_shape == "(None, 5, 4)"


@pytest.mark.parametrize("config", [None, [], {}, {"class_name": 3}, {"class_name": "A", "config": [1, {"x": None}]}])
def test_any_config_is_read(config: object) -> None:
    read_model_facts(KerasEvidence(config=config))
