"""An object as a source: pages that are kept, and ranges that are fetched together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice

from ckptread.errors import UnsupportedError
from ckptread.storage.remote.pages import LARGE_BYTES, Pages, pieces_of
from ckptread.storage.remote.place import AT_ONCE, MOST_REQUESTS, RemoteObject
from ckptread.storage.source import Range, Source, Stamp, Step, closed_error
from ckptread.storage.threads import run_in_order


class RemoteSource(Source):
    """An object of which only the bytes are fetched that are asked for, and those near them.

    Its stamp is sent with every request, so that an object that is replaced meanwhile is an error, never a mixture.
    """

    def __init__(self, remote: RemoteObject, stamp: Stamp, pages: Pages) -> None:
        """``pages`` has what was fetched of it before; it may be shared with other sources of the same object."""
        self.name = remote.address
        self.size = stamp.size
        self.stamp: Stamp = stamp
        self.distant = True
        self._remote = remote
        self._pages = pages
        self._closed = False

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``: by several requests at once, where it is large."""
        self.check_range(offset, buffer.nbytes)
        if buffer.nbytes < LARGE_BYTES:
            buffer[:] = self.read(offset, buffer.nbytes)
            return
        pieces = list(pieces_of(offset, buffer.nbytes))
        for (start, nbytes), data in zip(pieces, self._fetch(pieces), strict=True):
            buffer[start - offset : start - offset + nbytes] = data

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset``."""
        return self.read_many([(offset, nbytes)])[0]

    def read_many(self, ranges: Iterable[Range]) -> list[bytes]:
        """Return the bytes of each range, in order: what is missing is fetched in one round of requests."""
        wanted = list(ranges)
        for offset, nbytes in wanted:
            self.check_range(offset, nbytes)
        runs = self._pages.missing(each for each in wanted if each[1] < LARGE_BYTES)
        pieces = [list(pieces_of(*each)) for each in wanted if each[1] >= LARGE_BYTES]
        fetched = iter(self._fetch([*runs, *chain.from_iterable(pieces)]))
        for start, _ in runs:
            self._pages.keep(start, next(fetched))
        large = iter([b"".join(islice(fetched, len(each))) for each in pieces])
        found = [next(large) if nbytes >= LARGE_BYTES else self._pages.cut(at, nbytes) for at, nbytes in wanted]
        self._pages.shrink()
        return found

    def _fetch(self, ranges: Sequence[Range]) -> list[bytes | memoryview]:
        if self._closed:
            raise closed_error(self.name)
        return list(run_in_order(self._request, ranges, threads=min(MOST_REQUESTS, len(ranges)) or 1))

    def _request(self, wanted: Range) -> bytes | memoryview:
        offset, nbytes = wanted
        with AT_ONCE:
            return self._remote.fetch(offset, offset + nbytes, self.stamp)

    def locate(self, offset: int) -> tuple[str, int]:
        """Return the object's address and ``offset``."""
        return self.name, offset

    def whole_file(self) -> Source:
        """Return this object."""
        return self

    def recipe(self) -> tuple[int, list[Step]]:
        """Raise UnsupportedError: a worker has no network."""
        raise UnsupportedError(
            self.name, "only the HDF5 library reads this, and it reads local files alone", advice="download it"
        )

    def close(self) -> None:
        """Read no more."""
        self._closed = True
