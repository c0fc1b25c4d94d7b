"""Tensors and evidence read with the writing libraries themselves, so that names/ is tested without the readers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.tensorflow.describe import OBJECT_GRAPH_KEY, TensorFlowEvidence
from ckptread.names.tensorflow.object_graph import ObjectGraph, parse_object_graph
from ckptread.tensors import TensorInfo


def read_hdf5(file: h5py.File) -> tuple[list[TensorInfo], dict[str, dict[str, Any]]]:
    tensors: list[TensorInfo] = []
    attributes: dict[str, dict[str, Any]] = {"": _plain(file.attrs)} if file.attrs else {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            tensors.append(TensorInfo(key=path, shape=item.shape, dtype=str(item.dtype), nbytes=item.nbytes))
        elif item.attrs:
            attributes[path] = _plain(item.attrs)

    file.visititems(visit)
    return tensors, attributes


def _plain(attrs: Any) -> dict[str, Any]:
    return {name: _value(attrs[name]) for name in attrs}


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_value(item) for item in value.tolist()]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def keras_archive(path: str | Path) -> tuple[list[TensorInfo], KerasEvidence]:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        version = json.loads(archive.read("metadata.json"))["keras_version"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            tensors, attributes = read_hdf5(file)
    return tensors, KerasEvidence(
        config=config, training_config=None, attributes=attributes, archive=True, keras_version=version
    )


def hdf5(path: str | Path) -> tuple[list[TensorInfo], KerasEvidence]:
    with h5py.File(path) as file:
        tensors, attributes = read_hdf5(file)
    root = attributes.get("", {})
    config, training = _json(root.get("model_config")), _json(root.get("training_config"))
    return tensors, KerasEvidence(
        config=config, training_config=training, attributes=attributes, same_bytes=lambda a, b: _same_bytes(path, a, b)
    )


def _same_bytes(path: str | Path, a: str, b: str) -> bool:
    with h5py.File(path) as file:
        return file[a][()].tobytes() == file[b][()].tobytes()


def _json(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else None


def checkpoint(prefix: str | Path, folder: str | Path | None = None) -> tuple[list[TensorInfo], TensorFlowEvidence]:
    """A TensorFlow checkpoint; with ``folder``, the SavedModel whose variables it holds."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    dtypes = reader.get_variable_to_dtype_map()
    tensors = [
        TensorInfo(
            key=key, shape=tuple(shape), dtype="string" if dtypes[key] == tf.string else dtypes[key].name, nbytes=0
        )
        for key, shape in reader.get_variable_to_shape_map().items()
    ]
    graph = reader.get_tensor(OBJECT_GRAPH_KEY) if reader.has_tensor(OBJECT_GRAPH_KEY) else None
    evidence = TensorFlowEvidence(
        object_graph=parse_object_graph(graph) if graph else ObjectGraph(),
        saved_model=_file(folder, "saved_model.pb"),
        keras_metadata=_file(folder, "keras_metadata.pb"),
        meta_graph=_file(str(prefix) + ".meta", ""),
        same_bytes=lambda a, b: reader.get_tensor(a).tobytes() == reader.get_tensor(b).tobytes(),
    )
    return tensors, evidence


def saved_model(folder: str | Path) -> tuple[list[TensorInfo], TensorFlowEvidence]:
    return checkpoint(Path(folder, "variables", "variables"), folder)


def _file(folder: str | Path | None, name: str) -> bytes | None:
    path = None if folder is None else Path(folder, name)
    return path.read_bytes() if path is not None and path.is_file() else None
