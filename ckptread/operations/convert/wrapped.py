"""A tensor on its way into a file, around another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ckptread.formats.format import Outgoing

if TYPE_CHECKING:
    import numpy as np


class WrappedValues(Outgoing):
    """What another tensor is, unless a subclass says otherwise."""

    def __init__(self, values: Outgoing) -> None:
        self._values = values

    @property
    def dtype_name(self) -> str:
        """The dtype in the file, as a listing has it."""
        return self._values.dtype_name

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in the file."""
        return self._values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the file."""
        return self._values.shape

    @property
    def note(self) -> str:
        """What was done to the values."""
        return self._values.note
