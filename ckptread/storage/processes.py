"""Work on many items in a few processes, each with memory and an end of its own.

Every thread of `run_in_order` has one process, and waits for it: so it is known what a process that dies was working
on, and the number of items under way, and so the memory, is bounded. A process ends when its pipe does, so none is
left behind by a parent that was killed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar, cast

from ckptread.errors import UsageError
from ckptread.storage.threads import ONE_THREAD, run_in_order

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]

SERVE = "from ckptread.storage.processes import serve_parent; serve_parent({})"


class WorkerDiedError(Exception):
    """The process of an item ended before it had a result."""


def run_in_processes(
    work: Work[Item, Result], items: Iterable[Item], *, workers: int, died: Callable[[Item, WorkerDiedError], Result]
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in the items' order, from ``workers`` processes, at least two.

    ``work`` is a function of a module, and items and results can be pickled. An item whose process dies (as the system
    kills one for its memory) has the result ``died(item, error)``, and the others go on in a new one. Closing the
    iterator early ends all processes. Raises UsageError where they do not start, and what ``work`` raises.
    """
    crew = _Crew()

    def run(item: Item) -> Result:
        try:
            return crew.own().run(work, item)
        except WorkerDiedError as error:
            return died(item, error)

    yield from run_in_order(run, items, threads=workers, stop=crew.end)


class _Crew:
    """The processes, one for each thread."""

    def __init__(self) -> None:
        self._mine = threading.local()
        self._all: list[_Helper] = []
        self._lock = threading.Lock()
        self._ended = False

    def own(self) -> _Helper:
        """Return the process of this thread: a new one where there is none, or it died."""
        helper: _Helper | None = getattr(self._mine, "helper", None)
        if helper is None or not helper.alive:
            with self._lock:
                if self._ended:
                    raise WorkerDiedError("was ended")
                helper = self._mine.helper = _Helper()
                self._all.append(helper)
        return helper

    def end(self) -> None:
        """End all processes, whatever they are doing; no other starts."""
        with self._lock:
            self._ended = True
        for helper in self._all:
            helper.end()


class _Helper:
    """A process that does one thing at a time."""

    def __init__(self) -> None:
        import subprocess
        from multiprocessing import Pipe

        self._pipe, other = Pipe()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and this module
            [sys.executable, "-P", "-W", "ignore", "-c", SERVE.format(other.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(other.fileno(),),
            env={**ONE_THREAD, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C reaches only the parent, which then ends the child
        )
        other.close()
        self._started = False

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def run(self, work: Work[Item, Result], item: Item) -> Result:
        """Return ``work(item)``. Raises WorkerDiedError where the process ends before that, and what work raises."""
        try:
            self._started = self._started or self._pipe.recv()
            self._pipe.send((work, item))
            result, error = self._pipe.recv()
        except (EOFError, OSError):
            raise self._why_it_ended() from None
        if error is not None:
            raise error
        return cast(Result, result)

    def end(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _why_it_ended(self) -> Exception:
        code = self._process.wait()
        if not self._started and code > 0:
            return UsageError("the worker processes do not start: see above what Python says")
        return WorkerDiedError(f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}")


def serve_parent(descriptor: int) -> None:
    """Do what the parent asks for, in its child, until it is gone."""
    from multiprocessing.connection import Connection

    pipe: Connection[Any, Any] = Connection(descriptor)
    with suppress(EOFError, OSError):
        pipe.send(True)
        while True:
            work, item = pipe.recv()
            pipe.send(_done(work, item))


def _done(work: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return work(item), None
    except Exception as error:  # the parent raises it
        return None, error
