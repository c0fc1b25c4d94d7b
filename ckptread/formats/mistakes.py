"""What people open instead of a checkpoint, recognised by its bytes, and what they should do."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.foreign import (
    TFJS_SHARD,
    is_family_part,
    is_graph,
    is_matlab4,
    is_messages,
    is_meta_graph,
    is_mindspore,
    is_onnx,
    is_orbax_folder,
    is_tensorflow_js_folder,
    is_zarr_folder,
)
from ckptread.storage.source import Storage

OLD_PICKLE = re.compile(rb"\((dp|lp)\d+\n|c[\w.]+\n\w+\np\d+\n")
"""A dict, a list or an object, as protocol 0 writes them."""


class Mistake(msgspec.Struct, frozen=True):
    """Something that is not a checkpoint: how to recognise it, what it is, and what to do."""

    is_it: Callable[[Candidate], bool]
    what: str
    advice: str


def find_mistake(candidate: Candidate) -> Mistake | None:
    """Return what the file is instead of a checkpoint, or None."""
    kinds = FOLDERS if candidate.folder else MISTAKES
    return next((mistake for mistake in kinds if mistake.is_it(candidate)), None)


def find_substitute(candidate: Candidate) -> Mistake | None:
    """Return what is in place of the file's contents, or None."""
    return next((mistake for mistake in SUBSTITUTES if mistake.is_it(candidate)), None)


def blame_substitute(error: CheckpointError, storage: Storage, name: str) -> CheckpointError:
    """Return the error to raise for a file that cannot be read: that of what is in its place, where that is known."""
    mistake = find_substitute(look(storage, name))
    if mistake is None:
        return error
    return DamagedFileError(storage.address(name), f"this is {mistake.what}", advice=mistake.advice)


def _starts(*heads: bytes) -> Callable[[Candidate], bool]:
    return lambda c: c.head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(heads)


def _is_json_with(*words: bytes) -> Callable[[Candidate], bool]:
    return lambda c: _starts(b"{", b"[")(c) and all(c.mentions(word) for word in words)


def _begins(*heads: bytes) -> Callable[[Candidate], bool]:
    return lambda c: c.head.startswith(heads)


def _is_zip_with(*members: bytes) -> Callable[[Candidate], bool]:
    return lambda c: c.head.startswith(b"PK\3\4") and any(c.mentions(member) for member in members)


def _is_meta_alone(c: Candidate) -> bool:
    prefix = c.path.removesuffix(".meta")
    return _is_meta(c) and c.storage.kind(prefix + ".index") is None and c.storage.kind(prefix) is None


def _is_meta(c: Candidate) -> bool:
    return c.name.endswith(".meta") and is_meta_graph(c)


def _is_text(c: Candidate) -> bool:
    text = c.head[:512]
    try:
        codecs.utf_8_decode(text, "strict", False)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(text) and all(byte >= 0x20 or byte in b"\t\r\n" for byte in text)


def _is_pickle(c: Candidate) -> bool:
    """Whether it is a pickle: of a protocol from 2 on, or of the oldest, which is text."""
    return _begins(b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")(c) or OLD_PICKLE.match(c.head) is not None


SUBSTITUTES = (
    Mistake(lambda c: c.size == 0 and not c.folder, "an empty file", "download it again"),
    Mistake(
        _starts(b"version https://git-lfs"),
        "a Git LFS pointer: the weights themselves were not downloaded",
        "run `git lfs pull`",
    ),
    Mistake(
        _starts(b"<!doctype", b"<html", b"<?xml"),
        "a web page instead of the file",
        "download the file itself, from its `raw` or `download` link",
    ),
)
"""What a failed download leaves in place of a file of any kind."""
TFJS_ADVICE = "download model.json (or weights_manifest.json) too, into the same folder"
COMPRESSED = (
    (b"\xfd7zXZ\0", "xz", "unxz"), (b"\x28\xb5\x2f\xfd", "Zstandard", "unzstd"), (b"BZh", "bzip2", "bunzip2"),
    (b"\x04\x22\x4d\x18", "LZ4", "unlz4"), (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x"), (b"Rar!\x1a\7", "RAR", "unrar x"),
)  # fmt: skip
"""First bytes, the program, and the command that unpacks them."""
OTHERS = (
    (b"PAR1", "an Apache Parquet table"), (b"ARROW1", "an Apache Arrow table"),
    (b"SQLite format 3\0", "an SQLite database"), (b"\x89PNG\r\n", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF-", "a PDF document"), (b"\x7fELF", "a program"),
)  # fmt: skip
FOLDERS = (
    Mistake(
        is_tensorflow_js_folder,
        "a TensorFlow.js model without its model.json, which has the names of the weights",
        TFJS_ADVICE,
    ),
    Mistake(
        is_zarr_folder, "a Zarr store", "read it with the zarr package, and save the arrays as .npz or .safetensors"
    ),
    Mistake(
        is_orbax_folder,
        "an Orbax checkpoint",
        "restore it with orbax.checkpoint, and save the arrays as .npz or .safetensors",
    ),
)
"""What people open that is a folder."""
MISTAKES = (
    *SUBSTITUTES,
    Mistake(
        _is_pickle,
        "a Python pickle, which can run code",
        "it is never loaded: ask for an .npz or .safetensors file",
    ),
    Mistake(
        lambda c: TFJS_SHARD.fullmatch(c.name) is not None,
        "a file of weights of a TensorFlow.js model, whose names are in model.json or weights_manifest.json",
        TFJS_ADVICE,
    ),
    Mistake(_starts(b"gguf"), "a GGUF file of llama.cpp", "use the tools of llama.cpp"),
    Mistake(lambda c: c.head[4:8] == b"TFL3", "a TensorFlow Lite model", "open the checkpoint that it was made from"),
    Mistake(_begins(b"\x1f\x8b"), "compressed by gzip", "unpack it first, with gunzip or `tar xzf`"),
    *(
        Mistake(_begins(head), f"compressed by {name}", f"unpack it first, with `{command}`")
        for head, name, command in COMPRESSED
    ),
    *(Mistake(_begins(head), what, "give the checkpoint itself") for head, what in OTHERS),
    Mistake(lambda c: c.head[257:262] == b"ustar", "a tar archive", "unpack it first, with `tar xf`"),
    Mistake(
        _is_zip_with(b".zgroup", b".zarray", b"zarr.json"),
        "a zip archive of Zarr arrays, which are not read here",
        "read it with the zarr package, and save the arrays as .npz",
    ),
    Mistake(
        _begins(b"PK\3\4", b"PK\5\6"), "a zip archive of other files", "unpack it, and give a checkpoint that was in it"
    ),
    Mistake(
        lambda c: b"brain.Event:" in c.head[:64],
        "an events file of TensorBoard, which has summaries and no weights",
        "give the checkpoint that was saved in the same run",
    ),
    Mistake(
        _begins(b"CDF\1", b"CDF\2", b"CDF\5"),
        "a classic netCDF file, which is not HDF5",
        "convert it to netCDF-4, which is HDF5: `nccopy -k nc4 IN.nc OUT.nc`",
    ),
    Mistake(
        _begins(b"MATLAB 5.0 MAT-file"),
        "a MATLAB file of version 5 to 7, which is not HDF5",
        "save it again in MATLAB with -v7.3, which is HDF5, or load it with scipy.io.loadmat and save an .npz",
    ),
    Mistake(
        is_matlab4,
        "a MATLAB file of version 4, which is not HDF5",
        "save it again in MATLAB with -v7.3, which is HDF5, or load it with scipy.io.loadmat and save an .npz",
    ),
    Mistake(
        is_messages,
        "a MessagePack file, as flax writes checkpoints",
        "load it with flax.serialization.msgpack_restore, and save the arrays as .npz or .safetensors",
    ),
    Mistake(is_onnx, "an ONNX model", "open the checkpoint that it was made from, or read its initializers with onnx"),
    Mistake(
        is_mindspore,
        "a MindSpore checkpoint",
        "load it with mindspore.load_checkpoint, and save the arrays as .npz or .safetensors",
    ),
    Mistake(
        _is_meta_alone,
        "the graph of a TensorFlow checkpoint (.meta), which has no values",
        "download its .index and .data-… files too, which have the values, and give their common prefix",
    ),
    Mistake(
        _is_meta,
        "a TensorFlow graph (.meta), which has no values",
        "give the prefix of the checkpoint: the same path without .meta",
    ),
    Mistake(
        _is_json_with(b'"class_name"'),
        "the architecture of a Keras model as JSON, without weights",
        "open the .weights.h5 or .keras file that was saved with it",
    ),
    Mistake(_starts(b"{", b"["), "a JSON file that names no weights", "open the file that has the weights"),
    Mistake(
        lambda c: c.name in {"saved_model.pb", "saved_model.pbtxt", "keras_metadata.pb", "fingerprint.pb"},
        "the description of a SavedModel, which has no values",
        "give the folder that contains it",
    ),
    Mistake(
        lambda c: is_graph(c) or (c.name.endswith(".pbtxt") and _starts(b"node {", b"node{")(c)),
        "a TensorFlow graph, whose constants are not variables of a checkpoint",
        "open the checkpoint or the SavedModel folder from which it was frozen",
    ),
    Mistake(
        is_family_part,
        "one of several files, written by HDF5's family driver",
        "join them with 'h5repart -family_to_single': give it their name with %d in place of the number",
    ),
    Mistake(_is_text, "a text file", "give the checkpoint itself"),
)
"""In the order in which they are tried: the surest signs first."""
