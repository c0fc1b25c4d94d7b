"""Values as text, and as JSON holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ckptread.wording import escape

if TYPE_CHECKING:
    from ckptread.tensors import Array

MOST_VALUES = 1000
"""Of a slice, how many values are printed."""
STRING_LENGTH = 200
FEW = 8


def values_text(values: Array, *, whole: bool) -> str:
    """Return values as numpy prints them; strings escaped. ``whole`` leaves none out up to a thousand."""
    import numpy as np

    most = MOST_VALUES if whole else FEW
    if values.dtype.hasobject or values.dtype.kind in "SUV":
        return "  " + "  ".join(map(_string_text, values.reshape(-1).tolist()[:most]))
    return "  " + np.array2string(_plain(values), threshold=most, prefix="  ", separator=" ")


def _plain(values: Array) -> Array:
    """Return numbers in a dtype of numpy's own."""
    import numpy as np

    return values if values.dtype.type.__module__ == "numpy" else values.astype(np.float32)


def _string_text(value: Any) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        return '"' + escape(text[:STRING_LENGTH]) + ('"…' if len(text) > STRING_LENGTH else '"')
    return escape(str(value)[:STRING_LENGTH])


def value_list(values: Array) -> Any:
    """Return values as nested lists of numbers and strings; complex numbers as a list of [real, imaginary]."""
    plain = _plain(values)
    if plain.dtype.kind == "c":
        return [[float(value.real), float(value.imag)] for value in plain.reshape(-1)]
    return _listed(plain.tolist())


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return [_listed(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, int | float) else str(value)
