"""Bytes in memory as a source."""

from __future__ import annotations

from typing import NoReturn

from ckptread.errors import DamagedFileError
from ckptread.storage.source import Source


class BytesSource(Source):
    """Bytes in memory: a block that was decompressed, or text of a config."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.size = len(data)
        self._data = data

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Copy bytes from ``offset``."""
        if offset < 0 or offset + buffer.nbytes > self.size:
            raise DamagedFileError(self.name, f"{buffer.nbytes:,} bytes at {offset:,} are outside its {self.size:,}")
        buffer[:] = self._data[offset : offset + buffer.nbytes]

    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file; these bytes have no offset of their own there."""
        return self.name, 0

    def whole_file(self) -> Source:
        """Return itself: these bytes are not part of any file."""
        return self

    def recipe(self) -> NoReturn:
        """Raise: such bytes are never handed to a worker."""
        raise NotImplementedError
