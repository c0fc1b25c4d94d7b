"""The child's half of worker.py: takes questions on one file, and answers them, with limits on itself.

It says so once everything is imported: until then, whatever goes wrong is not the file's fault.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, cast

from ckptread.errors import CheckpointError
from ckptread.worker.parent import READY, Message, Reply, write_message

Handler = Callable[[Message], Iterator[Reply]]
DAMAGED = "the file is damaged: fetch it again"
"""What to do where a library refuses what it reads."""
NO_ROOM = "reading it takes more memory than a checkpoint is given here"


def serve(start: Callable[[Message], Handler]) -> None:
    """Be a child: take the first message, then answer questions until there are none. Does not return.

    ``start`` makes ready, and returns what answers.
    """
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    write_message(answers, READY)
    handler: Handler | None = None
    first = _next(requests)
    while (message := _next(requests)) is not None and first is not None:
        try:
            handler = handler or start(first)
            for reply, raw in handler(message):
                write_message(answers, reply, raw)
            write_message(answers, {"end": True})
        except MemoryError:
            write_message(answers, {"error": NO_ROOM, "kind": "UnsafeFileError", "advice": ""})
        except CheckpointError as error:
            write_message(answers, {"error": error.problem, "kind": type(error).__name__, "advice": error.advice})
        except Exception as error:
            write_message(answers, {"error": _cleaned(error), "kind": "DamagedFileError", "advice": DAMAGED})
    os._exit(0)  # a library that leaves things half open crashes in its own good-bye


def _cleaned(error: Exception) -> str:
    """The first line of what the library said."""
    from ckptread.wording import escape

    said = str(error).strip().splitlines()
    return escape(f"{said[0][:300]}" if said else type(error).__name__)


def _next(stream: IO[bytes]) -> Message | None:
    import json

    length = stream.read(4)
    if len(length) < 4:
        return None
    message = json.loads(stream.read(int.from_bytes(length, "little")))
    return cast(Message, message)


def limit(*, memory: int, files: bool = False) -> None:
    """Give up, in a child: memory beyond ``memory`` bytes, writing, core dumps, and opening files unless ``files``.

    Where the system has no such limits (Windows, in part macOS), those it has are set.
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
