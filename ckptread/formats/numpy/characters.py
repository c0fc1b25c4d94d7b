"""Arrays of strings of one width: numpy stores each character as a number, and not every number is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptread.errors import DamagedFileError
from ckptread.wording import quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array

LAST_CHARACTER = 0x10FFFF


def is_text(dtype: str) -> bool:
    """Whether an array of this dtype has characters: not every number is a valid one."""
    return "U" in dtype


def refuse_text(path: str, key: str, values: Array) -> None:
    """Raise where a string has an invalid character: numpy would raise later, wherever the string is used."""
    if values.dtype.names:
        for name in values.dtype.names:
            refuse_text(path, key, values[name])
    elif values.dtype.kind == "U" and values.size:
        import numpy as np

        codes = np.ascontiguousarray(values).reshape(-1).view(values.dtype.str[0] + "u4")
        if codes.max() > LAST_CHARACTER:
            problem = f"a string of {quoted(key)} has the code point {codes.max():,}, which is not a character"
            raise DamagedFileError(path, problem)
