"""How a worker sends values to its parent, strings, lists and references included.

Plain numbers are sent as their bytes, records field by field, and each string or list as a kind, a length and bytes.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from ckptread.errors import UnsupportedError
from ckptread.limits import VALUE_DEPTH
from ckptread.untrusted.binary import Malformed, take

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

_LEAF = Struct("<cQ")
STRING, LIST, REFERENCE, REGION, NOTHING = b"s", b"l", b"r", b"g", b"n"


class Reference:
    """A reference from an HDF5 file to one of its objects: shown, never followed."""

    def __init__(self, kind: str, null: bool, path: str | None = None) -> None:
        self.kind = kind
        self.null = null
        self.path = path
        """The path of the object; None where it is not known."""

    def __str__(self) -> str:
        return repr(self) if self.path is None else f"<HDF5 {self.kind} reference to /{self.path}>"

    def __repr__(self) -> str:
        return f"<HDF5 {self.kind} reference{' (null)' if self.null and self.kind == 'object' else ''}" + self._close()

    def _close(self) -> str:
        return " (null>" if self.null and self.kind == "region" else ">"  # h5py's own spelling

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference) or (self.kind, self.null) != (other.kind, other.null):
            return False
        return self.path == other.path or None in (self.path, other.path)

    def __hash__(self) -> int:
        return hash((self.kind, self.null))


def encode(values: Array) -> bytes:
    """Return the bytes of an array of any dtype."""
    if values.dtype.names is not None and values.dtype.hasobject:
        return b"".join(encode(values[name]) for name in values.dtype.names)
    if not values.dtype.hasobject:
        return values.tobytes()
    return b"".join(_encode_leaf(value) for value in values.reshape(-1).tolist())


def _encode_leaf(value: Any) -> bytes:
    import numpy as np

    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return _LEAF.pack(STRING, len(value)) + value
    if isinstance(value, np.ndarray):
        head = repr((str(value.dtype), value.shape)).encode()
        body = len(head).to_bytes(4, "little") + head + encode(value)
        return _LEAF.pack(LIST, len(body)) + body
    if value is None or (not hasattr(value, "typecode") and "Reference" not in type(value).__name__):
        return _LEAF.pack(NOTHING, 0)
    kind = REGION if "Region" in type(value).__name__ else REFERENCE
    return _LEAF.pack(kind, 1) + bytes([not bool(value)])


def decode(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return the array that was encoded. Raises Malformed where the bytes do not fit the dtype and shape."""
    values, at = _decode(data, 0, dtype, shape, VALUE_DEPTH)
    if at != len(data):
        raise Malformed(f"{len(data) - at:,} bytes are left over", at)
    return values


def _decode(data: bytes, at: int, dtype: np.dtype[Any], shape: tuple[int, ...], depth: int) -> tuple[Array, int]:
    import numpy as np

    if depth == 0:
        raise Malformed("lists are nested too deep", at)
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if not dtype.hasobject:
        raw, at = take(data, at, count * dtype.itemsize)
        return np.frombuffer(raw, dtype, count).reshape(shape).copy(), at
    if count > len(data):
        raise Malformed(f"{count:,} values do not fit in {len(data):,} bytes", at)
    if dtype.names is not None:
        record = np.zeros(shape, dtype)
        for name in dtype.names:
            base, inner = dtype[name].base, dtype[name].shape
            record[name], at = _decode(data, at, base, shape + inner, depth - 1)
        return record, at
    values = np.empty(count, object)
    for place in range(count):
        values[place], at = _decode_leaf(data, at, depth)
    return values.reshape(shape), at


def _decode_leaf(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    head, at = take(data, at, _LEAF.size)
    kind, nbytes = _LEAF.unpack(head)
    body, at = take(data, at, nbytes)
    if kind == STRING:
        return body, at
    if kind == LIST:
        return _decode_list(body, depth), at
    if kind in (REFERENCE, REGION):
        return Reference("object" if kind == REFERENCE else "region", body == b"\1"), at
    return None, at


def _decode_list(body: bytes, depth: int) -> Array:
    from ckptread.untrusted.dtypes import numpy_dtype
    from ckptread.untrusted.literals import read_literal

    nbytes, at = int.from_bytes(body[:4], "little"), 4
    head, at = take(body, at, nbytes)
    try:
        name, shape = read_literal(head.decode())
        dtype = numpy_dtype(str(name))
    except (Malformed, TypeError, UnsupportedError, ValueError):
        raise Malformed("a list's description cannot be read", at) from None
    if dtype.subdtype is not None or not (
        isinstance(shape, tuple) and all(isinstance(dim, int) and dim >= 0 for dim in shape)
    ):
        raise Malformed("a list's shape cannot be read", at)
    values, _ = _decode(body, at, dtype, shape, depth - 1)
    return values
