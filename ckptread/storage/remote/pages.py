"""Which bytes to fetch for the ranges that somebody asks for: whole pages, and small gaps with them.

A request costs the time of some hundred kilobytes, so neighbouring pages are fetched together, and a gap of up to 64
KiB with them. What is larger than a few pages is values: those are fetched as they are asked for, and not kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from ckptread.storage.source import Range

PAGE_BYTES = 8 << 10
HEAD_PAGES = 8
"""Pages that are fetched with the first: headers and the first structures of a file."""
GAP_PAGES = 8
"""Pages that are fetched in vain rather than by another request."""
LARGE_BYTES = 256 << 10
"""From this size on, a range is fetched without its neighbourhood, and not kept."""
KEPT_PAGES = 8192
"""64 MiB: the index of any real checkpoint."""
REQUEST_BYTES = 8 << 20
"""The most that one request asks for: larger ranges are fetched in pieces, side by side."""


def pages_of(offset: int, nbytes: int) -> range:
    """Return the numbers of the pages that a range touches."""
    return range(offset // PAGE_BYTES, -(-(offset + nbytes) // PAGE_BYTES)) if nbytes else range(0)


class Pages:
    """The pages of one object that were fetched, by number; the oldest go when there are too many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def missing(self, ranges: Iterable[Range]) -> list[Range]:
        """Return what to fetch, so that all of these ranges can be cut out: and some more with the first page."""
        touched = {page for offset, nbytes in ranges for page in pages_of(offset, nbytes)}
        with self._lock:
            if 0 in touched - self._held.keys():
                touched.update(pages_of(0, min(self._size, HEAD_PAGES * PAGE_BYTES)))
            return list(runs_of(sorted(touched - self._held.keys()), self._size))

    def keep(self, start: int, data: bytes | memoryview) -> None:
        """Keep the whole pages of a run of bytes."""
        end = start + len(data)
        last = -(-end // PAGE_BYTES) if end == self._size else end // PAGE_BYTES
        with self._lock:
            for page in range(-(-start // PAGE_BYTES), last):
                at = page * PAGE_BYTES - start
                self._held[page] = bytes(data[at : at + PAGE_BYTES])

    def cut(self, offset: int, nbytes: int) -> bytes:
        """Return a range of bytes out of the pages that have it."""
        pages = pages_of(offset, nbytes)
        with self._lock:
            joined = b"".join([self._held[page] for page in pages])
        start = offset % PAGE_BYTES
        return joined[start : start + nbytes]

    def shrink(self) -> None:
        """Let the oldest pages go that are too many. Not while ranges are cut."""
        with self._lock:
            for page in list(self._held)[: max(0, len(self._held) - KEPT_PAGES)]:
                del self._held[page]


def runs_of(pages: Iterable[int], size: int) -> Iterator[Range]:
    """Yield ranges of bytes that cover the pages, which are in order. Small gaps between pages are covered too.

    >>> list(runs_of([0, 1, 9], 10 * PAGE_BYTES)) == [(0, 2 * PAGE_BYTES), (9 * PAGE_BYTES, PAGE_BYTES)]
    True
    """
    first = last = None
    for page in pages:
        if first is None or last is None:
            first = page
        elif page - last > GAP_PAGES + 1 or (page + 1 - first) * PAGE_BYTES > REQUEST_BYTES:
            yield _run(first, last, size)
            first = page
        last = page
    if first is not None and last is not None:
        yield _run(first, last, size)


def pieces_of(offset: int, nbytes: int) -> Iterator[Range]:
    """Yield the requests that fetch one large range."""
    for start in range(offset, offset + nbytes, REQUEST_BYTES):
        yield start, min(REQUEST_BYTES, offset + nbytes - start)


def _run(first: int, last: int, size: int) -> Range:
    start = first * PAGE_BYTES
    return start, min((last + 1) * PAGE_BYTES, size) - start
