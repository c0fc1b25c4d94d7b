"""The formats, and which file is whose.

A new format is a module here, a row in FORMATS, and a row in the tests' table of checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ckptread.errors import CheckpointError, UnknownFormatError, UnsupportedError
from ckptread.escape import escape
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.mistakes import find_mistake
from ckptread.formats.tf_paths import from_state, is_checkpoint, latest_in, listing, prefix_of_shard, v1_files
from ckptread.reader import Reader

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_PLACES = (0, 512, 1024, 2048)
"""Where the signature may stand, behind a user block; beyond 2048 the HDF5 library looks, and people do not write."""
BACKENDS = ("auto", "native", "tensorflow")


@dataclass(frozen=True)
class Format:
    """A row of the table: how a format's files are told by their bytes, and what opens them."""

    name: str
    about: str
    recognise: Callable[[Candidate], bool]
    open: Callable[[str], Reader]
    tensorflow: bool = False
    """Whether TensorFlow's own reader can open it too."""


@dataclass(frozen=True)
class Located:
    """What a user's path turned out to be."""

    path: str
    """What is opened: a file, a folder, or the prefix of a TensorFlow checkpoint."""
    format: Format
    note: str = ""
    """How it was arrived at, where that is worth saying."""


def open_checkpoint(path: str | os.PathLike[str], *, backend: str = "auto") -> Reader:
    """Open a checkpoint of any format, of which only the index is read.

    ``path`` is a file, a folder, or the prefix of a TensorFlow checkpoint. ``backend`` is 'auto' or 'native', or
    'tensorflow' to have TensorFlow read the values. Raises CheckpointError (see ckptread.errors), and ValueError
    for an unknown backend.
    """
    if backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r}; there are {', '.join(BACKENDS)}")
    located = locate(os.fspath(path))
    if backend == "tensorflow":
        return _open_by_tensorflow(located)
    reader = located.format.open(located.path)
    if located.note:
        reader.metadata = {**reader.metadata, "opened": located.note}
    return reader


def locate(path: str) -> Located:
    """Return what a path means, told by bytes and not by the name's extension.

    Raises UnknownFormatError, which says what the file is instead where that can be told.
    """
    if not os.path.lexists(path):
        return _locate_prefix(path)
    candidate = look(path)
    found = next((row for row in FORMATS if row.recognise(candidate)), None)
    if found is not None:
        return Located(_prefix(path) if found.name == "tf-bundle" else path, found)
    if candidate.folder:
        return _locate_in(path)
    return _locate_beside(candidate)


def _locate_prefix(path: str) -> Located:
    """The path of nothing that exists: a prefix, or a mistake."""
    if os.path.exists(path + ".index"):
        return Located(path, BY_NAME["tf-bundle"])
    if v1_files(path):
        return Located(path, BY_NAME["tf-v1"])
    folder, base = os.path.split(path)
    prefix = base.removesuffix(".index")
    if any(name.startswith(prefix + ".data-") for name in listing(folder)):
        raise CheckpointError(path, f"{escape(prefix)}.index is missing, without which the data mean nothing",
                              advice="fetch it too")  # fmt: skip
    raise CheckpointError(path, "there is no such file or checkpoint", advice=_suggest(folder, base))


def _suggest(folder: str, base: str) -> str:
    from ckptread.select import nearest

    if not os.path.isdir(folder or "."):
        return f"there is no folder {escape(folder)!r} either"
    near = nearest(base, [name.removesuffix(".index") for name in listing(folder) if ".data-" not in name])
    return f"did you mean {' or '.join(escape(os.path.join(folder, n)) for n in near)}?" if near else "check the path"


def _locate_in(folder: str) -> Located:
    """A folder that is no SavedModel: the latest checkpoint in it, or the one file that is one."""
    latest = latest_in(folder)
    if latest is not None:
        located = locate(latest.path)
        return Located(located.path, located.format, latest.note)
    if is_checkpoint(folder.rstrip("/")):
        return _locate_prefix(folder.rstrip("/"))
    files = [os.path.join(folder, name) for name in listing(folder)]
    found = [(file, row) for file in files if os.path.isfile(file) and (row := _recognised(file))]
    if len(found) == 1:
        return Located(found[0][0], found[0][1], f"the only checkpoint in {escape(folder)!r}")
    names = ", ".join(escape(os.path.basename(file)) for file, _ in found[:3])
    if found:
        raise UnknownFormatError(folder, f"the folder holds {len(found)} checkpoints", advice=f"name one: {names}")
    raise UnknownFormatError(folder, "the folder holds no checkpoint", advice="give the checkpoint itself")


def _recognised(file: str) -> Format | None:
    try:
        candidate = look(file)
    except CheckpointError:
        return None
    return next((row for row in FORMATS if row.recognise(candidate)), None)


def _locate_beside(candidate: Candidate) -> Located:
    """A file that is no checkpoint itself, but leads to one; or a mistake, which is named."""
    path = candidate.path
    if candidate.head.lstrip().startswith((b"model_checkpoint_path", b"all_model_checkpoint_paths")):
        found = from_state(path)
        located = locate(found.path)
        return Located(located.path, located.format, found.note)
    prefix = prefix_of_shard(path)
    if prefix is not None:
        return _locate_prefix(prefix)
    if os.path.exists(path + ".index"):  # a prefix that is also the name of a file
        return Located(path, BY_NAME["tf-bundle"])
    mistake = find_mistake(candidate)
    if mistake is not None:
        raise UnknownFormatError(path, f"this is {mistake.what}", advice=mistake.advice)
    raise UnknownFormatError(
        path, "its bytes are those of no checkpoint that is known here",
        advice="it may be damaged, or cut short: fetch it again",
    )  # fmt: skip


def _prefix(path: str) -> str:
    """Return the prefix of an index. Raises UnknownFormatError where its name would not lead to the data."""
    if not path.endswith(".index"):
        raise UnknownFormatError(
            path,
            "this is the index of a TensorFlow checkpoint, but not named so",
            advice="name it PREFIX.index, beside its PREFIX.data-… files",
        )
    return path.removesuffix(".index")


def _open_by_tensorflow(located: Located) -> Reader:
    if not located.format.tensorflow:
        raise UnsupportedError(
            located.path,
            f"TensorFlow's checkpoint reader does not read {located.format.about}",
            advice="leave --backend tensorflow off",
        )
    from ckptread.formats.tf_checkpoint import TfCheckpointReader

    return TfCheckpointReader(located.path, located.format.name)


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
    from ckptread.formats.tf_bundle import TfBundleReader

    return TfBundleReader(path)


def _open_v1(path: str) -> Reader:
    from ckptread.formats.tf_v1 import TfV1Reader

    return TfV1Reader(v1_files(path) or [path], path)


def _open_saved_model(path: str) -> Reader:
    from ckptread.formats.saved_model import open_saved_model

    return open_saved_model(path)


def _open_hdf5(path: str) -> Reader:
    from ckptread.formats.hdf5 import open_hdf5
    from ckptread.source import FileSource

    return open_hdf5(FileSource(path), path)


def _open_keras_shards(path: str) -> Reader:
    from ckptread.formats.keras_shards import open_sharded

    return open_sharded(path)


def _open_keras(path: str) -> Reader:
    from ckptread.formats.keras_archive import open_keras

    return open_keras(path)


def _open_npz(path: str) -> Reader:
    from ckptread.formats.npz import open_npz

    return open_npz(path)


def _open_npy(path: str) -> Reader:
    from ckptread.formats.npz import open_npy

    return open_npy(path)


def _open_safetensors(path: str) -> Reader:
    from ckptread.formats.safetensors import open_safetensors

    return open_safetensors(path)


def _open_safetensors_index(path: str) -> Reader:
    from ckptread.formats.safetensors import open_sharded

    return open_sharded(path)


FORMATS = (
    Format("saved-model", "SavedModels", lambda c: c.has("saved_model.pb") or c.has("saved_model.pbtxt"),
           _open_saved_model, tensorflow=True),
    Format("hdf5", "HDF5 files", _is_hdf5, _open_hdf5),
    Format("npz", ".npy files", lambda c: c.head.startswith(b"\x93NUMPY"), _open_npy),
    Format("tf-v1", "TensorFlow V1 checkpoints", _is_v1, _open_v1, tensorflow=True),
    Format("tf-bundle", "TensorFlow checkpoints", _is_table, _open_bundle, tensorflow=True),
    Format("keras", ".keras archives", _is_keras, _open_keras),
    Format("npz", ".npz archives", _is_npz, _open_npz),
    Format("safetensors", "sharded safetensors", _is_safetensors_index, _open_safetensors_index),
    Format("keras-shards", "sharded Keras weights", _is_weight_map, _open_keras_shards),
    Format("safetensors", ".safetensors files", _is_safetensors, _open_safetensors),
)  # fmt: skip
"""The formats, in the order they are tried. Each is told by the file's bytes alone, or nearly."""

BY_NAME = {row.name: row for row in FORMATS}
