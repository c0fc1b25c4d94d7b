"""What is written of one tensor: the dtype that it gets, what is said of it, and its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import CheckpointError, UnsupportedError
from ckptread.formats.format import Outgoing
from ckptread.operations.extract.copy import COPIED, NATIVE, Copy
from ckptread.operations.extract.fixed_size import NoFixedSize, holds_lists, without_objects
from ckptread.reader import Tensor
from ckptread.slicing import Selection, normalize, split
from ckptread.storage.progress import SILENT, Meter
from ckptread.tensors import element_count
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.values.conversion import count_lost, is_lossless
from ckptread.wording import escape, quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """How tensors are written."""

    selection: Selection = ()
    """The part of each that is written."""
    dtype: str | None = None
    """The dtype that the user asked for, or None."""
    raw: bool = False
    """Keep the bits, as unsigned integers, of what numpy has no dtype of its own for."""
    native: bool = False
    """Keep bfloat16 and its kin as they are: the file holds them."""
    force: bool = False
    """Replace files that exist."""
    meter: Meter = SILENT
    """Counts the bytes of values."""


def plan_of(tensor: Tensor, how: Writing) -> Outgoing:
    """Return what is written of a tensor: its bytes as they lie, where nothing is to be done to them.

    Raises CheckpointError.
    """
    info = tensor.info
    copied = info.dtype in COPIED or (how.native and info.dtype in NATIVE)
    if copied and how.selection == () and how.dtype is None and info.problem is None:
        stored = tensor.stored
        if stored is not None:
            return Copy(info, stored, how.meter)
    return Plan(tensor, how)


class Plan(Outgoing):
    """One tensor to be written: the dtype in the file, what is said of it, and the blocks."""

    def __init__(self, tensor: Tensor, how: Writing) -> None:
        if tensor.info.problem is not None:
            tensor.read()  # raises, with the problem
        self._tensor = tensor
        try:
            self._slicing = normalize(how.selection, tensor.shape)
        except (IndexError, TypeError) as error:
            raise CheckpointError(*_about(tensor, f"the slice does not fit: {error}")) from error
        self._how = how
        self._fixed: Array | None = None
        self._dtype, self._note = self._target(how.dtype)
        self._lossy = how.dtype is not None and not is_lossless(tensor.dtype, self._dtype)
        self._lost = 0
        self._bits = how.raw and self._dtype.kind == "u"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in the file."""
        return self._dtype

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

    def _target(self, asked: str | None) -> tuple[np.dtype[Any], str]:
        """Return the dtype of the file, and a note on it."""
        import numpy as np

        dtype = self._tensor.dtype
        if asked is not None:
            return self._asked(asked), ""
        if dtype.hasobject:
            self._fixed = self._without_objects()
            note = "a list is a record of its length and its values" if holds_lists(self._fixed.dtype) else ""
            return self._fixed.dtype, note
        if dtype.type.__module__ == "numpy" or self._how.native:
            return dtype, ""
        if self._how.raw:
            note = f"{dtype.name} kept as bits: .view(ml_dtypes.{dtype.name}) has the values"
            return np.dtype(f"u{dtype.itemsize}"), note
        wide = np.dtype("int8" if dtype.name.startswith("int") else "uint8" if dtype.name.startswith("uint") else "f4")
        return wide, f"{dtype.name} widened to {wide.name}, exactly (--raw keeps the bits)"

    def _asked(self, name: str) -> np.dtype[Any]:
        import numpy as np

        try:
            dtype = numpy_dtype(name) if self._how.native else np.dtype(name)
        except (TypeError, UnsupportedError):
            dtype = None
        if dtype is None or not _is_number(dtype) or not _is_number(self._tensor.dtype):
            raise UnsupportedError(
                *_about(
                    self._tensor,
                    f"values of {escape(self._tensor.info.dtype_name)} cannot be written as {quoted(name)}",
                ),
                advice="a .npy file holds numpy's own numbers: float32, float64, int64, ...",
            )
        return dtype

    def _without_objects(self) -> Array:
        """Return values of variable length as ones of a fixed size. Raises UnsupportedError where that loses some."""
        try:
            return without_objects(self._tensor.read(self._how.selection))
        except NoFixedSize as error:
            problem = f"its values do not fit into a .npy file: {error}"
            raise UnsupportedError(*_about(self._tensor, problem), advice="'ckptread show' prints them") from error

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes of the values. Raises CheckpointError."""
        for block in self._blocks():
            yield self._converted(block).reshape(-1).view("u1").data
            self._how.meter.add(block.nbytes)

    def _blocks(self) -> Iterator[Array]:
        if self._fixed is not None:
            yield self._fixed
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
    return tensor.reader.path, f"{quoted(tensor.info.name)}: {problem}"


def _is_number(dtype: np.dtype[Any]) -> bool:
    """Whether these are numbers: numpy's, or those of ml_dtypes, which numpy has as kind V."""
    return dtype.kind in "biufc" or (dtype.kind == "V" and dtype.type.__module__ != "numpy")
