"""Keras folders: what ``model.save(..., zipped=False)`` writes, and the presets of KerasHub.

What it is: the members of a .keras archive as files: ``config.json``, ``metadata.json``, and the weights as
``model.weights.h5`` or, in several files, ``model.weights.json``.
Specification: keras/src/saving/saving_lib.py, ``_save_model_to_dir``.
Read here: the weights; both JSON files, as data; assets, as bytes.
Not read: tokenizers and tasks outside of ``assets/``; nothing that config.json names is built or imported.
"""

from __future__ import annotations

from posixpath import join
from typing import Any

from ckptread.errors import CheckpointError
from ckptread.formats.asset_files import list_assets, text_assets
from ckptread.formats.hdf5.opening import h5py_reader, open_hdf5_source
from ckptread.formats.hdf5.reader import Archive
from ckptread.formats.json_shards import read_index
from ckptread.formats.keras.archive import ASSET_LAYOUT, ASSETS, CONFIG, METADATA, archive_metadata
from ckptread.formats.keras.shards import KerasShardsReader
from ckptread.names.keras.vocabularies import config_vocabularies
from ckptread.reader import Reader, Remains
from ckptread.storage.source import Storage
from ckptread.tensors import Finding

WEIGHTS, SHARDED_WEIGHTS = "model.weights.h5", "model.weights.json"


def open_keras_folder(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a folder that Keras wrote in place of an archive. Raises CheckpointError if its weights cannot be opened.

    An unreadable config.json is a finding: the weights are read without it.
    """
    return _open_folder(storage, name, remains, "native")


def open_keras_folder_by_h5py(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open such a folder, with h5py for its weights. Raises CheckpointError."""
    return _open_folder(storage, name, remains, "h5py")


def _open_folder(storage: Storage, name: str, remains: Remains, backend: str) -> Reader:
    problems: list[Finding] = []
    config, about = (_read_json(storage, join(name, each), problems) for each in (CONFIG, METADATA))
    metadata = archive_metadata(about or {}, config or {})
    around = Archive(format="keras-folder", metadata=metadata, config=config)
    reader: Reader
    if storage.kind(join(name, WEIGHTS)) == "file":
        source = storage.open(join(name, WEIGHTS))
        reader = h5py_reader(source, around) if backend == "h5py" else open_hdf5_source(source, remains, around)
    else:
        reader = KerasShardsReader(storage, join(name, SHARDED_WEIGHTS), around, backend=backend)
    reader.path, reader.problems = storage.address(name), [*problems, *reader.problems]
    texts = text_assets(reader.path, config_vocabularies(config))
    reader.assets, reader.asset_layout = {**texts, **list_assets(storage, name, [ASSETS])}, ASSET_LAYOUT
    return reader


def list_files(storage: Storage, name: str) -> list[str]:
    """Return the names of the files in a folder that belong to the model."""
    from ckptread.formats.json_index import list_shards

    index = join(name, SHARDED_WEIGHTS)
    weights = list_shards(storage, index) if storage.kind(index) == "file" else [join(name, WEIGHTS)]
    texts = [join(name, each) for each in (CONFIG, METADATA)]
    return [*(each for each in texts if storage.kind(each) == "file"), *weights]


def _read_json(storage: Storage, name: str, problems: list[Finding]) -> dict[str, Any] | None:
    """Return the object in a JSON file; what is wrong with it becomes a finding."""
    if storage.kind(name) != "file":
        message = f"the folder has no {name.rpartition('/')[2]}"
        problems.append(Finding(code="keras-member-missing", severity="note", message=message))
        return None
    try:
        return read_index(storage, name)
    except CheckpointError as error:
        message = f"{name.rpartition('/')[2]}: {error.problem}"
        advice = "the weights are read without what it describes"
        problems.append(Finding(code="keras-json", severity="error", message=message, file=error.path, advice=advice))
        return None
