"""How one tensor goes into a .npy file: the dtype that it gets, what is said of it, and its blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import msgspec

from ckptread.errors import CheckpointError, UnsupportedError
from ckptread.limits import VALUES_BYTES
from ckptread.operations.extract.npy_copy import Copy, copy_of
from ckptread.reader import Tensor
from ckptread.slicing import Selection, normalize, split
from ckptread.storage.progress import SILENT, Meter
from ckptread.tensors import element_count
from ckptread.values.conversion import count_lost, is_lossless
from ckptread.wording import escape

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


class Conversion(msgspec.Struct, frozen=True):
    """How values are changed on their way into a .npy file, which cannot hold every dtype."""

    dtype: str | None = None
    """The dtype that the user asked for, or None."""
    raw: bool = False
    """Keep the bits, as unsigned integers, of what .npy cannot hold."""


def plan_of(tensor: Tensor, selection: Selection, conversion: Conversion) -> Plan | Copy:
    """Return how to write a tensor: as its bytes lie, where nothing is to be done to them. Raises CheckpointError."""
    if selection == () and conversion.dtype is None and tensor.info.problem is None:
        copy = copy_of(tensor.info, tensor.stored)
        if copy is not None:
            return copy
    return Plan(tensor, selection, conversion)


class Plan:
    """One tensor to be written: the dtype in the file, what is said of it, and the blocks."""

    def __init__(self, tensor: Tensor, selection: Selection, conversion: Conversion) -> None:
        if tensor.info.problem is not None:
            tensor.read()  # raises, with the problem
        self._tensor = tensor
        try:
            self._slicing = normalize(selection, tensor.shape)
        except (IndexError, TypeError) as error:
            raise CheckpointError(*_about(tensor, f"the slice does not fit: {error}")) from error
        self._selection = selection
        self._strings: Array | None = None
        self.dtype, self._note = self._target(conversion)
        self._lossy = conversion.dtype is not None and not is_lossless(tensor.dtype, self.dtype)
        self._lost = 0
        self._bits = conversion.raw and self.dtype.kind == "u"

    @property
    def dtype_name(self) -> str:
        """The dtype in the file, as a listing has it."""
        return str(self.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the file."""
        return self._slicing.shape

    @property
    def note(self) -> str:
        """What is to be told of the values, once they are written; or ""."""
        if not self._lost:
            return self._note
        return f"{self._lost:,} of {element_count(self.shape):,} values do not fit into {self.dtype.name}"

    def _target(self, conversion: Conversion) -> tuple[np.dtype[Any], str]:
        """Return the dtype of the file, and a note on it."""
        import numpy as np

        dtype = self._tensor.dtype
        if conversion.dtype is not None:
            return self._asked(conversion.dtype), ""
        if dtype.hasobject:
            return self._fixed_strings(), ""
        if dtype.type.__module__ == "numpy":
            return dtype, ""
        if conversion.raw:
            return np.dtype(f"u{dtype.itemsize}"), f"{dtype.name} kept as bits"
        wide = np.dtype("int8" if dtype.name.startswith("int") else "uint8" if dtype.name.startswith("uint") else "f4")
        return wide, f"{dtype.name} widened to {wide.name}, exactly (--raw keeps the bits)"

    def _asked(self, name: str) -> np.dtype[Any]:
        import numpy as np

        try:
            dtype = np.dtype(name)
        except TypeError:
            dtype = None
        if dtype is None or dtype.kind not in "biufc" or not _is_number(self._tensor.dtype):
            raise UnsupportedError(
                *_about(
                    self._tensor, f"values of {escape(self._tensor.info.dtype)} cannot be written as {escape(name)!r}"
                ),
                advice="a .npy file holds numpy's own numbers: float32, float64, int64, ...",
            )
        return dtype

    def _fixed_strings(self) -> np.dtype[Any]:
        """Strings go into a fixed width where nothing is lost: numpy drops the zero bytes that one ends in."""
        values = self._tensor.read(self._selection)
        flat = values.reshape(-1).tolist()
        if any(not isinstance(value, bytes) or value.endswith(b"\0") for value in flat):
            raise UnsupportedError(
                *_about(self._tensor, "its values do not fit into a .npy file without loss"),
                advice="'ckptread show' prints them",
            )
        width = max(map(len, flat), default=1)
        if width * len(flat) > VALUES_BYTES and len(flat) > 1:
            raise UnsupportedError(
                *_about(
                    self._tensor, f"its {len(flat):,} strings would take {width * len(flat):,} bytes, all of one width"
                ),
                advice="'ckptread show' prints them",
            )
        self._strings = values.astype("S")
        return self._strings.dtype

    def write(self, stream: IO[bytes], meter: Meter = SILENT) -> None:
        """Write the header and the values."""
        from numpy.lib import format as npy

        header = {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        npy.write_array_header_1_0(stream, header)
        for block in self._blocks():
            values = self._converted(block)
            stream.write(values.reshape(-1).view("u1").data)
            meter.add(block.nbytes)

    def _blocks(self) -> Iterator[Array]:
        if self._strings is not None:
            yield self._strings
        elif self._slicing.is_whole(self._tensor.shape):
            yield from self._tensor.blocks(out=self._tensor.buffer())
        else:
            yield from self._part()

    def _part(self) -> Iterator[Array]:
        """Yield what the selection means, block by block: it may be larger than memory too."""
        from ckptread.reader import BLOCK_BYTES

        for block in split(self._slicing.shape, max(1, self._tensor.dtype.itemsize), BLOCK_BYTES):
            yield self._tensor.read(self._slicing.part(block))

    def _converted(self, block: Array) -> Array:
        import numpy as np

        if block.dtype == self.dtype:
            return np.ascontiguousarray(block)
        if self._bits:
            return np.ascontiguousarray(block).view(self.dtype)
        if self._lossy:
            self._lost += count_lost(block, self.dtype)
        if block.dtype.kind == "c" and self.dtype.kind not in "cb":
            block = block.real
        with np.errstate(over="ignore", invalid="ignore"):
            return np.ascontiguousarray(block.astype(self.dtype))


def _about(tensor: Tensor, problem: str) -> tuple[str, str]:
    """Return the file, and the problem with the tensor's name before it, for an error."""
    return tensor.reader.path, f"{escape(tensor.info.name)!r}: {problem}"


def _is_number(dtype: np.dtype[Any]) -> bool:
    """Whether these are numbers: numpy's, or those of ml_dtypes, which numpy has as kind V."""
    return dtype.kind in "biufc" or (dtype.kind == "V" and dtype.type.__module__ != "numpy")
