"""The parent's side of a worker: starts it, asks it questions under a deadline, and ends it.

The child is handed the open file. If it dies or takes too long, the parent lives and raises one error. Nothing is
ever unpickled, and no reply is believed before it is checked.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, cast

from ckptread.errors import CheckpointError, DamagedFileError, TensorNotFoundError, UnsafeFileError, UnsupportedError
from ckptread.limits import (
    BYTES_PER_SECOND,
    IMPORT_SECONDS,
    LEAST_SECONDS,
    MESSAGE_BYTES,
    RAW_BYTES,
    RECENT_SECONDS,
    WORKER_SECONDS,
)
from ckptread.storage.source import CloseOnError
from ckptread.storage.threads import ONE_THREAD
from ckptread.wording import escape
from ckptread.worker.protocol import (
    Answer,
    End,
    Failed,
    LongText,
    OpenHdf5,
    Opening,
    Question,
    Ready,
    Reply,
    Values,
    WorkerMessage,
    parse_message,
    write_message,
)

if TYPE_CHECKING:
    import subprocess


_ERRORS: Mapping[str, type[CheckpointError]] = {
    kind.__name__: kind
    for kind in (CheckpointError, DamagedFileError, TensorNotFoundError, UnsafeFileError, UnsupportedError)
}

_TIMEOUTS: list[tuple[float, float]] = []
"""When children overran their deadlines, and the seconds that each took."""

_NO_PLUGINS = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_PLUGIN_PATH": os.devnull}


def deadline(nbytes: int) -> float:
    """Return the seconds that work on a file of this size may take."""
    return WORKER_SECONDS + nbytes / BYTES_PER_SECOND


def _shortened(seconds: float) -> float:
    """Return a deadline minus the time that other children have recently lost."""
    now = time.monotonic()
    lost = [took for at, took in _TIMEOUTS if now - at < RECENT_SECONDS]
    return max(min(seconds, LEAST_SECONDS / len(lost)), seconds - sum(lost)) if lost else seconds


def _start(module: str, descriptor: int | None) -> subprocess.Popen[bytes]:
    import subprocess

    return subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
        [sys.executable, "-I", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=() if descriptor is None else (descriptor,),
        env={**os.environ, **ONE_THREAD, **_NO_PLUGINS},
        start_new_session=True,  # Ctrl-C reaches only the parent, which then ends the child
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
    """Return why a child's module cannot be imported: the child itself has no stderr."""
    import subprocess

    command = [sys.executable, "-I", "-c", f"import {module}"]
    environment = {**os.environ, **ONE_THREAD, **_NO_PLUGINS}
    try:
        ran = subprocess.run(command, capture_output=True, timeout=IMPORT_SECONDS, env=environment, check=False)  # noqa: S603 - as in _start
    except subprocess.TimeoutExpired:
        return "its import does not finish"
    lines = ran.stderr.decode(errors="replace").strip().splitlines()
    return escape(lines[-1][:300]) if ran.returncode and lines else "its process was ended from outside"


class Worker:
    """A child process that answers questions about one file; it imports while the caller goes on.

    ``library`` is the C library's name in messages, ``module`` the child's module.
    """

    def __init__(self, module: str, library: str, path: str, opening: Opening) -> None:
        self._path = path
        self._library = library
        self._module = module
        self._lock = threading.Lock()
        self._ready = self._timed_out = False
        self._process = _start(module, opening.descriptor if isinstance(opening, OpenHdf5) else None)
        with CloseOnError(self):
            self._send(opening)

    @property
    def alive(self) -> bool:
        """Whether the child can be asked."""
        return self._process.poll() is None

    def ask(self, question: Question, seconds: float) -> Iterator[tuple[Answer, bytes]]:
        """Send a question, and yield the replies, each with its raw bytes.

        Raises the CheckpointError that the child reports, DamagedFileError where it dies or takes too long, and
        UnsupportedError where it never got as far as the file.
        """
        with self._lock:
            allowed = _shortened(seconds)
            timer = self._start_timer(allowed)
            complete = False
            try:
                self._send(question)
                if not self._ready:
                    self._await_ready()
                    timer.cancel()
                    timer = self._start_timer(allowed)
                while not isinstance(reply := self._receive(), End | Failed):
                    if isinstance(reply, Ready):
                        raise self.invalid_reply()
                    yield reply, self._raw(reply)
                complete = True
            finally:
                timer.cancel()
                if not complete:
                    self.close()  # the rest of this answer would be taken for the next one's
        if isinstance(reply, Failed):
            kind = _ERRORS.get(reply.kind, DamagedFileError)
            raise kind(self._path, reply.problem, advice=reply.advice)

    def _start_timer(self, seconds: float) -> threading.Timer:
        """Have the child ended after so many seconds, unless the timer is cancelled."""
        timer = threading.Timer(seconds, self._time_out, [seconds])
        timer.daemon = True
        timer.start()
        return timer

    def _await_ready(self) -> None:
        if not isinstance(self._receive(), Ready):
            raise self.invalid_reply()
        self._ready = True

    def _raw(self, reply: Answer) -> bytes:
        nbytes = reply.nbytes if isinstance(reply, LongText | Values) else 0
        if nbytes > RAW_BYTES:
            raise self.invalid_reply()
        return self._read(nbytes)

    def _send(self, message: WorkerMessage) -> None:
        try:
            write_message(cast(IO[bytes], self._process.stdin), message)
        except (BrokenPipeError, ValueError):
            raise self._death() from None

    def _receive(self) -> Reply:
        nbytes = int.from_bytes(self._read(4), "little")
        if nbytes > MESSAGE_BYTES:
            raise self.invalid_reply()
        try:
            return cast(Reply, parse_message(self._read(nbytes), Reply))
        except ValueError:
            raise self.invalid_reply() from None

    def _read(self, nbytes: int) -> bytes:
        data = cast(IO[bytes], self._process.stdout).read(nbytes)
        if len(data) < nbytes:
            raise self._death()
        return data

    def _time_out(self, seconds: float) -> None:
        self._timed_out = True
        _TIMEOUTS.append((time.monotonic(), seconds))
        self._process.kill()

    def _death(self) -> CheckpointError:
        """Return the error of a child that has died."""
        if not self._ready:
            return self._failed_start()
        what = "did not finish" if self._timed_out else "crashed, or ran out of memory,"
        return DamagedFileError(
            self._path,
            f"the {self._library} library {what} on this file",
            advice="the file is damaged or malicious; nothing was read from it",
        )

    def _failed_start(self) -> UnsupportedError:
        """Return the error of a child that never got as far as the file."""
        if self._timed_out:
            problem, advice = "was not ready in time", "the machine is busy, or its disk slow: try again"
        else:
            problem = f"cannot be started: {_import_error(self._module)}"
            advice = f"check the installation of ckptread and its dependencies for {sys.executable}"
        return UnsupportedError(self._path, f"the {self._library} library {problem}", advice=advice)

    def invalid_reply(self) -> DamagedFileError:
        """Return the error of a reply that cannot be true, or is not an answer to the question."""
        return invalid_reply(self._path, self._library)

    def close(self) -> None:
        """End the child, if it still runs."""
        _end(self._process)


def invalid_reply(path: str, library: str) -> DamagedFileError:
    """Return the error of a reply that cannot be true, or is not an answer to the question."""
    return DamagedFileError(path, f"the {library} worker sent an invalid reply")
