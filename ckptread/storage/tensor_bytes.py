"""The stored bytes of a tensor, and their checksum.

Values that are stored exactly as they are read can be read as bytes, without numpy, by several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ckptread.errors import DamagedFileError
from ckptread.storage.checksums import checksum_function, combine_checksums
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.source import Source
from ckptread.tensors import ITEM_BYTES, Extent, TensorInfo
from ckptread.wording import escape, quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array


class TensorBytes:
    """The bytes of one tensor: its values in C order, in the byte order of its dtype.

    ``meter`` counts the bytes of each read.
    """

    def __init__(self, path: str, info: TensorInfo, extent: Extent, source: Source, meter: Meter) -> None:
        self.nbytes = extent.nbytes
        self.item_bytes = extent.nbytes // info.size
        self.checksum = extent.checksum
        self._path = path
        self._key = info.key
        self._extent = extent
        self._source = source
        self._meter = meter
        self._extend = checksum_function(extent.checksum.algorithm) if extent.checksum else None

    def read(self, at: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from byte ``at`` of the tensor. Raises CheckpointError."""
        data = self._source.read(self._extent.offset + at, nbytes)
        self._meter.add(nbytes)
        return data

    def extend(self, state: int, data: bytes) -> int:
        """Return a running checksum extended by more bytes; 0 where the file has none."""
        return 0 if self._extend is None else self._extend(state, data)

    def verify(self, parts: Sequence[tuple[int, int]]) -> None:
        """Raise DamagedFileError unless the parts' checksums (each from 0) and sizes combine to the file's own."""
        if self.checksum is None:
            return
        state = self.checksum.state
        for value, nbytes in parts:
            state = combine_checksums(self.checksum.algorithm, state, value, nbytes) if state else value
        check_checksum(self._path, self._key, self._extent, state)


class RunningChecksum:
    """The checksum of a tensor's extent, computed over its values as they are read, in C order.

    Does nothing where there is no extent, or the file has no checksum for it.
    """

    def __init__(self, path: str, key: str, extent: Extent | None) -> None:
        self._path = path
        self._key = key
        self._extent = extent
        stated = extent.checksum if extent else None
        self._state = stated.state if stated else 0
        self._extend = checksum_function(stated.algorithm) if stated else None

    def update(self, block: Array) -> None:
        """Add the next values, in the order of the file's bytes."""
        if self._extend is None or self._extent is None or block.size == 0:
            return
        if self._extent.byteorder == "big":
            block = block.byteswap()
        self._state = self._extend(self._state, block.reshape(-1).view("u1"))

    def verify(self) -> None:
        """Raise DamagedFileError where the values do not have the file's checksum."""
        if self._extent is not None:
            check_checksum(self._path, self._key, self._extent, self._state)


def tensor_bytes(path: str, info: TensorInfo, source: Source, meter: Meter = SILENT) -> TensorBytes | None:
    """Return a tensor's bytes; None unless the file stores the values as a plain array in the dtype's byte order."""
    extent = info.extent
    if extent is None or info.problem is not None or not info.nbytes or extent.byteorder != "little":
        return None
    if extent.nbytes != info.nbytes or info.nbytes != info.size * _item_bytes(info.dtype):
        return None
    return TensorBytes(path, info, extent, source, meter)


def _item_bytes(dtype: str) -> int:
    """Return the size of one number; 0 for a dtype that is not a number."""
    if dtype[:1] == ">" and dtype[1:2] in "iufc" and dtype[2:].isdigit():
        return int(dtype[2:])
    return ITEM_BYTES.get(dtype, 0)


def check_checksum(path: str, key: str, extent: Extent, found: int) -> None:
    """Raise DamagedFileError where a tensor's bytes do not have the checksum that the file has for them."""
    if extent.checksum is None or found == extent.checksum.value:
        return
    where = f"at byte {extent.offset:,} of {escape(extent.file)}"
    raise DamagedFileError(
        path,
        f"the bytes of {quoted(key)} {where} do not have the checksum that the file states",
        advice="they are damaged, or of another step than the index: download them again",
        offset=extent.offset,
        code="checksum",
    )
