"""Tensors whose values lie in a file as they are: read as bytes, without numpy, by several threads if need be."""

from __future__ import annotations

from collections.abc import Sequence

from ckptread.errors import DamagedFileError
from ckptread.storage.checksums import combine, extender
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.source import Source
from ckptread.tensors import ITEM_BYTES, Extent, TensorInfo
from ckptread.wording import escape


class TensorBytes:
    """The bytes of one tensor: its values in C order, in the order of bytes that its dtype says."""

    def __init__(self, path: str, info: TensorInfo, extent: Extent, source: Source, meter: Meter) -> None:
        self.nbytes = extent.nbytes
        self.item_bytes = extent.nbytes // info.size
        self.checksum = extent.checksum
        self._path = path
        self._key = info.key
        self._extent = extent
        self._source = source
        self._meter = meter
        self._extend = extender(extent.checksum.algorithm) if extent.checksum else None

    def read(self, at: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from byte ``at`` of the tensor. Raises CheckpointError."""
        data = self._source.read(self._extent.offset + at, nbytes)
        self._meter.add(nbytes)
        return data

    def extend(self, state: int, data: bytes) -> int:
        """Take bytes into a running checksum; 0 where the file states none."""
        return 0 if self._extend is None else self._extend(state, data)

    def verify(self, parts: Sequence[tuple[int, int]]) -> None:
        """Raise DamagedFileError unless the parts' checksums (each from 0) and sizes make the one that is stated."""
        if self.checksum is None:
            return
        state = self.checksum.state
        for value, nbytes in parts:
            state = combine(self.checksum.algorithm, state, value, nbytes) if state else value
        check_checksum(self._path, self._key, self._extent, state)


def tensor_bytes(path: str, info: TensorInfo, source: Source, meter: Meter = SILENT) -> TensorBytes | None:
    """Return a tensor's bytes; None where they are not its values, one fixed size each, as numpy has them."""
    extent = info.extent
    if extent is None or info.problem is not None or not info.nbytes or extent.byteorder != "little":
        return None
    if extent.nbytes != info.nbytes or info.nbytes != info.size * _item_bytes(info.dtype):
        return None
    return TensorBytes(path, info, extent, source, meter)


def _item_bytes(dtype: str) -> int:
    """Return the size of one number; 0 for what is no number."""
    if dtype[:1] == ">" and dtype[1:2] in "iufc" and dtype[2:].isdigit():
        return int(dtype[2:])
    return ITEM_BYTES.get(dtype, 0)


def check_checksum(path: str, key: str, extent: Extent, found: int) -> None:
    """Raise DamagedFileError where a tensor's bytes do not have the checksum that the file states for them."""
    if extent.checksum is None or found == extent.checksum.value:
        return
    where = f"at byte {extent.offset:,} of {escape(extent.file)}"
    raise DamagedFileError(
        path,
        f"the bytes of {escape(key)!r} {where} do not have the checksum that the file states",
        advice="they are damaged, or of another step than the index: fetch them again",
        offset=extent.offset,
    )
