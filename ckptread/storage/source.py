"""Where bytes come from: a file, or a window onto one.

Offsets and sizes are in bytes, and in Python integers. Nothing is mapped: a file that shrinks while it is read
gives an error, never a signal; one that changes gives an error, never a mixture of old and new.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.tensors import Checksum, Extent

Step = dict[str, int]
"""How one source is made of another, in numbers: see :func:`ckptread.storage.inflated.rebuild`."""


class Source(ABC):
    """Bytes that can be read at any offset."""

    name: str
    """What to call it in a message: the file's path, with the member's name for a window."""
    size: int
    addressable: bool = True
    """Whether a byte lies in a file as it is read, so that ``locate`` gives its own place."""

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, wholly.

        Raises DamagedFileError where the bytes end early or have changed since they were opened.
        """

    @abstractmethod
    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file and the offset in it that the byte at ``offset`` lies at."""

    @abstractmethod
    def recipe(self) -> tuple[int, list[Step]]:
        """Return the open file's descriptor, and the steps by which a worker builds this source on it."""

    @abstractmethod
    def whole_file(self) -> Source:
        """Return the file that this source is a part of: ``locate`` gives offsets in it."""

    def extent(self, offset: int, nbytes: int, checksum: Checksum | None = None) -> Extent:
        """Return where ``nbytes`` bytes from ``offset`` are stored."""
        file, start = self.locate(offset)
        return Extent(file=file, offset=start, nbytes=nbytes, checksum=checksum)

    def close(self) -> None:  # noqa: B027 - most sources hold nothing of their own
        """Give back what is held; reading afterwards is an error."""

    def from_offset(self, start: int) -> Callable[[int, memoryview], None]:
        """Return ``read_into`` for a run of bytes that begins at ``start``."""
        return lambda offset, buffer: self.read_into(start + offset, buffer)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset``; for small pieces."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise outside_error(self, offset, nbytes)
        buffer = bytearray(nbytes)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)


class FileSource(Source):
    """A regular file, opened once. Devices, pipes and folders are refused without being waited for."""

    def __init__(self, path: str, descriptor: int | None = None) -> None:
        """Open ``path``, or take over a descriptor on which it is already open (in a worker, say)."""
        self.name = path
        self._descriptor = _open_regular(path) if descriptor is None else descriptor
        self.stamp = stamp_of(os.fstat(self._descriptor))
        """What tells this state of the file from a later one."""
        self.size = self.stamp[0]

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the open file's descriptor, and no steps."""
        return self._descriptor, []

    def whole_file(self) -> Source:
        """Return this file."""
        return self

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, and see that the file is still the one that was opened."""
        done = 0
        while done < buffer.nbytes:
            try:
                count = _read_at(self._descriptor, buffer[done:], offset + done)
            except OSError as error:
                raise _unreadable(self.name, error) from error
            if count == 0:
                raise self._ends(offset + done, buffer.nbytes - done)
            done += count
        self._check_stamp()

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset``, as ``read_into`` does: in one call of the system, where it can."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size or not hasattr(os, "pread"):
            return super().read(offset, nbytes)
        try:
            data = os.pread(self._descriptor, nbytes, offset)
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if len(data) < nbytes:  # at the end of a file that was cut; or beyond 2 GiB, the most that Linux reads at once
            return super().read(offset, nbytes)
        self._check_stamp()
        return data

    def _ends(self, offset: int, missing: int) -> DamagedFileError:
        return DamagedFileError(
            self.name,
            f"it ends at byte {offset:,}, where {missing:,} more were to be read",
            advice="it is cut short, or was shortened while it was read: fetch it again",
            offset=offset,
        )

    def _check_stamp(self) -> None:
        if stamp_of(os.fstat(self._descriptor)) != self.stamp:
            raise changed_error(self.name)

    def locate(self, offset: int) -> tuple[str, int]:
        """Return this file and ``offset``."""
        return self.name, offset

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class WindowSource(Source):
    """A run of bytes of another source: a stored member of a zip archive. It does not own the other one."""

    def __init__(self, source: Source, offset: int, nbytes: int, name: str) -> None:
        if offset < 0 or nbytes < 0 or offset + nbytes > source.size:
            raise DamagedFileError(
                name, f"its {nbytes:,} bytes at offset {offset:,} lie outside the file's {source.size:,}"
            )
        self.name = name
        self.size = nbytes
        self.addressable = source.addressable
        self._source = source
        self._offset = offset

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` of the window."""
        if offset < 0 or offset + buffer.nbytes > self.size:
            raise outside_error(self, offset, buffer.nbytes)
        self._source.read_into(self._offset + offset, buffer)

    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file that the window looks onto, and the offset there."""
        return self._source.locate(self._offset + offset)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset`` of the window."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise outside_error(self, offset, nbytes)
        return self._source.read(self._offset + offset, nbytes)

    def whole_file(self) -> Source:
        """Return the file that the window looks onto."""
        return self._source.whole_file()

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the other source's recipe, and the window as its last step."""
        descriptor, steps = self._source.recipe()
        return descriptor, [*steps, {"offset": self._offset, "nbytes": self.size}]


def outside_error(source: Source, offset: int, nbytes: int) -> DamagedFileError:
    """Return the error for bytes that a source does not have."""
    return DamagedFileError(
        source.name,
        f"{nbytes:,} bytes at offset {offset:,} lie outside its {source.size:,} bytes",
        advice="it is damaged or cut short: fetch it again",
    )


def stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return the size of a file and the times of its last change: another writing differs in one of them."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def changed_error(name: str) -> DamagedFileError:
    """Return the error for a file that is no longer what was opened."""
    return DamagedFileError(name, "it changed while it was read", advice="wait until its writer is done, and try again")


def _open_regular(path: str) -> int:
    """Open a file for reading; O_NONBLOCK, so that a pipe nobody writes to is refused, not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeFileError(path, "it is not a regular file", advice="only regular files are opened")
    return descriptor


def _unreadable(path: str, error: OSError | ValueError) -> CheckpointError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CheckpointError(path, f"it cannot be read: {reason}")


def _read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    os.lseek(descriptor, offset, os.SEEK_SET)  # Windows: one reader at a time
    data = os.read(descriptor, buffer.nbytes)
    buffer[: len(data)] = data
    return len(data)
