"""Raw deflate streams (RFC 1951): inflated piece by piece, never beyond what was asked for, and read at any offset.

:class:`Inflater` reads a stream forward. :class:`InflatedSource` makes a deflated member of a zip archive a source
like any other. :func:`rebuild_source` builds a source again in a worker.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.storage.local import FileSource
from ckptread.storage.source import Source, Step
from ckptread.storage.windows import WindowSource
from ckptread.wording import plural

MAX_EXPANSION = 1032
"""Deflate's own limit: a run of 258 bytes takes at least two bits."""
FEED_BYTES = 32 << 10
"""How much is passed to zlib at once."""
PAGE_BYTES = 64 << 10
"""How much is inflated at once."""
MAX_PAGES = 128
"""Pages kept: an HDF5 index is read back and forth."""
STOP_PAGES = 64
"""A copy of the inflater (45 KB, and its input) is kept every so many pages, at first."""
MAX_STOPS = 128


class Inflater:
    """A deflate stream of ``nbytes`` stored bytes, inflated up to byte ``at``.

    ``read(offset, nbytes)`` returns stored bytes. Every method raises DamagedFileError where they are not
    a deflate stream, or end before it does.
    """

    def __init__(self, read: Callable[[int, int], bytes], nbytes: int, name: str) -> None:
        self.at = 0
        self._read = read
        self._nbytes = nbytes
        self._name = name
        self._taken = 0  # stored bytes that the inflater has been given
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def copy(self) -> Inflater:
        """Return a stream at the same position; it takes some 75 KB."""
        twin = Inflater(self._read, self._nbytes, self._name)
        twin.at, twin._taken, twin._inflate = self.at, self._taken, self._inflate.copy()
        return twin

    def inflate(self, nbytes: int) -> bytes:
        """Return the next ``nbytes`` bytes; fewer only where the stream ends."""
        pieces, wanted = [], nbytes
        while wanted and (piece := self._some(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
            self.at += len(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Raise DamagedFileError unless the stream ends here, with its last stored byte."""
        if self._some(1):
            raise _inflation_error(self._name, f"it has more than the {self.at:,} bytes that the archive records")
        left = self._nbytes - self._taken + len(self._inflate.unused_data)
        if left:
            raise _inflation_error(self._name, f"{plural(left, 'byte', 'follow')} the end of its stream")

    def _some(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` bytes; none where the stream ends."""
        while not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._feed()
            try:
                piece = self._inflate.decompress(given, limit)
            except zlib.error as error:
                raise _inflation_error(
                    self._name, f"{str(error).rpartition(': ')[2]} (after byte {self.at:,})"
                ) from error
            if piece:
                return piece
            if not given:
                raise _inflation_error(self._name, f"it is truncated after {self.at:,} bytes")
        return b""

    def _feed(self) -> bytes:
        nbytes = min(FEED_BYTES, self._nbytes - self._taken)
        given = self._read(self._taken, nbytes)
        self._taken += nbytes
        return given


class InflatedSource(Source):
    """A deflated member of a zip archive, inflated as far as it is read. It does not own the other source.

    Reading forward streams. The last pages are cached, and every few MiB a copy of the inflater, from which reading
    back starts again: at most some 20 MiB, however large the member. Never more than ``nbytes`` are inflated. A stream
    of another length raises DamagedFileError, and so does a wrong CRC-32 once all bytes were inflated.
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
        self._stream = Inflater(self._window.read, stored_nbytes, name)
        self._stops = {0: self._stream.copy()}
        self._stop_pages = STOP_PAGES
        self._pages: dict[int, bytes] = {}
        self._checked, self._crc = 0, 0  # pages that the checksum has taken in
        self._lock = threading.Lock()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` of the inflated bytes."""
        self.check_range(offset, buffer.nbytes)
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

    def whole_file(self) -> Source:
        """Return the file that holds the deflated member."""
        return self._parent.whole_file()

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
        """Go to the last stop before a page, unless the stream is between the two."""
        stop = max(page for page in self._stops if page <= number)
        if not stop <= self._stream.at // PAGE_BYTES <= number or self._stream.at % PAGE_BYTES:
            self._stream = self._stops[stop].copy()

    def _next_page(self, number: int) -> bytes:
        """Inflate the page at the position of the stream, and check its size, and the checksum at the end."""
        wanted = min(PAGE_BYTES, self.size - number * PAGE_BYTES)
        page = self._stream.inflate(wanted)
        if len(page) < wanted:
            raise _inflation_error(self.name, f"it ends after {self._stream.at:,} of {self.size:,} bytes")
        crc = zlib.crc32(page, self._crc) if number == self._checked else None
        if self._stream.at == self.size:
            self._stream.finish()
            if crc is not None and crc != self._step["crc32"]:
                raise _inflation_error(self.name, "its bytes do not have the CRC-32 that the archive records")
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


def rebuild_source(descriptor: int, steps: list[Step], name: str) -> Source:
    """Build in a worker the source of a recipe."""
    source: Source = FileSource(name, descriptor)
    for step in steps:
        if "crc32" in step:
            source = InflatedSource(source, **step, name=name)
        else:
            source = WindowSource(source, step["offset"], step["nbytes"], name)
    return source


def _inflation_error(name: str, problem: str) -> DamagedFileError:
    """Return the error for a stream that does not inflate to the recorded size and checksum."""
    return DamagedFileError(name, f"it does not inflate as recorded: {problem}", advice="download it again")
