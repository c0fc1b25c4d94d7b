"""Tensors copied as their bytes lie: no value is looked at, and numpy is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ckptread.formats.format import Outgoing
from ckptread.storage.progress import Meter
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.tensors import TensorInfo
from ckptread.untrusted.dtypes import numpy_dtype

if TYPE_CHECKING:
    import numpy as np

COPIED = frozenset(
    ("bool", "int8", "uint8", "int16", "uint16", "float16", "int32", "uint32", "float32", "int64", "uint64", "float64",
     "complex64", "complex128")
)  # fmt: skip
"""numpy's own numbers, which a file that is written holds as they are."""
NATIVE = frozenset(
    ("bfloat16", "float8_e5m2", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
)
"""Those of ml_dtypes, for a file that holds them too."""
PIECE_BYTES = 512 << 10
"""What is read, checked and written at once, by one thread: a processor's own cache holds it all that while."""


class Copy(Outgoing):
    """One tensor whose stored bytes are copied."""

    dtype_name = ""
    shape: tuple[int, ...] = ()
    note = ""

    def __init__(self, info: TensorInfo, stored: TensorBytes, meter: Meter) -> None:
        self.dtype_name = info.dtype
        self.shape = info.shape or ()
        self._stored = stored
        self._meter = meter

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype in the file."""
        return numpy_dtype(self.dtype_name)

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes. Raises DamagedFileError after the last of them, for their checksum."""
        stored, parts = self._stored, []
        for at in range(0, stored.nbytes, PIECE_BYTES):
            data = stored.read(at, min(PIECE_BYTES, stored.nbytes - at))
            yield data
            parts.append((stored.extend(0, data), len(data)))
            self._meter.add(len(data))
        stored.verify(parts)
