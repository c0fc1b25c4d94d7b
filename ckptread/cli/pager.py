"""A pager, such as less, for results of more than a screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ckptread.cli.terminal import pager_command, terminal_height

if TYPE_CHECKING:
    import subprocess

SETTINGS = {"LESS": "FRX", "LV": "-c"}
"""Settings of pagers where the user has none, as in git: they show colours, and leave the text on the screen."""


class Screen:
    """Where lines of a result go: to stdout, and from the first screenful on to a pager where there is one."""

    def __init__(self) -> None:
        self._command = pager_command()
        self._held: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def write(self, lines: Iterable[str]) -> None:
        """Print lines. Once the user has left the pager they are dropped."""
        if self._command is None:
            sys.stdout.writelines(text + "\n" for text in lines)
            return
        for text in lines:
            self._held.append(text + "\n")
            if len(self._held) >= terminal_height():
                self._send()

    def show(self) -> None:
        """Print what there is so far at once: it comes while the work is going on."""
        self._command = None
        self._flush()
        sys.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            self._flush()
            return
        self._send()
        self._wait()

    def _flush(self) -> None:
        sys.stdout.writelines(self._held)
        self._held = []

    def _send(self) -> None:
        process = self._process = self._process or _start(self._command or "")
        with suppress(BrokenPipeError):
            if process.stdin is not None:
                process.stdin.writelines(self._held)
        self._held = []

    def _wait(self) -> None:
        """Wait until the user leaves the pager. Ctrl-C is for the pager alone."""
        if self._process is None:
            return
        import signal

        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.communicate()
        finally:
            signal.signal(signal.SIGINT, before)


def _start(command: str) -> subprocess.Popen[str]:
    import subprocess

    sys.stdout.flush()
    return subprocess.Popen(  # noqa: S602 the command is the user's own
        command, shell=True, stdin=subprocess.PIPE, env={**SETTINGS, **os.environ}, text=True,
        encoding=sys.stdout.encoding, errors="backslashreplace",
    )  # fmt: skip
