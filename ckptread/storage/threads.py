"""Work on many items in a few threads, with results in order.

numpy, file reads, hashes and decompression release the interpreter lock, so threads share their work between
processors. The number of items that wait, and so the memory, is bounded: Executor.map would take all at once.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 4
"""More threads than this wait for the interpreter lock and for memory."""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment variables that keep numpy's linear algebra from starting threads of its own, which would busy-wait."""
KEPT_BYTES = 4 << 20
"""Once a block of this size is freed, glibc's malloc keeps later ones (mallopt(3), M_MMAP_THRESHOLD). Before, it gave
every buffer back to the system, and got it again page by page, cleared."""
AHEAD = 2
"""Items per thread that may be running or done before their results are taken."""

_WITHIN = threading.local()
"""Marks the threads started here: they do not start more."""


def thread_count() -> int:
    """Return the number of useful threads: one per processor that this process may use, up to MOST_THREADS."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_THREADS, processors))


def run_in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int | None = None,
    stop: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in the items' order, from ``threads`` threads (None: ``thread_count()``).

    Within such a thread None means one. An exception of ``work`` is raised in place of its item's result. Closing the
    iterator early cancels the items that have not begun, and waits for the others; ``stop`` is called before that wait.
    """
    count = (1 if hasattr(_WITHIN, "ours") else thread_count()) if threads is None else threads
    if count == 1:
        yield from map(work, items)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # which imports logging, 10 ms

    bytes(KEPT_BYTES)  # never touched, and freed at once
    pool = ThreadPoolExecutor(count, "ckptread", initializer=_enter_thread)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= count * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if stop is not None:
            stop()
        pool.shutdown()


def _enter_thread() -> None:
    _WITHIN.ours = True
