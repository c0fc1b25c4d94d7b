"""The child's side of a worker: limits itself, then answers questions about one file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, cast

from ckptread.errors import CheckpointError
from ckptread.wording import escape
from ckptread.worker.protocol import (
    Answer,
    End,
    Failed,
    Opening,
    Question,
    Ready,
    Values,
    parse_message,
    write_message,
)

Sent = tuple[Answer, bytes]
"""A reply and its raw bytes."""
Handler = Callable[[Question], Iterator[Sent]]

SPARE_SECONDS = 1.0
"""How much later than its parent's clock the child's own ends it: the parent's error message is the better one."""
PIECE_BYTES = 16 << 20
"""Raw bytes in one reply."""
DAMAGED = "the file is damaged: download it again"
"""What to do when a library refuses what it reads."""
NO_ROOM = "reading it takes more memory than the worker may use"


def serve(start: Callable[[Opening], Handler]) -> None:
    """Answer questions until the parent closes the pipe, then exit. Does not return.

    ``start`` takes limits, opens the file and returns what answers. Ready is sent before: until then, no failure is
    the file's fault. ``start`` runs with the first question, so that its failure is that question's answer.
    """
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    write_message(answers, Ready())
    handler: Handler | None = None
    opening = cast(Opening | None, _read_message(requests, Opening))
    while (question := cast(Question | None, _read_message(requests, Question))) is not None and opening is not None:
        try:
            with _bounded(opening.seconds):
                handler = handler or start(opening)
                for answer, raw in handler(question):
                    write_message(answers, answer, raw)
            write_message(answers, End())
        except Exception as error:
            write_message(answers, _failure(error))
    os._exit(0)  # h5py crashes at a normal exit when the library has left objects open


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Have the system end this process when the parent ends, or a second after ``seconds``.

    No Python code runs while a library is busy, so both are signals with their default action. The parent says nothing
    while it waits for an answer: whatever happens to its end of the pipe then is its end.
    """
    if not hasattr(signal, "SIGIO") or not hasattr(os, "O_ASYNC"):  # Windows
        yield
        return
    import fcntl

    for number in (signal.SIGIO, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(0, fcntl.F_GETFL)
    fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_ASYNC)
    signal.setitimer(signal.ITIMER_REAL, seconds + SPARE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        fcntl.fcntl(0, fcntl.F_SETFL, flags)


def in_pieces(raw: bytes) -> Iterator[Sent]:
    """Yield replies that carry these bytes."""
    for at in range(0, len(raw), PIECE_BYTES):
        piece = raw[at : at + PIECE_BYTES]
        yield Values(nbytes=len(piece)), piece


def _failure(error: Exception) -> Failed:
    if isinstance(error, MemoryError):
        return Failed(kind="UnsafeFileError", problem=NO_ROOM)
    if isinstance(error, CheckpointError):
        return Failed(kind=type(error).__name__, problem=error.problem, advice=error.advice)
    lines = str(error).strip().splitlines()
    return Failed(
        kind="DamagedFileError", problem=escape(lines[0][:300] if lines else type(error).__name__), advice=DAMAGED
    )


def _read_message(stream: IO[bytes], kinds: object) -> object:
    """Return the next message, None at the end of the pipe."""
    length = stream.read(4)
    return parse_message(stream.read(int.from_bytes(length, "little")), kinds) if len(length) == 4 else None


def limit(*, memory: int, files: bool = False) -> None:
    """Limit this process to ``memory`` bytes, no writing, no core dumps and, unless ``files``, no opening of files.

    Limits that the system does not have (Windows, some of them on macOS) are left out.
    """
    try:
        import resource
    except ImportError:
        return
    limits = {"RLIMIT_AS": memory, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    if not files:
        limits["RLIMIT_NOFILE"] = 0
    for name, value in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            continue
