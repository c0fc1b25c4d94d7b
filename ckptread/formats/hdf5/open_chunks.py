"""The chunked datasets that were read last: where their chunks are is kept."""

from __future__ import annotations

from ckptread.formats.hdf5.chunks import Chunks
from ckptread.limits import MAX_CHUNKS

MOST_OPEN = 4
"""Datasets of a file whose chunks stay located: one for each thread."""


class OpenChunks:
    """The chunked datasets of a file that were read last, by key; MAX_CHUNKS chunks in all, or a single dataset."""

    def __init__(self) -> None:
        self._open: dict[str, Chunks] = {}

    def get(self, key: str) -> Chunks | None:
        """Return the chunks of a dataset, None where they are not kept."""
        return self._open.get(key)

    def add(self, key: str, chunks: Chunks) -> None:
        """Keep a dataset, and drop the oldest ones where there are too many."""
        self._open[key] = chunks
        known = list(self._open.items())
        while len(known) > MOST_OPEN or (len(known) > 1 and sum(len(each) for _, each in known) > MAX_CHUNKS):
            first, gone = known.pop(0)
            self._open.pop(first, None)
            gone.forget()

    def close(self) -> None:
        """Drop all."""
        for chunks in list(self._open.values()):
            chunks.forget()
        self._open.clear()
