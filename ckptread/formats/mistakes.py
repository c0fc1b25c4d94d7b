"""What people open instead of a checkpoint, recognised by its bytes, and what they should do."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import msgspec

from ckptread.formats.candidate import Candidate


class Mistake(msgspec.Struct, frozen=True):
    """Something that is not a checkpoint: how to recognise it, what it is, and what to do."""

    is_it: Callable[[Candidate], bool]
    what: str
    advice: str


def find_mistake(candidate: Candidate) -> Mistake | None:
    """Return what the file is instead of a checkpoint, or None."""
    return next((mistake for mistake in MISTAKES if mistake.is_it(candidate)), None)


def find_substitute(candidate: Candidate) -> Mistake | None:
    """Return what is in place of the file's contents, or None."""
    return next((mistake for mistake in SUBSTITUTES if mistake.is_it(candidate)), None)


def _starts(*heads: bytes) -> Callable[[Candidate], bool]:
    return lambda c: c.head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(heads)


def _is_torch_zip(c: Candidate) -> bool:
    return c.head.startswith(b"PK") and (c.mentions(b"/data.pkl") or c.mentions(b"constants.pkl"))


def _is_json_with(*words: bytes) -> Callable[[Candidate], bool]:
    return lambda c: _starts(b"{", b"[")(c) and all(c.mentions(word) for word in words)


def _is_graph(c: Candidate) -> bool:
    """A GraphDef begins with a node: field 1, a length, then the node's name (field 1 again)."""
    return len(c.head) > 4 and c.head[0] == 0x0A and 0x0A in c.head[2:5]


def _is_text(c: Candidate) -> bool:
    text = c.head[:512]
    try:
        codecs.utf_8_decode(text, "strict", False)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(text) and all(byte >= 0x20 or byte in b"\t\r\n" for byte in text)


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
MISTAKES = (
    *SUBSTITUTES,
    Mistake(
        _is_torch_zip,
        "a PyTorch checkpoint, which contains pickled code",
        "if you trust it, convert it to safetensors: safetensors.torch.save_file(torch.load(...))",
    ),
    Mistake(
        _starts(b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        "a Python pickle, which can run code",
        "it is never loaded: ask for an .npz or .safetensors file",
    ),
    Mistake(_starts(b"gguf"), "a GGUF file of llama.cpp", "use the tools of llama.cpp"),
    Mistake(lambda c: c.head[4:8] == b"TFL3", "a TensorFlow Lite model", "open the checkpoint that it was made from"),
    Mistake(_starts(b"\x1f\x8b"), "compressed by gzip", "unpack it first, with gunzip or `tar xzf`"),
    Mistake(lambda c: c.head[257:262] == b"ustar", "a tar archive", "unpack it first, with `tar xf`"),
    Mistake(
        lambda c: c.name.endswith(".meta"),
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
        lambda c: c.name in {"saved_model.pb", "keras_metadata.pb"},
        "the description of a SavedModel, which has no values",
        "give the folder that contains it",
    ),
    Mistake(
        lambda c: c.name.endswith((".pb", ".pbtxt")) or _is_graph(c),
        "a TensorFlow graph, whose constants are not variables of a checkpoint",
        "open the checkpoint or the SavedModel folder from which it was frozen",
    ),
    Mistake(_is_text, "a text file", "give the checkpoint itself"),
)
"""In the order in which they are tried: the surest signs first."""
