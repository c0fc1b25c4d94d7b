"""Work on many items in a few threads, with results in order.

numpy, file reads, hashes and decompression release the interpreter lock, so threads use several processors. The
number of waiting results is bounded, and so is memory. Plain threads: concurrent.futures imports logging, 10 ms.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 4
"""More threads than this wait for the interpreter lock and for memory."""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Keeps numpy's linear algebra library from starting threads next to these: they would busy-wait for each other."""
KEPT_BYTES = 4 << 20
"""glibc's malloc keeps what is freed once a block of this size was (mallopt(3), M_MMAP_THRESHOLD): otherwise it
returns every buffer to the system, and gets it again page by page, cleared."""
AHEAD = 2
"""Items per thread that may be in progress, or finished before their turn."""

_WITHIN = threading.local()
"""Whether a thread is one of these: it does not start threads itself."""


def thread_count() -> int:
    """Return how many threads are worth starting here: one per processor that this process may use, up to four."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_THREADS, processors))


def run_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in the items' order, from ``threads`` threads (None: as many as are useful).

    Within such a thread None means one. An exception of ``work`` is raised at its item's turn. Closing the iterator
    early drops the items that have not begun.
    """
    count = (1 if hasattr(_WITHIN, "ours") else thread_count()) if threads is None else threads
    if count == 1:
        yield from map(work, items)
        return
    crew = _Crew(work, count)
    waiting: deque[_Task[Item, Result]] = deque()
    try:
        for item in items:
            waiting.append(crew.begin(item))
            if len(waiting) >= count * AHEAD:
                yield waiting.popleft().outcome()
        while waiting:
            yield waiting.popleft().outcome()
    finally:
        crew.end()


class _Task(Generic[Item, Result]):
    """One item, and its result or exception."""

    __slots__ = ("_done", "_error", "_item", "_result")

    def __init__(self, item: Item) -> None:
        self._item = item
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self, work: Callable[[Item], Result]) -> None:
        """Do the work, in a thread."""
        try:
            self._result = work(self._item)
        except BaseException as error:  # raised again where it is asked for
            self._error = error
        finally:
            self._done.release()

    def outcome(self) -> Result:
        """Wait for the result and return it, or raise the exception of the work."""
        self._done.acquire()
        if self._error is not None:
            raise self._error
        return cast(Result, self._result)


class _Crew(Generic[Item, Result]):
    """A few threads that take tasks from a queue; each is started when there is something for it to do."""

    def __init__(self, work: Callable[[Item], Result], count: int) -> None:
        self._work = work
        self._count = count
        self._queue: SimpleQueue[_Task[Item, Result] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        bytes(KEPT_BYTES)  # never touched, and freed at once

    def begin(self, item: Item) -> _Task[Item, Result]:
        """Hand out an item."""
        task: _Task[Item, Result] = _Task(item)
        self._queue.put(task)
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._serve, name="ckptread", daemon=True)
            self._threads.append(thread)
            thread.start()
        return task

    def _serve(self) -> None:
        _WITHIN.ours = True
        while (task := self._queue.get()) is not None:
            task.run(self._work)

    def end(self) -> None:
        """Drop the items that have not begun, and wait for the others."""
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
