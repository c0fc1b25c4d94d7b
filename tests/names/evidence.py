"""Tensors and evidence read with the writing libraries themselves, so that names/ is tested without the readers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ckptread.names.keras import KerasEvidence
from ckptread.tensors import TensorInfo


def read_hdf5(file: h5py.File) -> tuple[list[TensorInfo], dict[str, dict[str, Any]]]:
    tensors: list[TensorInfo] = []
    attributes: dict[str, dict[str, Any]] = {"": _plain(file.attrs)} if file.attrs else {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            tensors.append(TensorInfo(path, item.shape, str(item.dtype), item.nbytes))
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
    return tensors, KerasEvidence(config, None, attributes, archive=True, keras_version=version)


def hdf5(path: str | Path) -> tuple[list[TensorInfo], KerasEvidence]:
    with h5py.File(path) as file:
        tensors, attributes = read_hdf5(file)
    root = attributes.get("", {})
    return tensors, KerasEvidence(_json(root.get("model_config")), _json(root.get("training_config")), attributes)


def _json(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else None
