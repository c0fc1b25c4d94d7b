"""The contents of a checkpoint as plain data: tensors, the bytes where they are stored, and findings.

numpy is not imported here, so that a listing starts fast. Dtypes are strings, as numpy spells them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.errors import CheckpointError
from ckptread.limits import ARRAY_BYTES, MAX_RANK, WIDEST_ITEM
from ckptread.wording import quoted

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ITEM_BYTES = {
    "bool": 1,
    "int2": 1, "uint2": 1, "int4": 1, "uint4": 1, "int8": 1, "uint8": 1,
    "qint8": 1, "quint8": 1, "float4_e2m1fn": 1,
    "float8_e5m2": 1, "float8_e4m3": 1, "float8_e4m3fn": 1, "float8_e4m3fnuz": 1, "float8_e4m3b11fnuz": 1,
    "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
    "int16": 2, "uint16": 2, "qint16": 2, "quint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "qint32": 4, "float32": 4,
    "int64": 8, "uint64": 8, "float64": 8, "complex64": 8,
    "complex128": 16,
}  # fmt: skip
"""Bytes of one element, for every dtype of fixed size in TensorFlow and safetensors files."""


DOT = "."
OBJECT_ATTRIBUTES = "/.ATTRIBUTES/"
"""Part of every TensorFlow 2 key: the path of the object comes before it."""
OBJECT_VALUE = OBJECT_ATTRIBUTES + "VARIABLE_VALUE"
"""The ending of a TensorFlow 2 key, after the path of the object."""

PICKLED = "it is an array of Python objects, and pickle is never loaded"
"""The problem of a tensor whose values are pickled: unpickling runs code."""

Role = Literal["model", "optimizer", "ema", "metric", "bookkeeping"]
Severity = Literal["error", "warning", "note"]


class Checksum(msgspec.Struct, frozen=True):
    """A checksum that the file has for a run of bytes."""

    algorithm: Literal["crc32c", "crc32", "fletcher32"]
    value: int
    """The value in the file, unmasked."""
    state: int = 0
    """The running value before these bytes, if the checksum covers others first (a .npy header)."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """The one run of bytes where a tensor is stored."""

    file: str
    offset: int
    """In bytes, from the start of ``file``."""
    nbytes: int
    checksum: Checksum | None = None
    """None if the file has none."""
    byteorder: Literal["little", "big"] = "little"
    """Byte order in the file; reading swaps the bytes of big-endian values."""


class TensorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a checkpoint: everything that is known without reading its values."""

    key: str
    """The name as stored; bytes that are not UTF-8 are kept as surrogates."""
    shape: tuple[int, ...] | None
    """None for an HDF5 null dataspace, or if the shape is unknown."""
    dtype: str
    """numpy's name ('float32', '>f4', 'bfloat16', 'string'), or the file's own name if numpy has none."""
    nbytes: int
    """Bytes of the values, uncompressed; for strings, of the stored bytes."""
    extent: Extent | None = None
    """None if the values are not one run of bytes: chunked, compressed, partitioned, or without storage."""
    problem: str | None = None
    """Why this tensor cannot be read; None if it can be."""
    variable: str | None = None
    """The variable's name in Keras or TensorFlow; None if the file does not record it."""
    layer: str | None = None
    """The name of the layer that it belongs to; None if the file does not record it."""
    outer: str | None = None
    """The beginning of ``layer`` that names the outermost layer, if the file records it: it may have slashes."""
    role: Role | None = None
    """What it is for; None if unknown."""
    trainable: bool | None = None
    """Whether it is trained; None if unknown."""
    alias_of: str | None = None
    """The key of the tensor whose bytes in the file these are (a hard link, say); None if it is not an alias."""
    copy_of: str | None = None
    """The key of the tensor that is the same variable, stored a second time; None if it is not a copy. The bytes are
    others, and may differ."""
    table_keys: str | None = None
    """The key of the tensor with the keys of the lookup table that this belongs to, whose rows are in no order; None
    if it does not belong to a table."""
    is_text: bool = False
    """Whether the elements are strings of an HDF5 file: ``dtype`` says so only if all have one width."""
    positional: bool = False
    """True if ``variable`` ends in an index instead of a name, so it is never matched by name."""
    unsupported: bool = False
    """True if ``problem`` is that this version cannot read such values, though the file may be intact."""

    @property
    def dtype_name(self) -> str:
        """What to call the dtype: 'string' for strings of any length, which numpy has as objects."""
        return "string" if self.is_text and self.dtype == "object" else self.dtype

    @property
    def size(self) -> int:
        """Number of elements; 0 if there is no shape."""
        return element_count(self.shape) if self.shape is not None else 0

    @property
    def name(self) -> str:
        """The variable's name if it is known, else the path."""
        return self.variable or self.path

    @property
    def path(self) -> str:
        """The key; of a TensorFlow 2 object its path, without the ending and with its parts as the user wrote them."""
        if OBJECT_ATTRIBUTES not in self.key:
            return self.key
        return re.sub(r"\.([.S])", _unescape, self.key.removesuffix(OBJECT_VALUE))

    @property
    def repeats(self) -> str | None:
        """The key of the tensor that this is an alias or a copy of: listings and counts leave out both."""
        return self.alias_of or self.copy_of

    @property
    def place(self) -> str:
        """The path above it: its name without the last component; the name itself if it is not a path."""
        return self.name.rpartition("/")[0] or self.name.rpartition(".")[0] or self.name


class Region:
    """A run of bytes of a file: a block, a tensor, a chunk, a member.

    ``key`` is the tensor that it belongs to, or None. ``offset`` is in bytes, from the start of ``file``. ``nbytes`` is
    0 for bytes inside compressed ones, which begin at ``offset``. ``checksum`` is None if the file has none for the
    bytes as stored.

    ``read_into`` fills a buffer from an offset of these bytes; it is None if only ``check`` can read them. ``check``
    decodes the bytes and returns whether a checksum inside them was verified, False if there is none; it raises
    CheckpointError if they do not decode to exactly what they claim. It is None if they need no decoding. ``name``
    is used in messages for a region that belongs to no tensor.
    """

    __slots__ = ("check", "checksum", "file", "key", "name", "nbytes", "offset", "read_into")

    def __init__(
        self,
        key: str | None,
        file: str,
        offset: int,
        nbytes: int,
        checksum: Checksum | None = None,
        read_into: Callable[[int, memoryview], None] | None = None,
        *,
        check: Callable[[], bool] | None = None,
        name: str = "",
    ) -> None:
        self.key, self.file, self.offset, self.nbytes = key, file, offset, nbytes
        self.checksum, self.read_into, self.check, self.name = checksum, read_into, check, name

    def belonging_to(self, key: str | None) -> Region:
        """Return the same region, as one of another tensor, or of none."""
        return Region(key, self.file, self.offset, self.nbytes, self.checksum, self.read_into,
                      check=self.check, name=self.name)  # fmt: skip

    def __repr__(self) -> str:
        what = quoted(self.name or self.key or "")
        return f"<region {what} of {quoted(self.file)}: {self.nbytes:,} bytes at {self.offset:,}>"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong with a file, or worth knowing about it."""

    code: str
    """What it is, for programs: a stable word such as ``tf-block-checksum``. docs/verify.md lists them."""
    severity: Severity
    message: str
    key: str | None = None
    """The tensor it concerns, or None for the file as a whole."""
    file: str | None = None
    offset: int | None = None
    """The byte of ``file``, or None."""
    advice: str = ""
    """What to do about it; "" where there is nothing."""


def trouble(error: CheckpointError) -> Finding:
    """Return an error as a finding on the file as a whole."""
    return Finding(
        code=error.code,
        severity="error",
        message=error.problem,
        file=error.path,
        offset=error.offset,
        advice=error.advice,
    )


def _unescape(match: re.Match[str]) -> str:
    """Undo TensorFlow's escaping of a part of a path: ``.S`` is a slash, and ``..`` a dot."""
    return "/" if match[1] == "S" else "."


def separator(tensors: Iterable[TensorInfo]) -> str:
    """Return what separates the components of a checkpoint's names: a dot if none of them has a slash, but some a dot.

    safetensors files have such names: ``encoder.layer.3.weight``.
    """
    names = [name for tensor in tensors for name in (tensor.key, tensor.name)]
    return DOT if not any("/" in name for name in names) and any(DOT in name for name in names) else "/"


def own_prefix(tensors: Sequence[TensorInfo], mark: str) -> str:
    """Return the path, with its separator, that the names of all the model's own tensors begin with; else "".

    A listing leaves it out of the names, and a user may too: it is "" where a name without it begins as another does.
    """
    own = [tensor for tensor in tensors if tensor.role in {"model", None} and tensor.repeats is None]
    names = [tensor.variable or tensor.path for tensor in own]
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)  # what these two share, all between them share
    pairs = enumerate(zip(first, last, strict=False))
    end = next((at for at, (a, b) in pairs if a != b), min(len(first), len(last)))
    prefix = first[: first.rfind(mark, 0, end) + 1]
    while prefix and (begun := _beginnings(names, prefix, mark)) and any(map(str.isdigit, begun)):
        prefix = prefix[: prefix.rfind(mark, 0, -1) + 1]  # layer.0, not 0
    return prefix if prefix and begun.isdisjoint(_beginnings_of_all(tensors, prefix, mark)) else ""


def _beginnings(names: Iterable[str], prefix: str, mark: str) -> set[str]:
    """Return the first components of names after a prefix."""
    at = len(prefix)
    return {name[at:].partition(mark)[0] for name in names}


def _beginnings_of_all(tensors: Iterable[TensorInfo], prefix: str, mark: str) -> set[str]:
    """Return the first components of all keys and names, and "", which none may be."""
    usual = prefix.partition(mark)[0] + mark  # most begin with the prefix: they are not taken apart
    texts = [text for tensor in tensors for text in (tensor.key, tensor.variable or "") if not text.startswith(usual)]
    return _beginnings(texts, "", mark) | {prefix.partition(mark)[0], ""}


def element_count(shape: tuple[int, ...]) -> int:
    """Return the product of the dimensions, as an exact integer: 1 for a scalar."""
    count = 1
    for dim in shape:
        count *= dim
    return count


def shape_problem(shape: tuple[int, ...], itemsize: int = WIDEST_ITEM) -> str | None:
    """Return why no array can have this shape, of elements of so many bytes or of any number's; None if one can."""
    if len(shape) > MAX_RANK:
        return f"it claims {len(shape)} dimensions; arrays have at most {MAX_RANK}"
    least = min(shape, default=0)
    if least < 0:
        return f"it claims the dimension {least}"
    if element_count(tuple(max(1, dim) for dim in shape)) * itemsize >= ARRAY_BYTES:
        return "no array can have its shape: it is too large"
    return None
