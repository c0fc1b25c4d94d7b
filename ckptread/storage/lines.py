"""Text files of lines: lists of paths, and the output of a run that may have been killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import IO

from ckptread.errors import CheckpointError
from ckptread.limits import PATH_LINE_BYTES


def read_paths(name: str, stdin: IO[bytes]) -> Iterator[str]:
    """Yield the paths in a list, one per line, without blank lines and comments. The name "-" stands for ``stdin``.

    Raises CheckpointError where it cannot be read, and for any other kind of file.
    """
    with nullcontext(stdin) if name == "-" else _opened_lines(name) as file:
        for line in iter(partial(file.readline, PATH_LINE_BYTES), b""):
            if b"\0" in line or len(line) == PATH_LINE_BYTES:
                raise CheckpointError(
                    name, "this is not a list of checkpoints", advice="give a text file with a path per line"
                )
            path = os.fsdecode(line.strip())
            if path and not path.startswith("#"):
                yield path


def complete_lines(name: str) -> Iterator[bytes]:
    """Yield the lines of a file that end, and none of a file that does not exist. Raises CheckpointError."""
    if os.path.lexists(name):
        with _opened_lines(name) as file:
            yield from (line for line in file if line.endswith(b"\n"))


@contextmanager
def _opened_lines(name: str) -> Iterator[IO[bytes]]:
    try:
        with open(name, "rb") as file:
            yield file
    except OSError as error:
        raise CheckpointError(name, f"it cannot be read: {error.strerror}") from error


def remove_cut_line(path: str, output: int) -> None:
    """Remove a last line that was cut from a file that ``output``, an open file, appends to. Raises OSError."""
    if not os.path.exists(path) or not os.path.samestat(os.stat(path), os.fstat(output)):
        return
    with open(path, "r+b") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))
