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
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

from ckptread.errors import CheckpointError, DamagedFileError, TensorNotFoundError, UnsafeFileError, UnsupportedError
from ckptread.storage.threads import ONE_THREAD

if TYPE_CHECKING:
    import subprocess

Message = dict[str, Any]
Reply = tuple[Message, bytes]
READY: Message = {"ready": True}
"""What a child says first: all is imported, and the file has not been looked at."""

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

IMPORT_SECONDS = 20.0
"""How long the child's imports may take, when it is found out why they failed."""

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


def _import_error(module: str) -> str:
    """Return what Python says when it imports a child's module, which that child itself had no one to tell."""
    import subprocess

    from ckptread.wording import escape

    command = [sys.executable, "-I", "-c", f"import {module}"]
    environment = {**os.environ, **ONE_THREAD, **_NO_PLUGINS}
    try:
        ran = subprocess.run(command, capture_output=True, timeout=IMPORT_SECONDS, env=environment, check=False)  # noqa: S603 - as in _start
    except subprocess.TimeoutExpired:
        return "its import does not come to an end"
    said = ran.stderr.decode(errors="replace").strip().splitlines()
    return escape(said[-1][:300]) if ran.returncode and said else "its process was ended from outside"


class Worker:
    """A child process that answers questions on one file; started at once, so that it imports while we go on.

    ``library`` is what to call the C library in a message, ``module`` the child's module, ``first`` its first message.
    """

    def __init__(self, module: str, library: str, path: str, first: Message, *, descriptor: int | None = None) -> None:
        self._path = path
        self._library = library
        self._module = module
        self._lock = threading.Lock()
        self._ready = self._overstayed = False
        early = None if descriptor is None else _EARLY.pop((module, *_identity(descriptor)), None)
        self._process, inherited = early or (_start(module, descriptor), descriptor)
        try:
            self._send({**first, "descriptor": inherited})
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the child can be asked."""
        return self._process.poll() is None

    def ask(self, message: Message, seconds: float) -> Iterator[Reply]:
        """Send a question, and yield the messages of its answer, each with the raw bytes behind it.

        Raises the CheckpointError that the child reports, DamagedFileError where it dies or overstays, and
        UnsupportedError where it has not come so far as to look at the file.
        """
        with self._lock:
            allowed = _patience(seconds)
            timer = threading.Timer(allowed, self._overstay, [allowed])
            timer.daemon = True
            timer.start()
            reply: Message = {}
            try:
                self._send(message)
                self._ready = self._ready or self._is_ready()
                while not (reply := self._receive()).keys() & {"end", "error"}:
                    yield reply, self._raw(reply)
            finally:
                timer.cancel()
                if not reply.keys() & {"end", "error"}:
                    self.close()  # what is left of this answer would be taken for the next one's
        if "error" in reply:
            kind = _ERRORS.get(str(reply.get("kind")), DamagedFileError)
            raise kind(self._path, str(reply["error"]), advice=str(reply.get("advice", "")))

    def _is_ready(self) -> bool:
        if self._receive() != READY:
            raise self._nonsense()
        return True

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

    def _gone(self) -> CheckpointError:
        if not self._ready:
            return self._unready()
        what = "did not come to an end" if self._overstayed else "crashed, or ran out of memory,"
        return DamagedFileError(
            self._path,
            f"{self._library} {what} on this file",
            advice="the file is damaged or made to do harm: nothing was read from it",
        )

    def _unready(self) -> UnsupportedError:
        """Say why the child never came to look at the file."""
        if self._overstayed:
            problem, advice = "was not ready in time", "the machine is busy, or its disk slow: try again"
        else:
            problem = f"cannot be started: {_import_error(self._module)}"
            advice = f"see that ckptread and what it needs are installed, whole, for {sys.executable}"
        return UnsupportedError(self._path, f"{self._library} {problem}", advice=advice)

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
