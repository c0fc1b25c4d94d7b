"""What a checkpoint holds, as plain data: tensors, the bytes they lie in, and what was found wrong.

No numpy here: a listing must not import it. Dtypes are strings, in numpy's own spelling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.errors import CheckpointError
from ckptread.limits import MAX_RANK

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
"""Bytes of one element, for every dtype of a fixed size that a TensorFlow or safetensors file can name."""


OBJECT_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
"""How the keys of TensorFlow 2 end, behind the path of the object."""

Role = Literal["model", "optimizer", "ema", "metric", "bookkeeping"]
Severity = Literal["error", "warning", "note"]


class Checksum(msgspec.Struct, frozen=True):
    """A checksum that the file states for a run of bytes."""

    algorithm: Literal["crc32c", "crc32", "fletcher32"]
    value: int
    """The stated value, unmasked."""
    state: int = 0
    """The running value over what the checksum covers before these bytes (a .npy header, say)."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """The one run of bytes that a tensor lies in."""

    file: str
    offset: int
    """In bytes, from the start of ``file``."""
    nbytes: int
    checksum: Checksum | None = None
    """None where the format states none."""
    byteorder: Literal["little", "big"] = "little"
    """Order of the stored bytes, where reading turns them over."""


class TensorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a checkpoint: all that is known without reading its values."""

    key: str
    """As stored; bytes that are no UTF-8 are kept as surrogates."""
    shape: tuple[int, ...] | None
    """None for an HDF5 null dataspace, and where the file does not say."""
    dtype: str
    """numpy's name ('float32', '>f4', 'bfloat16', 'string'), or the file's own where numpy has none."""
    nbytes: int
    """Bytes of the values, uncompressed; of the stored bytes for strings."""
    extent: Extent | None = None
    """None where the bytes are not one run: chunked, compressed, partitioned, or without storage."""
    problem: str | None = None
    """Why this tensor cannot be read, or None."""
    variable: str | None = None
    """The name that Keras or TensorFlow gave the variable; None where the file does not say."""
    layer: str | None = None
    """The name of the layer that owns it; None where the file does not say."""
    role: Role | None = None
    """What it is for; None where the file does not say."""
    trainable: bool | None = None
    """None where the file does not say."""
    alias_of: str | None = None
    """The key of the tensor that this is a second name for; None for a tensor of its own."""
    positional: bool = False
    """True where ``variable`` ends in an index, for want of a name: never to be matched by name."""
    unsupported: bool = False
    """True where ``problem`` is that such values are not read here, though the file may be whole."""

    @property
    def size(self) -> int:
        """Number of elements; 0 where there is no shape."""
        return element_count(self.shape) if self.shape is not None else 0

    @property
    def name(self) -> str:
        """The variable's name where it is known, else the key, without what TensorFlow 2 puts behind each."""
        return self.variable or self.key.removesuffix(OBJECT_VALUE)

    @property
    def place(self) -> str:
        """The path to it: its name without the last component; the name itself where it is no path."""
        return self.name.rpartition("/")[0] or self.name.rpartition(".")[0] or self.name


class Region:
    """A run of bytes of a file that belongs together: a block, a tensor, a chunk, a member.

    ``key`` is the tensor it belongs to, or None. ``offset`` is in bytes, from the start of ``file``. ``nbytes`` is 0
    for bytes without a place of their own, within compressed bytes that begin at ``offset``. ``checksum`` is None where
    the format states none for the bytes as stored.

    ``read_into`` fills a buffer from an offset of these bytes; None where only ``check`` can read them. ``check``
    decodes these bytes, and returns whether a checksum within them agreed, or false where there is none; it raises
    CheckpointError where they do not decode to exactly what they claim. None where they are stored as they are read.
    ``name`` is what to call it in a message, where it belongs to no tensor.
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
        """Return the same bytes as those of another tensor, or of none."""
        return Region(key, self.file, self.offset, self.nbytes, self.checksum, self.read_into,
                      check=self.check, name=self.name)  # fmt: skip

    def __repr__(self) -> str:
        return f"<region {self.name or self.key!r} of {self.file!r}: {self.nbytes:,} bytes at {self.offset:,}>"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong with a file, or worth knowing of it."""

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
        key=None,
        file=error.path,
        offset=error.offset,
        advice=error.advice,
    )


def element_count(shape: tuple[int, ...]) -> int:
    """Return the product of the dimensions, as an exact integer: 1 for a scalar."""
    count = 1
    for dim in shape:
        count *= dim
    return count


def shape_problem(shape: tuple[int, ...]) -> str | None:
    """Say why no array can have this shape, or None where one can."""
    if len(shape) > MAX_RANK:
        return f"it claims {len(shape)} dimensions; arrays have at most {MAX_RANK}"
    least = min(shape, default=0)
    return f"it claims the dimension {least}" if least < 0 else None
