"""Work on many items in a few threads, with results in order.

numpy, file reads, hashes and decompression give up the interpreter lock, so threads share their work between
processors; what is waiting, and so the memory, is bounded.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 4
"""More threads than this wait for the interpreter lock and for memory."""
AHEAD = 2
"""Items per thread that may be under way or done before their turn."""


_WITHIN = threading.local()
"""Whether a thread is one of ours: it does not share out its work again."""


def thread_count() -> int:
    """Return how many threads are worth starting here: one per processor that this process may use, up to four."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_THREADS, processors))


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in the items' order, from ``threads`` threads (None: as many as are of use).

    An exception of ``work`` is raised in its item's turn. Closing the iterator early drops what has not begun.
    """
    count = (1 if hasattr(_WITHIN, "ours") else thread_count()) if threads is None else threads
    if count == 1:
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count, "ckptread", initializer=setattr, initargs=(_WITHIN, "ours", True)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= count * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
