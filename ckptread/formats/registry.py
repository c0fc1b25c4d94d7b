"""The table of formats: how each one's files are told by their bytes, and what opens them.

A new format is a module here, a row in FORMATS, and a row in the tests' table of checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import msgspec

from ckptread.formats.candidate import Candidate
from ckptread.formats.hdf5.superblock import SIGNATURE
from ckptread.formats.mistakes import find_mistake
from ckptread.reader import Reader, Remains
from ckptread.storage.addresses import find_storage
from ckptread.tensors import Finding

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
    return any(c.head[at : at + 8] == SIGNATURE for at in HDF5_PLACES)


def _is_zip(c: Candidate) -> bool:
    return c.head.startswith((b"PK\3\4", b"PK\5\6"))


def _is_npz(c: Candidate) -> bool:
    return _is_zip(c) and not _is_keras(c) and (c.mentions(b".npy") or c.name.endswith(".npz"))


def _is_keras(c: Candidate) -> bool:
    members = (b"model.weights.", b"config.json", b"metadata.json")
    return _is_zip(c) and (any(c.mentions(name) for name in members) or c.name.endswith(".keras"))


def _is_table(c: Candidate) -> bool:
    from ckptread.formats.tensorflow.leveldb_table import MAGIC

    return c.tail.endswith(MAGIC)


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


def _opener(module: str, function: str, remains: Remains = Remains.refused) -> Callable[[str], Reader]:
    """Return what opens a path by a function of a module, which is imported then."""

    def open_path(path: str) -> Reader:
        opens = getattr(import_module(f"ckptread.formats.{module}"), function)
        reader: Reader = opens(*find_storage(path), remains)
        return reader

    return open_path


def _open_hdf5(path: str) -> Reader:
    reader = _opener("hdf5.reader", "open_hdf5")(path)
    if path.endswith(".keras"):
        message = "this is an HDF5 file, not a .keras archive: Keras goes by the name, and will not load it"
        advice = "name it .weights.h5 where it holds weights alone, .h5 where it is a whole model"
        finding = Finding(
            code="hdf5-keras-name", severity="note", message=message, key=None, file=path, offset=0, advice=advice
        )
        reader.problems = [*reader.problems, finding]
    return reader


FORMATS = (
    Format(
        name="saved-model",
        about="SavedModels",
        recognise=lambda c: c.has("saved_model.pb") or c.has("saved_model.pbtxt"),
        open=_opener("tensorflow.saved_model", "open_saved_model"),
        tensorflow=True,
    ),
    Format(
        name="hdf5",
        about="HDF5 files",
        recognise=_is_hdf5,
        open=_open_hdf5,
        remains=_opener("hdf5.reader", "open_hdf5", Remains.accepted),
    ),
    Format(
        name="npz",
        about=".npy files",
        recognise=lambda c: c.head.startswith(b"\x93NUMPY"),
        open=_opener("numpy.npz", "open_npy"),
    ),
    Format(
        name="tf-v1",
        about="TensorFlow V1 checkpoints",
        recognise=_is_v1,
        open=_opener("tensorflow.v1", "open_v1"),
        tensorflow=True,
    ),
    Format(
        name="tf-bundle",
        about="TensorFlow checkpoints",
        recognise=_is_table,
        open=_opener("tensorflow.bundle", "open_bundle"),
        tensorflow=True,
        remains=_opener("tensorflow.bundle", "open_bundle", Remains.accepted),
    ),
    Format(
        name="keras",
        about=".keras archives",
        recognise=_is_keras,
        open=_opener("keras.archive", "open_keras"),
        remains=_opener("keras.archive", "open_keras", Remains.accepted),
    ),
    Format(
        name="npz",
        about=".npz archives",
        recognise=_is_npz,
        open=_opener("numpy.npz", "open_npz"),
        remains=_opener("numpy.npz", "open_npz", Remains.accepted),
    ),
    Format(
        name="safetensors",
        about="sharded safetensors",
        recognise=_is_safetensors_index,
        open=_opener("safetensors.index", "open_safetensors_shards"),
        sharded=True,
    ),
    Format(
        name="keras-shards",
        about="sharded Keras weights",
        recognise=_is_weight_map,
        open=_opener("keras.shards", "open_keras_shards"),
        sharded=True,
    ),
    Format(
        name="safetensors",
        about=".safetensors files",
        recognise=_is_safetensors,
        open=_opener("safetensors.reader", "open_safetensors"),
    ),
)
"""The formats, in the order they are tried. Each is told by the file's bytes alone, or nearly."""

BY_NAME = {row.name: row for row in FORMATS}
