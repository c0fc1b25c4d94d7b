"""Values of variable length as numpy holds them without pickle: strings of one width, lists with their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ckptread.limits import VALUES_BYTES

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

LENGTH, VALUES = "length", "values"
"""The fields of a list: the first ``length`` of its ``values`` are its own, the others are zero."""


class NoFixedSize(Exception):  # noqa: N818 - becomes an UnsupportedError where the tensor is known
    """Values that lose something in any fixed size."""


def without_objects(values: Array) -> Array:
    """Return values without objects: fields of records one by one. Raises NoFixedSize."""
    import numpy as np

    if not values.dtype.hasobject:
        return values
    if values.dtype.names is None:
        return _fixed(values.reshape(-1).tolist()).reshape(values.shape)
    fields = {name: without_objects(values[name]) for name in values.dtype.names}
    taken = [(name, field.dtype, field.shape[values.ndim :]) for name, field in fields.items()]
    filled = _empty(values.shape, np.dtype(taken))
    for name, field in fields.items():
        filled[name] = field
    return filled


def holds_lists(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype has the fields of lists."""
    names = dtype.names or ()
    return names == (LENGTH, VALUES) or any(holds_lists(dtype[name].base) for name in names)


def _fixed(values: Sequence[Any]) -> Array:
    import numpy as np

    if any(isinstance(value, np.ndarray) for value in values):
        return _lists(values)
    texts = [_as_text(value) for value in values]
    widths, ends_in_zero = {len(text) for text in texts} or {0}, any(text.endswith(b"\0") for text in texts)
    if ends_in_zero and len(widths) > 1:
        return _lists([np.frombuffer(text, "u1") for text in texts])
    kind = "V" if ends_in_zero else "S"  # numpy drops the zero bytes that a string ends in
    return _empty((len(texts),), np.dtype(f"{kind}{max(1, *widths)}"), texts)


def _lists(values: Sequence[Any]) -> Array:
    """Return lists of numbers or strings as records of their lengths and their values."""
    import numpy as np

    lists = [value if isinstance(value, np.ndarray) else np.empty(0, "u1") for value in values]
    given = [each for each in lists if each.size] or lists[:1]
    joined = without_objects(np.concatenate([each.reshape(-1) for each in given]))
    longest = max(1, *(each.size for each in lists))
    filled = _empty((len(lists),), np.dtype([(LENGTH, "<i8"), (VALUES, joined.dtype, (longest,))]))
    filled[LENGTH] = [each.size for each in lists]
    at = 0
    for number, size in enumerate(filled[LENGTH].tolist()):
        filled[VALUES][number, :size] = joined[at : at + size]
        at += size
    return filled


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any], values: Sequence[Any] | None = None) -> Array:
    """Return an array of zeros, or of values. Raises NoFixedSize where one width for all takes too much memory."""
    import numpy as np

    count = int(np.prod(shape, dtype=object))
    if count > 1 and count * dtype.itemsize > VALUES_BYTES:
        raise NoFixedSize(f"{count:,} values of one size would take {count * dtype.itemsize:,} bytes")
    return np.zeros(shape, dtype) if values is None else np.array(values, dtype)


def _as_text(value: Any) -> bytes:
    """Return a string, or the path of a reference's object: b"" of a null reference."""
    if isinstance(value, bytes):
        return value
    path = getattr(value, "path", None)
    if path is None and not getattr(value, "null", False):
        raise NoFixedSize("what they refer to is unknown")
    return b"" if path is None else f"/{path}".encode("utf-8", "surrogateescape")
