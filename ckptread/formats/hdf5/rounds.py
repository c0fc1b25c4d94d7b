"""Parsers that run in rounds: each asks for the ranges it needs, and all that wait are answered by one read.

A parser is a generator: ``head = yield at, 24`` gives it the bytes of a range, ``blocks = yield [range, ...]``
those of several. It is written as if the file were in memory, and only asks for what ``Rounds.at_hand`` has not.
A file of 500 datasets then takes about ten reads, one after the other, in place of a thousand: as many as its longest
chain of pointers has links.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

from ckptread.storage.source import Source
from ckptread.untrusted.binary import Malformed

Result = TypeVar("Result")
Parser = Generator[Any, Any, Result]
"""Yields a Range or a list of them, is sent their bytes, and returns what it has read."""

PAGE_BYTES = 4096
"""Structures are small and near each other: what one parser asks for, the next often finds in the same page."""
FIRST_BYTES = 2 * PAGE_BYTES
GAP_PAGES = 16
"""Pages that are fetched though nobody asked for them, where that saves a range."""
KEPT_BYTES = 64 << 20
"""Pages beyond that are dropped before the next round."""


Range = tuple[int, int]
"""A run of bytes of the source: its offset, and how many there are."""


class Rounds:
    """Runs parsers over one source until all have ended."""

    def __init__(self, source: Source) -> None:
        self.count = 0
        """How many rounds it took so far."""
        self._source = source
        self._pages: dict[int, bytes] = {}
        self._added: list[Parser[Any]] = []
        self._left = 0
        self._fetch([(0, min(FIRST_BYTES, source.size))])

    def add(self, parser: Parser[Any]) -> None:
        """Run this parser too, from the current round on."""
        self._added.append(parser)

    def run(self, parser: Parser[Result]) -> Result:
        """Run a parser, with those that it adds, and return its result. What any of them raises is raised here."""
        self._left = MOST_TIMES * self._source.size + FIRST_BYTES
        results: list[Result] = []
        self.add(_collect(parser, results))
        ready: list[tuple[Parser[Any], Any]] = []
        while ready or self._added:
            waiting = list(self._advance_all(ready))
            self._fetch(each for _, wanted in waiting for each in _ranges(wanted))
            ready = [(parser, self._answer(wanted)) for parser, wanted in reversed(waiting)]
        return results[0]

    def _advance_all(self, ready: list[tuple[Parser[Any], Any]]) -> Iterator[tuple[Parser[Any], Any]]:
        """Run parsers as far as the pages go; yield those that wait, each with what it wants."""
        while ready or self._added:
            ready += [(parser, None) for parser in reversed(self._added)]
            self._added.clear()
            parser, answer = ready.pop()
            try:
                yield parser, self._advance(parser, answer)
            except StopIteration:
                continue

    def _advance(self, parser: Parser[Any], answer: Any) -> Any:
        """Return what a parser wants that is in no page. Raises StopIteration where it has ended."""
        wanted = parser.send(answer)
        while True:
            problem = self._problem(wanted)
            if problem is not None:
                wanted = parser.throw(problem)
                continue
            answer = self._answer(wanted)
            if answer is None:
                return wanted
            wanted = parser.send(answer)

    def at_hand(self, offset: int, nbytes: int, usual: int) -> bytes | None:
        """Return so many bytes, and as many of the ``usual`` ones as need not be waited for; None for too few."""
        page = self._pages.get(offset // PAGE_BYTES)
        if page is None or not 0 <= nbytes <= self._left:
            return None
        start = offset % PAGE_BYTES
        found = page[start : start + usual]
        if len(found) < nbytes:
            return None
        self._left -= nbytes
        return found

    def _problem(self, wanted: Any) -> Malformed | None:
        """Return what is wrong with a wish: outside the file, or one too many."""
        for offset, nbytes in _ranges(wanted):
            self._left -= nbytes
            if offset < 0 or nbytes < 0 or offset + nbytes > self._source.size:
                return Malformed(f"{nbytes:,} bytes at byte {offset:,} are outside the file", max(0, offset))
            if self._left < 0:
                return Malformed("its structures take more bytes than the file has", offset)
        return None

    def _answer(self, wanted: Any) -> Any:
        """Return the bytes of a range, or of each of several; None where some are in no page."""
        if isinstance(wanted, tuple):
            return self._bytes(*wanted)
        answers = [self._bytes(*each) for each in wanted]
        return None if None in answers else answers

    def _bytes(self, offset: int, nbytes: int) -> bytes | None:
        number, start = offset // PAGE_BYTES, offset % PAGE_BYTES
        page = self._pages.get(number)
        if page is not None and start + nbytes <= PAGE_BYTES:
            return page[start : start + nbytes]
        pages = [self._pages.get(at) for at in range(number, (offset + nbytes - 1) // PAGE_BYTES + 1)]
        if None in pages:
            return None
        return b"".join(pages)[start : start + nbytes]  # type: ignore[arg-type] # none of them is None

    def _fetch(self, ranges: Iterable[Range]) -> None:
        """Read the pages of these ranges that are not there yet: all at once."""
        missing = sorted({number for each in ranges for number in _page_numbers(each)} - self._pages.keys())
        if not missing:
            return
        if len(self._pages) * PAGE_BYTES > KEPT_BYTES:
            self._pages.clear()
        runs = list(_runs(missing))
        size = self._source.size
        wanted = [(a * PAGE_BYTES, min((b + 1) * PAGE_BYTES, size) - a * PAGE_BYTES) for a, b in runs]
        self.count += 1
        for (first, _), data in zip(runs, self._source.read_many(wanted), strict=True):
            for at in range(0, len(data), PAGE_BYTES):
                self._pages[first + at // PAGE_BYTES] = data[at : at + PAGE_BYTES]


MOST_TIMES = 4
"""How often the structures of a file may be read in all, on average: each is read once, a heap once for each group."""


def _collect(parser: Parser[Result], results: list[Result]) -> Parser[None]:
    results.append((yield from parser))


def _ranges(wanted: Any) -> Iterable[Range]:
    return (wanted,) if isinstance(wanted, tuple) else wanted


def _page_numbers(each: Range) -> Iterable[int]:
    return range(each[0] // PAGE_BYTES, (each[0] + each[1] - 1) // PAGE_BYTES + 1)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last page of each run; small gaps do not end one."""
    first = last = numbers[0]
    for number in numbers[1:]:
        if number - last > GAP_PAGES:
            yield first, last
            first = number
        last = number
    yield first, last
