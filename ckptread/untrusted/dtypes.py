"""numpy's dtypes, by the names that files give them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ckptread.errors import UnsupportedError
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


@lru_cache(maxsize=512)
def numpy_dtype(name: str, path: str = "") -> np.dtype[Any]:
    """Return the numpy dtype of a name; strings of any length are objects (of bytes).

    Raises UnsupportedError where numpy and ml_dtypes have no such dtype.
    """
    import numpy as np

    plain = {"string": "object", "qint8": "int8", "quint8": "uint8", "qint16": "int16", "quint16": "uint16",
             "qint32": "int32", "quint32": "uint32"}.get(name, name)  # fmt: skip
    try:
        return np.dtype(plain)
    except (TypeError, ValueError, SyntaxError):
        pass
    try:
        extended: np.dtype[Any] = _extended_dtype(plain)
    except (AttributeError, Malformed, TypeError, ValueError, SyntaxError):
        raise UnsupportedError(path, f"numpy has no dtype {quoted(name)}") from None
    return extended


def _extended_dtype(name: str) -> np.dtype[Any]:
    """Return one of ml_dtypes' dtypes, or a compound one written out as numpy prints it."""
    import numpy as np

    if name.startswith(("[", "{")):
        from ckptread.untrusted.literals import read_literal

        compound: np.dtype[Any] = np.dtype(read_literal(name))
        return compound
    import ml_dtypes

    extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return extended


def swap_bytes(values: Array) -> None:
    """Turn the byte order of ``values`` over, in place; of a complex number's parts, each on its own."""
    unit = values.dtype.itemsize // (2 if values.dtype.kind == "c" else 1)
    if unit > 1:
        values.reshape(-1).view(f"u{unit}").byteswap(inplace=True)
