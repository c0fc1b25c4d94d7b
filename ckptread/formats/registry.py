"""The table of formats: how each one's files are told by their bytes, and what opens them.

A new format is a module here, a row in FORMATS, and a row in the tests' table of checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ckptread.formats.candidate import Candidate
from ckptread.formats.mistakes import find_mistake
from ckptread.formats.tensorflow.paths import v1_files
from ckptread.reader import Reader
from ckptread.tensors import Finding

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_PLACES = (0, 512, 1024, 2048)
"""Where the signature may stand, behind a user block; beyond 2048 the HDF5 library looks, and people do not write."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: how a format's files are told by their bytes, and what opens them."""

    name: str
    about: str
    recognise: Callable[[Candidate], bool]
    open: Callable[[str], Reader]
    tensorflow: bool = False
    """Whether TensorFlow's own reader can open it too."""
    remains: Callable[[str], Reader] | None = None
    """Opens what is left of a file that ``open`` refuses as damaged; None where nothing can be found in one."""
    sharded: bool = False
    """Whether its file names others, beside it, that hold the tensors."""


def _is_hdf5(c: Candidate) -> bool:
    return any(c.head[at : at + 8] == HDF5_MAGIC for at in HDF5_PLACES)


def _is_zip(c: Candidate) -> bool:
    return c.head.startswith((b"PK\3\4", b"PK\5\6"))


def _is_npz(c: Candidate) -> bool:
    return _is_zip(c) and not _is_keras(c) and (c.mentions(b".npy") or c.name.endswith(".npz"))


def _is_keras(c: Candidate) -> bool:
    members = (b"model.weights.", b"config.json", b"metadata.json")
    return _is_zip(c) and (any(c.mentions(name) for name in members) or c.name.endswith(".keras"))


def _is_table(c: Candidate) -> bool:
    return c.tail.endswith(TABLE_MAGIC)


def _is_v1(c: Candidate) -> bool:
    """A V1 table begins with an entry of an empty key whose value is a message (field 1, of bytes)."""
    return _is_table(c) and not c.name.endswith(".index") and (b"\x0a" in c.head[2:12])


def _is_safetensors(c: Candidate) -> bool:
    named = c.name.endswith(".safetensors") and not _is_weight_map(c) and not find_mistake(c)
    return named or (c.head[8:9] == b"{" and int.from_bytes(c.head[:8], "little") < c.size)


def _is_safetensors_index(c: Candidate) -> bool:
    return _is_weight_map(c) and c.mentions(b".safetensors")


def _is_weight_map(c: Candidate) -> bool:
    return c.head.lstrip().startswith(b"{") and c.mentions(b'"weight_map"')


def _open_bundle(path: str) -> Reader:
    from ckptread.formats.tensorflow.bundle import TfBundleReader

    return TfBundleReader(path)


def _open_v1(path: str) -> Reader:
    from ckptread.formats.tensorflow.v1 import TfV1Reader

    return TfV1Reader(v1_files(path) or [path], path)


def _open_saved_model(path: str) -> Reader:
    from ckptread.formats.tensorflow.saved_model import open_saved_model

    return open_saved_model(path)


def _open_hdf5(path: str) -> Reader:
    from ckptread.formats.hdf5.reader import open_hdf5
    from ckptread.storage.local import FileSource

    reader = open_hdf5(FileSource(path), path)
    if path.endswith(".keras"):
        message = "this is an HDF5 file, not a .keras archive: Keras goes by the name, and will not load it"
        advice = "name it .weights.h5 where it holds weights alone, .h5 where it is a whole model"
        reader.problems = [
            *reader.problems,
            Finding(severity="note", message=message, key=None, file=path, offset=0, advice=advice),
        ]
    return reader


def _open_keras_shards(path: str) -> Reader:
    from ckptread.formats.keras.shards import open_keras_shards

    return open_keras_shards(path)


def _open_keras(path: str) -> Reader:
    from ckptread.formats.keras.archive import open_keras

    return open_keras(path)


def _open_npz(path: str) -> Reader:
    from ckptread.formats.numpy.npz import open_npz

    return open_npz(path)


def _open_npy(path: str) -> Reader:
    from ckptread.formats.numpy.npz import open_npy

    return open_npy(path)


def _open_safetensors(path: str) -> Reader:
    from ckptread.formats.safetensors.reader import open_safetensors

    return open_safetensors(path)


def _open_safetensors_index(path: str) -> Reader:
    from ckptread.formats.safetensors.index import open_safetensors_shards

    return open_safetensors_shards(path)


def _bundle_remains(path: str) -> Reader:
    from ckptread.formats.tensorflow.bundle import TfBundleReader

    return TfBundleReader(path, remains=True)


def _hdf5_remains(path: str) -> Reader:
    from ckptread.formats.hdf5.reader import open_hdf5
    from ckptread.storage.local import FileSource

    return open_hdf5(FileSource(path), path, remains=True)


def _keras_remains(path: str) -> Reader:
    from ckptread.formats.keras.archive import open_keras

    return open_keras(path, remains=True)


def _npz_remains(path: str) -> Reader:
    from ckptread.formats.numpy.npz import open_npz

    return open_npz(path, remains=True)


FORMATS = (
    Format(
        name="saved-model",
        about="SavedModels",
        recognise=lambda c: c.has("saved_model.pb") or c.has("saved_model.pbtxt"),
        open=_open_saved_model,
        tensorflow=True,
    ),
    Format(name="hdf5", about="HDF5 files", recognise=_is_hdf5, open=_open_hdf5, remains=_hdf5_remains),
    Format(name="npz", about=".npy files", recognise=lambda c: c.head.startswith(b"\x93NUMPY"), open=_open_npy),
    Format(name="tf-v1", about="TensorFlow V1 checkpoints", recognise=_is_v1, open=_open_v1, tensorflow=True),
    Format(
        name="tf-bundle",
        about="TensorFlow checkpoints",
        recognise=_is_table,
        open=_open_bundle,
        tensorflow=True,
        remains=_bundle_remains,
    ),
    Format(name="keras", about=".keras archives", recognise=_is_keras, open=_open_keras, remains=_keras_remains),
    Format(name="npz", about=".npz archives", recognise=_is_npz, open=_open_npz, remains=_npz_remains),
    Format(
        name="safetensors",
        about="sharded safetensors",
        recognise=_is_safetensors_index,
        open=_open_safetensors_index,
        sharded=True,
    ),
    Format(
        name="keras-shards",
        about="sharded Keras weights",
        recognise=_is_weight_map,
        open=_open_keras_shards,
        sharded=True,
    ),
    Format(name="safetensors", about=".safetensors files", recognise=_is_safetensors, open=_open_safetensors),
)
"""The formats, in the order they are tried. Each is told by the file's bytes alone, or nearly."""

BY_NAME = {row.name: row for row in FORMATS}
