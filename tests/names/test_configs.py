from __future__ import annotations

from ckptread.names.keras.configs import parse
from ckptread.names.keras.describe import KerasEvidence, describe
from ckptread.names.keras.legacy_places import MAX_FITS, locate
from ckptread.names.keras.trainable import Flags
from ckptread.tensors import TensorInfo


def test_a_plain_hdf5_file_comes_back_as_it_was() -> None:
    tensors = [TensorInfo("group/data", (3,), "float32", 12), TensorInfo("a", (), "int64", 8)]
    assert describe(tensors, KerasEvidence()) == tensors


def test_names_without_their_layers_name_nothing() -> None:
    """A legacy .h5 of Keras 3.0 stores the weight's own name alone, for a nested model too."""
    tensors = [TensorInfo(f"{group}/kernel", (2, 2), "float32", 16) for group in ("dense", "inner")]
    lists = {"dense": {"weight_names": ["kernel"]}, "inner": {"weight_names": ["kernel"]}}
    root = {"layer_names": ["dense", "inner"], "keras_version": "3.0.5"}
    dense = {"class_name": "Dense", "config": {"name": "dense", "trainable": True}}
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [dense]}}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": [dense, inner]}}
    named = describe(tensors, KerasEvidence(config, attributes={"": root, **lists}))
    assert [info.variable for info in named] == ["dense/kernel", None]


def test_layers_that_are_all_called_alike_take_no_endless_search() -> None:
    """A config may say anything: then what is stored is shown as it is."""
    count = 400
    dense = {"class_name": "Dense", "config": {"name": "d"}}
    model = parse({"class_name": "Sequential", "config": {"name": "m", "layers": [dense] * count}})
    assert model is not None
    assert count * count > MAX_FITS
    found = locate(model, [f"x{number}/d/kernel" for number in range(count)], True, Flags())
    assert found[-1].chain == ("m", f"x{count - 1}", "d")
