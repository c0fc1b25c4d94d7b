"""Tensors copied into .npy files as their bytes lie: no value is looked at, and numpy is not imported.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.tensors import TensorInfo

DESCRIPTIONS = {
    "bool": "|b1", "int8": "|i1", "uint8": "|u1",
    "int16": "<i2", "uint16": "<u2", "float16": "<f2",
    "int32": "<i4", "uint32": "<u4", "float32": "<f4",
    "int64": "<i8", "uint64": "<u8", "float64": "<f8",
    "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
"""What a .npy header calls the dtypes that are numpy's own."""
PIECE_BYTES = 512 << 10
"""What is read, checked and written at once, by one thread: a processor's own cache holds it all that while."""
ALIGNMENT = 64
GROWTH = 21
"""Digits that numpy leaves room for, so that the first dimension can grow in place."""


class Copy:
    """One tensor whose stored bytes are copied into a .npy file."""

    note = ""
    """Nothing is done to the values."""

    def __init__(self, info: TensorInfo, stored: TensorBytes) -> None:
        self._info = info
        self._stored = stored

    @property
    def dtype_name(self) -> str:
        """The dtype in the file."""
        return self._info.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the file."""
        return self._info.shape or ()

    def write(self, stream: IO[bytes], meter: Meter = SILENT) -> None:
        """Write the header and the values. Raises DamagedFileError after the last of them, for their checksum."""
        stored = self._stored
        stream.write(npy_header(DESCRIPTIONS[self._info.dtype], self.shape))
        parts = []
        for at in range(0, stored.nbytes, PIECE_BYTES):
            data = stored.read(at, min(PIECE_BYTES, stored.nbytes - at))
            stream.write(data)
            parts.append((stored.extend(0, data), len(data)))
            meter.add(len(data))
        stored.verify(parts)


def copy_of(info: TensorInfo, stored: TensorBytes | None) -> Copy | None:
    """Return the plan of a copy; None where the bytes are not a .npy file's."""
    return Copy(info, stored) if stored is not None and info.dtype in DESCRIPTIONS else None


def npy_header(description: str, shape: Sequence[int]) -> bytes:
    """Return the header of a .npy file in C order, as numpy writes it."""
    text = f"{{'descr': '{description}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    room = " " * (GROWTH - len(str(shape[0]))) if shape else ""
    left = ALIGNMENT - (10 + len(text) + len(room) + 1) % ALIGNMENT  # never 0, as in numpy
    filled = (text + room + " " * left + "\n").encode()
    return b"\x93NUMPY\1\0" + len(filled).to_bytes(2, "little") + filled
