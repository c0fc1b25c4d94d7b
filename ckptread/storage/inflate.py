"""Raw deflate streams (RFC 1951), inflated piece by piece, and never beyond what was asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from ckptread.errors import DamagedFileError
from ckptread.wording import plural

MAX_EXPANSION = 1032
"""Deflate's own limit: a run of 258 bytes takes at least two bits."""
FEED_BYTES = 32 << 10
"""How much is given to the inflater at once."""


class Inflating:
    """A deflate stream of ``nbytes`` stored bytes, inflated up to byte ``at``.

    ``read(offset, nbytes)`` gives the stored bytes. Every method raises DamagedFileError where they are no
    deflate stream, or end before it does.
    """

    def __init__(self, read: Callable[[int, int], bytes], nbytes: int, name: str) -> None:
        self.at = 0
        self._read = read
        self._nbytes = nbytes
        self._name = name
        self._taken = 0  # stored bytes that the inflater has been given
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def copy(self) -> Inflating:
        """Return a stream that stands at the same place; some 75 KB."""
        twin = Inflating(self._read, self._nbytes, self._name)
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
        """Raise where the stream does not end here, with its last stored byte."""
        if self._some(1):
            raise inflates_badly(self._name, f"it holds more than the {self.at:,} bytes that are stated")
        left = self._nbytes - self._taken + len(self._inflate.unused_data)
        if left:
            raise inflates_badly(self._name, f"{plural(left, 'byte', 'follow')} the end of its stream")

    def _some(self, limit: int) -> bytes:
        """Return at least one and at most ``limit`` bytes; none where the stream ends."""
        while not self._inflate.eof:
            given = self._inflate.unconsumed_tail or self._feed()
            try:
                piece = self._inflate.decompress(given, limit)
            except zlib.error as error:
                raise inflates_badly(self._name, f"past its byte {self.at:,}, {error}") from error
            if piece:
                return piece
            if not given:
                raise inflates_badly(self._name, f"it is cut short after {self.at:,} bytes")
        return b""

    def _feed(self) -> bytes:
        nbytes = min(FEED_BYTES, self._nbytes - self._taken)
        given = self._read(self._taken, nbytes)
        self._taken += nbytes
        return given


def inflates_badly(name: str, problem: str) -> DamagedFileError:
    """Return the error for a stream that does not inflate to what was stated."""
    return DamagedFileError(name, f"it does not inflate as stated: {problem}", advice="fetch it again")
