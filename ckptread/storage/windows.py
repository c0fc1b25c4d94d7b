"""A part of a file as a source of its own: a stored member of a zip archive, say."""

from __future__ import annotations

from collections.abc import Iterable

from ckptread.errors import DamagedFileError
from ckptread.storage.source import Range, Source, Step
from ckptread.tensors import Checksum


class WindowSource(Source):
    """A range of another source's bytes. It does not own the other source."""

    def __init__(self, source: Source, offset: int, nbytes: int, name: str, checksum: Checksum | None = None) -> None:
        if offset < 0 or nbytes < 0 or offset + nbytes > source.size:
            problem = f"its {nbytes:,} bytes at offset {offset:,} are outside the file's {source.size:,}"
            raise DamagedFileError(name, problem)
        self.name = name
        self.size = nbytes
        self.addressable = source.addressable
        self.checksum = checksum
        self._source = source
        self._offset = offset

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` of the window."""
        self.check_range(offset, buffer.nbytes)
        self._source.read_into(self._offset + offset, buffer)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset`` of the window."""
        self.check_range(offset, nbytes)
        return self._source.read(self._offset + offset, nbytes)

    def read_many(self, ranges: Iterable[Range]) -> list[bytes]:
        """Return the bytes of each range of the window."""
        shifted = []
        for offset, nbytes in ranges:
            self.check_range(offset, nbytes)
            shifted.append((self._offset + offset, nbytes))
        return self._source.read_many(shifted)

    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file of the other source, and the offset there."""
        return self._source.locate(self._offset + offset)

    def whole_file(self) -> Source:
        """Return the file of the other source."""
        return self._source.whole_file()

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the other source's recipe, with the window as its last step."""
        descriptor, steps = self._source.recipe()
        return descriptor, [*steps, {"offset": self._offset, "nbytes": self.size}]
