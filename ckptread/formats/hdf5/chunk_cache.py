"""A cache of decoded chunks, one for all files, so that it has one bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

from ckptread.limits import CACHED_CHUNK_BYTES

if TYPE_CHECKING:
    from ckptread.tensors import Array

Key = tuple[Hashable, tuple[int, ...]]


class Decoded:
    """Chunks by dataset and position; the least recently used make room for others."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Array] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> Array | None:
        """Return a chunk, None where it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def make_room(self, nbytes: int) -> None:
        """Drop chunks until there is room for so many bytes: before they are decoded, not after."""
        with self._lock:
            while self._kept and self._nbytes + nbytes > CACHED_CHUNK_BYTES:
                self._nbytes -= self._kept.popitem(last=False)[1].nbytes

    def keep(self, key: Key, values: Array) -> None:
        """Keep a chunk."""
        self.make_room(values.nbytes)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = values
                self._nbytes += values.nbytes

    def forget(self, dataset: Hashable) -> None:
        """Drop the chunks of a dataset."""
        with self._lock:
            for key in [key for key in self._kept if key[0] is dataset]:
                self._nbytes -= self._kept.pop(key).nbytes


DECODED = Decoded()
