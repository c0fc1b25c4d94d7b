"""A model written in every format that Keras has, read back as described tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ckptread.names.keras import describe as keras_names
from ckptread.names.tensorflow import describe as tensorflow_names
from ckptread.tensors import TensorInfo
from tests.names import evidence

Named = list[TensorInfo]


def keras_archive(model: Any, folder: Path) -> Named:
    model.save(folder / "model.keras")
    return _complete(keras_names.name_keras_tensors, *evidence.keras_archive(folder / "model.keras"))


def weights_h5(model: Any, folder: Path) -> Named:
    model.save_weights(folder / "model.weights.h5")
    return _complete(keras_names.name_keras_tensors, *evidence.hdf5(folder / "model.weights.h5"))


def legacy_h5(model: Any, folder: Path) -> Named:
    model.save(folder / "model.h5")
    return _complete(keras_names.name_keras_tensors, *evidence.hdf5(folder / "model.h5"))


def checkpoint(model: Any, folder: Path) -> Named:
    import tensorflow as tf

    prefix = tf.train.Checkpoint(model=model).save(str(folder / "checkpoint"))
    return _complete(tensorflow_names.name_tensorflow_tensors, *evidence.checkpoint(prefix))


def export(model: Any, folder: Path) -> Named:
    model.export(str(folder / "export"), verbose=False)
    return _complete(tensorflow_names.name_tensorflow_tensors, *evidence.saved_model(folder / "export"))


def saved_model(model: Any, folder: Path) -> Named:
    import tensorflow as tf

    tf.saved_model.save(model, str(folder / "saved"))
    return _complete(tensorflow_names.name_tensorflow_tensors, *evidence.saved_model(folder / "saved"))


def _complete(describe: Callable[..., Named], tensors: Named, given: Any) -> Named:
    """Describe, and check that no tensor lost its key and nothing but the names was touched."""
    named = describe(tensors, given)
    assert sorted(info.key for info in named) == sorted(info.key for info in tensors)
    before = {info.key: info for info in tensors}
    assert all((before[i.key].shape, before[i.key].dtype) == (i.shape, i.dtype) for i in named)
    return named
