"""Values on their way into a file, with a checksum of what was written, which is compared with what the file has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

from ckptread.errors import DamagedFileError
from ckptread.formats.format import Outgoing
from ckptread.operations.convert.wrapped import WrappedValues
from ckptread.storage.checksums import checksum_function
from ckptread.wording import quoted

READ_BYTES = 1 << 20


class CheckedValues(WrappedValues):
    """Another tensor on its way into a file: where its bytes begin there, how many they are, and their CRC-32C."""

    def __init__(self, name: str, values: Outgoing, file: IO[bytes]) -> None:
        super().__init__(values)
        self._name = name
        self._file = file
        self._extend = checksum_function("crc32c")
        self._start = self._nbytes = self._crc = 0

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the values. Raises CheckpointError as reading does."""
        self._start = self._file.tell()
        for piece in self._values.pieces():
            self._crc = self._extend(self._crc, _extendable(piece))
            self._nbytes += len(piece)
            yield piece

    def verify(self, path: str) -> None:
        """Raise DamagedFileError unless the file has what was written."""
        self._file.seek(self._start)
        crc, left = 0, self._nbytes
        while left and (data := self._file.read(min(READ_BYTES, left))):
            crc, left = self._extend(crc, data), left - len(data)
        if left or crc != self._crc:
            problem = f"the bytes of {quoted(self._name)} are not those that were written"
            raise DamagedFileError(path, problem, advice="the disk or the memory may be faulty: the file is not made")


def _extendable(piece: bytes | memoryview) -> Any:
    """Return bytes as google_crc32c takes them: it refuses a memoryview, but no array."""
    if isinstance(piece, bytes):
        return piece
    import numpy as np

    return np.frombuffer(piece, "u1")


def verify_all(file: IO[bytes], written: Iterable[CheckedValues], path: str) -> None:
    """Raise DamagedFileError unless a file has all that was written into it."""
    file.flush()
    for values in written:
        values.verify(path)
