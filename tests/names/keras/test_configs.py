from __future__ import annotations

from ckptread.limits import MAX_FITS
from ckptread.names.keras.configs import parse_config
from ckptread.names.keras.describe import KerasEvidence, name_keras_tensors
from ckptread.names.keras.legacy_places import place_legacy_weights
from ckptread.names.keras.trainable import Flags
from ckptread.tensors import TensorInfo


def test_a_plain_hdf5_file_comes_back_as_it_was() -> None:
    tensors = [
        TensorInfo(key="group/data", shape=(3,), dtype="float32", nbytes=12),
        TensorInfo(key="a", shape=(), dtype="int64", nbytes=8),
    ]
    assert name_keras_tensors(tensors, KerasEvidence()) == tensors


def test_names_without_their_layers_name_nothing() -> None:
    """A legacy .h5 of Keras 3.0 stores the weight's own name alone, for a nested model too."""
    tensors = [
        TensorInfo(key=f"{group}/kernel", shape=(2, 2), dtype="float32", nbytes=16) for group in ("dense", "inner")
    ]
    lists = {"dense": {"weight_names": ["kernel"]}, "inner": {"weight_names": ["kernel"]}}
    root = {"layer_names": ["dense", "inner"], "keras_version": "3.0.5"}
    dense = {"class_name": "Dense", "config": {"name": "dense", "trainable": True}}
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [dense]}}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": [dense, inner]}}
    named = name_keras_tensors(tensors, KerasEvidence(config=config, attributes={"": root, **lists}))
    assert [info.variable for info in named] == ["dense/kernel", None]


def test_layers_that_are_all_called_alike_take_no_endless_search() -> None:
    """A config may say anything: then what is stored is shown as it is."""
    count = 400
    dense = {"class_name": "Dense", "config": {"name": "d"}}
    model = parse_config({"class_name": "Sequential", "config": {"name": "m", "layers": [dense] * count}})
    assert model is not None
    assert count * count > MAX_FITS
    found = place_legacy_weights(model, [f"x{number}/d/kernel" for number in range(count)], True, Flags())
    assert found[-1].chain == ("m", f"x{count - 1}", "d")
