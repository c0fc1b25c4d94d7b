"""Keras' own rows in the table of formats."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate
from ckptread.formats.format import Format, Located, on_first_use
from ckptread.formats.json_index import index_in, is_weight_map, list_shards
from ckptread.formats.zip.signature import is_zip
from ckptread.storage.source import Storage

_MEMBERS = (b"model.weights.", b"config.json", b"metadata.json")


def _is_archive(c: Candidate) -> bool:
    return is_zip(c) and (any(c.mentions(name) for name in _MEMBERS) or c.name.endswith(".keras"))


def _is_index(c: Candidate) -> bool:
    return is_weight_map(c) and not c.mentions(b".safetensors")


def _is_folder(c: Candidate) -> bool:
    return c.has("config.json") and (c.has("model.weights.h5") or c.has("model.weights.json"))


def _resolve_index(storage: Storage, name: str) -> Located | None:
    return index_in(storage, name, SHARDS)


ARCHIVE = Format(
    name="keras",
    about=".keras archives",
    endings=(".keras",),
    recognise=_is_archive,
    open=on_first_use("keras.archive", "open_keras"),
    paths=on_first_use("keras.archive", "list_weight_paths"),
    backends={"h5py": on_first_use("keras.archive", "open_keras_by_h5py")},
    seal=on_first_use("zip.sealing", "store_checksums"),
)
SHARDS = Format(
    name="keras-shards",
    about="sharded Keras weights",
    endings=(".weights.json",),
    recognise=_is_index,
    open=on_first_use("keras.shards", "open_keras_shards"),
    backends={"h5py": on_first_use("keras.shards", "open_keras_shards_by_h5py")},
    resolve=_resolve_index,
    parts=list_shards,
)
FOLDER = Format(
    name="keras-folder",
    about="Keras folders",
    endings=(),
    recognise=_is_folder,
    open=on_first_use("keras.folder", "open_keras_folder"),
    backends={"h5py": on_first_use("keras.folder", "open_keras_folder_by_h5py")},
    parts=on_first_use("keras.folder", "list_files"),
)
ROWS = (ARCHIVE, FOLDER, SHARDS)
