"""Values whose axes are moved before they are written."""

from __future__ import annotations

from collections.abc import Iterator

from ckptread.errors import UnsupportedError
from ckptread.formats.format import Outgoing
from ckptread.limits import VALUES_BYTES
from ckptread.operations.convert.wrapped import WrappedValues
from ckptread.operations.diff.match.layouts import Arrangement
from ckptread.tensors import element_count


class ArrangedValues(WrappedValues):
    """Another tensor on its way into a file, in an order of its own: all its values are in memory once."""

    def __init__(self, values: Outgoing, arrangement: Arrangement, path: str) -> None:
        if element_count(values.shape) != element_count(arrangement.shape):
            raise UnsupportedError(path, f"the mapping does not fit its shape {list(values.shape)}")
        if element_count(values.shape) * values.dtype.itemsize > VALUES_BYTES:
            raise UnsupportedError(path, f"its axes cannot be moved: it has more than {VALUES_BYTES:,} bytes")
        super().__init__(values)
        self._arrangement = arrangement

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the file."""
        return self._arrangement.turned

    @property
    def note(self) -> str:
        """What was done to the values."""
        moved = self._arrangement.text(self._values.shape)
        return f"{moved}; {self._values.note}" if self._values.note else moved

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes of the values."""
        import numpy as np

        data = b"".join(bytes(piece) for piece in self._values.pieces())
        values = np.frombuffer(data, self.dtype).reshape(self._arrangement.shape).transpose(self._arrangement.axes)
        yield np.ascontiguousarray(values).reshape(-1).view("u1").data
