"""A format of your own: ``FLAT``, a count in four little-endian bytes, that many float32 values, and their CRC-32."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from ckptread.errors import DamagedFileError
from ckptread.formats.candidate import Candidate
from ckptread.formats.format import Format
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.tensors import Extent, TensorInfo

if TYPE_CHECKING:
    from ckptread.tensors import Array

MAGIC = b"FLAT"
HEAD_BYTES = 8
CRC_BYTES = 4


class FlatReader(Reader):
    """An open file: one tensor, ``values``."""

    format = "flat"

    def __init__(self, source: Source) -> None:
        self.path = source.name
        self._source = source
        count = int.from_bytes(source.read(4, 4), "little")
        self._nbytes = 4 * count
        if HEAD_BYTES + self._nbytes + CRC_BYTES != source.size:  # before anything of that size is allocated
            problem = f"its size is not that of {count:,} values"
            raise DamagedFileError(self.path, problem, advice="download it again", code="flat-size")
        extent = Extent(file=self.path, offset=HEAD_BYTES, nbytes=self._nbytes)
        info = TensorInfo(key="values", shape=(count,), dtype="float32", nbytes=self._nbytes, extent=extent)
        self.tensors = {info.key: info}
        self.metadata = {}
        self.problems = []

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values, or the selected part."""
        import numpy as np

        readable(self, key)
        data = self._source.read(HEAD_BYTES, self._nbytes + CRC_BYTES)
        if zlib.crc32(data[:-CRC_BYTES]) != int.from_bytes(data[-CRC_BYTES:], "little"):
            raise DamagedFileError(self.path, "its values do not have their checksum", code="flat-checksum")
        values = np.frombuffer(data[:-CRC_BYTES], "<f4")[(*_as_tuple(selection), ...)]
        if out is None:
            return np.array(values)
        out[...] = values
        return out

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source,)

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()


def _as_tuple(selection: Selection) -> tuple[object, ...]:
    return selection if isinstance(selection, tuple) else (selection,)


def _recognise(candidate: Candidate) -> bool:
    return candidate.head.startswith(MAGIC)


def _open(storage: Storage, name: str, remains: Remains) -> Reader:
    source = storage.open(name)
    with CloseOnError(source):
        return FlatReader(source)


FLAT = Format(name="flat", about="flat files", endings=(".flat",), recognise=_recognise, open=_open)
