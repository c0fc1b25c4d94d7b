"""Values as they are digested: docs/digest.md has the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ckptread.errors import UnsupportedError
from ckptread.tensors import ITEM_BYTES, TensorInfo
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import escape

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


def canonical_dtype(name: str) -> str:
    """Return the one spelling of a dtype, whatever the order of its bytes in a file.

    >>> canonical_dtype(">f4")
    'float32'
    >>> canonical_dtype("|V2")
    'V2'
    """
    if name in ITEM_BYTES:
        return name
    dtype = numpy_dtype(name)
    if dtype.hasobject and dtype.names is None:
        return "string"
    if dtype.names is not None:
        return str(_little(dtype))
    return dtype.str[1:] if dtype.kind in "SU" or dtype.type.__name__ == "void" else dtype.name


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in little-endian order, the fields of a record without gaps."""
    if dtype.names is None:
        return dtype.newbyteorder("<")
    from numpy.lib.recfunctions import repack_fields

    packed: np.dtype[Any] = repack_fields(dtype.newbyteorder("<"), recurse=True)
    return packed


def canonical_bytes(block: Array, info: TensorInfo) -> memoryview | bytes:
    """Return the values in C order, little endian; each string as its length in eight bytes, and itself."""
    import numpy as np

    if block.dtype.hasobject:
        flat, names = block.reshape(-1), block.dtype.names
        if names is None:
            return b"".join(_object(value, info) for value in flat.tolist())
        return b"".join(bytes(canonical_bytes(flat[n : n + 1][name], info)) for n in range(flat.size) for name in names)
    values = np.ascontiguousarray(block.astype(_little(block.dtype), copy=False)).reshape(-1)
    return values.view("u1").data if values.dtype.itemsize else b""


def _object(value: object, info: TensorInfo) -> bytes:
    """Return a value of variable length: its length in eight bytes, and its bytes."""
    data = _object_bytes(value, info)
    return len(data).to_bytes(8, "little") + data


def _object_bytes(value: object, info: TensorInfo) -> bytes:
    """Return a string as it is, a list as a tensor is digested, and the path that a reference leads to."""
    import numpy as np

    if isinstance(value, bytes):
        return value
    if isinstance(value, np.ndarray):
        return f"{_dtype_of(value)}[{value.size}]\n".encode() + bytes(canonical_bytes(value, info))
    path = getattr(value, "path", None)
    if path is None and not getattr(value, "null", False):
        raise UnsupportedError(info.key, f"there is no digest of such values of {escape(info.dtype)}")
    return b"" if path is None else f"/{path}".encode("utf-8", "surrogateescape")


def _dtype_of(values: Array) -> str:
    """Return the canonical dtype of a list's values."""
    dtype = values.dtype
    if dtype.names is not None:
        return str(_little(dtype))
    if dtype.hasobject:
        return "string"
    return dtype.str[1:] if dtype.kind in "SUV" and dtype.type.__module__ == "numpy" else str(dtype.name)
