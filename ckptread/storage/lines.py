"""Text files of lines: lists of paths, and the output of a run that may have been killed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ckptread.errors import CheckpointError


def read_lines(path: str) -> Iterator[bytes]:
    """Yield the lines of a file, each with its end. Raises CheckpointError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            yield from file
    except OSError as error:
        raise CheckpointError(path, f"it cannot be read: {error.strerror}") from error


def complete_lines(path: str) -> Iterator[bytes]:
    """Yield the lines of a file that end, and none of a file that does not exist. Raises CheckpointError."""
    if os.path.lexists(path):
        yield from (line for line in read_lines(path) if line.endswith(b"\n"))


def remove_cut_line(path: str, output: int) -> None:
    """Remove a last line that was cut from a file that ``output``, an open file, appends to. Raises OSError."""
    if not os.path.exists(path) or not os.path.samestat(os.stat(path), os.fstat(output)):
        return
    with open(path, "r+b") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))
