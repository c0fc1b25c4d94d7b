"""How much of a piece of work is done, counted from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

Progress = Callable[[int, int], None]
"""``progress(done, total)`` is called while work goes on, with the bytes done so far and the bytes in all."""


class Meter:
    """Counts what is done, and reports it to the caller's ``progress``, if there is one."""

    def __init__(self, progress: Progress | None = None, total: int = 0) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, nbytes: int) -> None:
        """Count bytes that were worked on since the last call."""
        if self._progress is not None:
            with self._lock:
                self._done += nbytes
                self._progress(min(self._done, self._total), self._total)  # a total may be an estimate


SILENT = Meter()
"""Reports to nobody."""
