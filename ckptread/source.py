"""Where bytes come from: a file, or a window onto one.

Offsets and sizes are in bytes, and in Python integers. Nothing is mapped: a file that shrinks while it is read
gives an error, never a signal; one that changes gives an error, never a mixture of old and new.
"""

from __future__ import annotations

import os
import stat
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.inflate import MAX_EXPANSION, Inflating, inflates_badly

Step = dict[str, int]
"""How one source is made of another, in numbers: see :func:`rebuild`."""

PAGE_BYTES = 64 << 10
"""What is inflated at once."""
MAX_PAGES = 128
"""Pages kept: an HDF5 index is read to and fro."""
STOP_PAGES = 64
"""A state of the inflater (45 KB, and what it was fed) is kept every so many pages, at first."""
MAX_STOPS = 128


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

    def close(self) -> None:  # noqa: B027 - most sources hold nothing of their own
        """Give back what is held; reading afterwards is an error."""

    def from_offset(self, start: int) -> Callable[[int, memoryview], None]:
        """Return ``read_into`` for a run of bytes that begins at ``start``."""
        return lambda offset, buffer: self.read_into(start + offset, buffer)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset``; for small pieces."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise _outside(self, offset, nbytes)
        buffer = bytearray(nbytes)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)


class FileSource(Source):
    """A regular file, opened once. Devices, pipes and folders are refused without being waited for."""

    def __init__(self, path: str, descriptor: int | None = None) -> None:
        """Open ``path``, or take over a descriptor on which it is already open (in a worker, say)."""
        self.name = path
        self._descriptor = _open_regular(path) if descriptor is None else descriptor
        self._stamp = self._current_stamp()
        self.size = self._stamp[0]

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the open file's descriptor, and no steps."""
        return self._descriptor, []

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, and see that the file is still the one that was opened."""
        done, wanted = 0, buffer.nbytes
        while done < wanted:
            try:
                count = _read_at(self._descriptor, buffer[done:], offset + done)
            except OSError as error:
                raise _unreadable(self.name, error) from error
            if count == 0:
                raise DamagedFileError(
                    self.name,
                    f"it ends at byte {offset + done:,}, where {wanted - done:,} more were to be read",
                    advice="it is cut short, or was shortened while it was read: fetch it again",
                    offset=offset + done,
                )
            done += count
        if self._current_stamp() != self._stamp:
            raise DamagedFileError(
                self.name,
                "it changed while it was read",
                advice="wait until its writer is done, and try again",
            )

    def locate(self, offset: int) -> tuple[str, int]:
        """Return this file and ``offset``."""
        return self.name, offset

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _current_stamp(self) -> tuple[int, int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns


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
            raise _outside(self, offset, buffer.nbytes)
        self._source.read_into(self._offset + offset, buffer)

    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file that the window looks onto, and the offset there."""
        return self._source.locate(self._offset + offset)

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the other source's recipe, and the window as its last step."""
        descriptor, steps = self._source.recipe()
        return descriptor, [*steps, {"offset": self._offset, "nbytes": self.size}]


class InflatedSource(Source):
    """A deflated member of a zip archive, inflated as far as it is read. It does not own the other source.

    Reading on is streaming. The last pages are kept, and every few MiB the state of the inflater, from which
    reading back starts again: at most some 20 MiB, however large the member. Never more than ``nbytes`` are
    inflated; a stream that ends before or after them, and a wrong CRC-32 once all of them were inflated, are
    DamagedFileErrors.
    """

    addressable = False

    def __init__(self, source: Source, offset: int, stored_nbytes: int, nbytes: int, crc32: int, name: str) -> None:
        if nbytes > MAX_EXPANSION * stored_nbytes:
            problem = f"it claims {nbytes:,} bytes, more than {stored_nbytes:,} deflated bytes can hold"
            raise UnsafeFileError(name, problem)
        self.name = name
        self.size = nbytes
        self._window = WindowSource(source, offset, stored_nbytes, name)
        self._parent = source
        self._step = {"offset": offset, "stored_nbytes": stored_nbytes, "nbytes": nbytes, "crc32": crc32}
        self._stream = Inflating(self._window.read, stored_nbytes, name)
        self._stops = {0: self._stream.copy()}
        self._stop_pages = STOP_PAGES
        self._pages: dict[int, bytes] = {}
        self._checked, self._crc = 0, 0  # pages that the checksum has taken in
        self._lock = threading.Lock()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` of the inflated bytes."""
        if offset < 0 or offset + buffer.nbytes > self.size:
            raise _outside(self, offset, buffer.nbytes)
        done = 0
        with self._lock:
            while done < buffer.nbytes:
                number, start = divmod(offset + done, PAGE_BYTES)
                part = self._page(number)[start : start + buffer.nbytes - done]
                buffer[done : done + len(part)] = part
                done += len(part)

    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file, and where the deflated member begins in it, whatever the offset."""
        return self._window.locate(0)

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the other source's recipe, and the member as its last step."""
        descriptor, steps = self._parent.recipe()
        return descriptor, [*steps, self._step]

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            self._rewind(number)
            for each in range(self._stream.at // PAGE_BYTES, number + 1):
                self._keep(each, self._next_page(each))
        return self._pages[number]

    def _rewind(self, number: int) -> None:
        """Go to the last stop before a page, unless the stream stands between the two."""
        stop = max(page for page in self._stops if page <= number)
        if not stop <= self._stream.at // PAGE_BYTES <= number or self._stream.at % PAGE_BYTES:
            self._stream = self._stops[stop].copy()

    def _next_page(self, number: int) -> bytes:
        """Inflate the page that the stream stands at, and check what can be checked by then."""
        wanted = min(PAGE_BYTES, self.size - number * PAGE_BYTES)
        page = self._stream.inflate(wanted)
        if len(page) < wanted:
            raise inflates_badly(self.name, f"it ends after {self._stream.at:,} of {self.size:,} bytes")
        crc = zlib.crc32(page, self._crc) if number == self._checked else None
        if self._stream.at == self.size:
            self._stream.finish()
            if crc is not None and crc != self._step["crc32"]:
                raise inflates_badly(self.name, "its bytes do not have the CRC-32 that the archive states")
        if crc is not None:
            self._checked, self._crc = self._checked + 1, crc
        return page

    def _keep(self, number: int, page: bytes) -> None:
        self._pages[number] = page
        if len(self._pages) > MAX_PAGES:
            del self._pages[next(iter(self._pages))]
        following = number + 1
        if following % self._stop_pages or following in self._stops or self._stream.at == self.size:
            return
        self._stops[following] = self._stream.copy()
        if len(self._stops) > MAX_STOPS:  # a large member: stop half as often
            self._stop_pages *= 2
            self._stops = {at: stop for at, stop in self._stops.items() if at % self._stop_pages == 0}


def _outside(source: Source, offset: int, nbytes: int) -> DamagedFileError:
    return DamagedFileError(
        source.name,
        f"{nbytes:,} bytes at offset {offset:,} lie outside its {source.size:,} bytes",
        advice="it is damaged or cut short: fetch it again",
    )


def rebuild(descriptor: int, steps: list[Step], name: str) -> Source:
    """Build in a worker the source whose recipe this is."""
    source: Source = FileSource(name, descriptor)
    for step in steps:
        if "crc32" in step:
            source = InflatedSource(source, **step, name=name)
        else:
            source = WindowSource(source, step["offset"], step["nbytes"], name)
    return source


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
