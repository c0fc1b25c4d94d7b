"""Runs a C library that parses untrusted bytes in a child process, with limits and a deadline.

A crafted file can make such a library crash, hang, open other files or take all memory. So it is never loaded into
the user's process: a child interpreter is handed the open file, gives up what it does not need (files, memory, time),
and answers questions. If it dies or overstays, its parent lives, and says so in one sentence.

Parent and child exchange messages over pipes: a length of four bytes, then that many bytes of JSON; a message that
states ``nbytes`` is followed by so many raw bytes. Nothing is ever unpickled, and the parent believes no reply that
it has not checked.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

from ckptread.errors import CheckpointError, DamagedFileError, TensorNotFoundError, UnsafeFileError, UnsupportedError
from ckptread.parallel import ONE_THREAD

if TYPE_CHECKING:
    import subprocess

Message = dict[str, Any]
Reply = tuple[Message, bytes]
Handler = Callable[[Message], Iterator[Reply]]

MESSAGE_BYTES = 4 << 20
"""The largest message: parsed, a hostile one takes twenty times as much memory."""
RAW_BYTES = 64 << 20
"""The most raw bytes behind one message."""
SECONDS = 4.0
"""The deadline for a small file: the first output is to come within ten seconds, of two questions."""
BYTES_PER_SECOND = 16 << 20
"""A slow disk: what a larger file's deadline grows by."""

LEAST_SECONDS = 1.5
"""What is left of a deadline when another child has overstayed its own; a half when two have, a third when three."""
RECENT_SECONDS = 60.0
"""How long it is remembered that one has: several files that hang are one command's, and do not add up."""

_ERRORS: Mapping[str, type[CheckpointError]] = {
    kind.__name__: kind
    for kind in (CheckpointError, DamagedFileError, TensorNotFoundError, UnsafeFileError, UnsupportedError)
}

_EARLY: dict[tuple[str, int, int], tuple[subprocess.Popen[bytes], int]] = {}
"""Children that were started before they were wanted, by module and file; each with its descriptor's number there."""

_OVERSTAYED: list[tuple[float, float]] = []
"""When children overstayed, and the seconds that were lost to each."""

_NO_PLUGINS = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_PLUGIN_PATH": os.devnull}


def deadline(nbytes: int) -> float:
    """Return the seconds that work on a file of this size may take."""
    return SECONDS + nbytes / BYTES_PER_SECOND


def _patience(seconds: float) -> float:
    """Return what is left of a deadline, once the time that was lost of late to other children is taken off."""
    now = time.monotonic()
    lost = [took for at, took in _OVERSTAYED if now - at < RECENT_SECONDS]
    return max(min(seconds, LEAST_SECONDS / len(lost)), seconds - sum(lost)) if lost else seconds


def start_early(module: str, path: str) -> None:
    """Start the child for a file that is about to be opened, so that it imports while this process does.

    The Worker on the same file takes it over. Raises OSError where the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        key = (module, *_identity(descriptor))
        if key not in _EARLY:
            _EARLY[key] = _start(module, descriptor), descriptor
    finally:
        os.close(descriptor)


def dismiss_early() -> None:
    """End the children that nobody took over."""
    while _EARLY:
        process, _ = _EARLY.popitem()[1]
        _end(process)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _start(module: str, descriptor: int | None) -> subprocess.Popen[bytes]:
    import subprocess

    return subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
        [sys.executable, "-I", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=() if descriptor is None else (descriptor,),
        env={**os.environ, **ONE_THREAD, **_NO_PLUGINS},
        start_new_session=True,  # Ctrl-C is the parent's, which then ends the child
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        try:
            cast(IO[bytes], pipe).close()
        except BrokenPipeError:
            continue
    process.kill()
    process.wait()


class Worker:
    """A child process that answers questions on one file; started at once, so that it imports while we go on.

    ``library`` is what to call the C library in a message, ``module`` the child's module, ``first`` its first message.
    """

    def __init__(self, module: str, library: str, path: str, first: Message, *, descriptor: int | None = None) -> None:
        self._path = path
        self._library = library
        self._lock = threading.Lock()
        self._overstayed = False
        early = None if descriptor is None else _EARLY.pop((module, *_identity(descriptor)), None)
        self._process, inherited = early or (_start(module, descriptor), descriptor)
        self._send({**first, "descriptor": inherited})

    @property
    def alive(self) -> bool:
        """Whether the child can be asked."""
        return self._process.poll() is None

    def ask(self, message: Message, seconds: float) -> Iterator[Reply]:
        """Send a question, and yield the messages of its answer, each with the raw bytes behind it.

        Raises the CheckpointError that the child reports, and DamagedFileError where it dies or overstays.
        """
        with self._lock:
            allowed = _patience(seconds)
            timer = threading.Timer(allowed, self._overstay, [allowed])
            timer.daemon = True
            timer.start()
            reply: Message = {}
            try:
                self._send(message)
                while not (reply := self._receive()).keys() & {"end", "error"}:
                    yield reply, self._raw(reply)
            finally:
                timer.cancel()
                if not reply.keys() & {"end", "error"}:
                    self.close()  # what is left of this answer would be taken for the next one's
        if "error" in reply:
            kind = _ERRORS.get(str(reply.get("kind")), DamagedFileError)
            raise kind(self._path, str(reply["error"]), advice=str(reply.get("advice", "")))

    def _raw(self, reply: Message) -> bytes:
        nbytes = reply.get("nbytes", 0)
        if not isinstance(nbytes, int) or not 0 <= nbytes <= RAW_BYTES:
            raise self._nonsense()
        return self._read(nbytes)

    def _send(self, message: Message) -> None:
        try:
            write_message(cast(IO[bytes], self._process.stdin), message)
        except (BrokenPipeError, ValueError):
            raise self._gone() from None

    def _receive(self) -> Message:
        import json

        nbytes = int.from_bytes(self._read(4), "little")
        if nbytes > MESSAGE_BYTES:
            raise self._nonsense()
        try:
            message = json.loads(self._read(nbytes))
        except (ValueError, RecursionError):
            raise self._nonsense() from None
        if not isinstance(message, dict):
            raise self._nonsense()
        return message

    def _read(self, nbytes: int) -> bytes:
        data = cast(IO[bytes], self._process.stdout).read(nbytes)
        if len(data) < nbytes:
            raise self._gone()
        return data

    def _overstay(self, seconds: float) -> None:
        self._overstayed = True
        _OVERSTAYED.append((time.monotonic(), seconds))
        self._process.kill()

    def _gone(self) -> DamagedFileError:
        what = "did not come to an end" if self._overstayed else "crashed, or ran out of memory,"
        return DamagedFileError(
            self._path,
            f"{self._library} {what} on this file",
            advice="the file is damaged or made to do harm: nothing was read from it",
        )

    def _nonsense(self) -> DamagedFileError:
        return DamagedFileError(self._path, f"the process that runs {self._library} sent no sense")

    def close(self) -> None:
        """End the child, if it has not ended, and take leave of it."""
        _end(self._process)


def write_message(stream: IO[bytes], message: Message, raw: bytes = b"") -> None:
    """Write a message, with raw bytes behind it."""
    import json

    if len(raw):
        message = {**message, "nbytes": len(raw)}
    data = json.dumps(message).encode()
    stream.write(len(data).to_bytes(4, "little") + data)
    stream.write(raw)
    stream.flush()


def serve(start: Callable[[Message], Handler]) -> None:
    """Be a child: take the first message, then answer questions until there are none. Does not return.

    ``start`` makes ready, and returns what answers.
    """
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    handler: Handler | None = None
    first = _next(requests)
    while (message := _next(requests)) is not None and first is not None:
        try:
            handler = handler or start(first)
            for reply, raw in handler(message):
                write_message(answers, reply, raw)
            write_message(answers, {"end": True})
        except CheckpointError as error:
            write_message(answers, {"error": error.problem, "kind": type(error).__name__, "advice": error.advice})
        except Exception as error:
            write_message(answers, {"error": _cleaned(error), "kind": "DamagedFileError"})
    os._exit(0)  # a library that leaves things half open crashes in its own good-bye


def _cleaned(error: Exception) -> str:
    """The first line of what the library said."""
    from ckptread.escape import escape

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
