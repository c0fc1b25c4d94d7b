"""Files that appear whole or not at all, under names that no checkpoint chooses."""

from __future__ import annotations

import os
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from ckptread.errors import CheckpointError
from ckptread.tensors import TensorInfo

NAME_BYTES = 150
"""The longest name that is made of a tensor's name; a longer one is cut, and told apart by a checksum."""


@contextmanager
def written_whole(target: str, force: bool) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``target`` that takes its place when all is well, and is removed if not."""
    import tempfile

    if os.path.isdir(target):
        raise CheckpointError(target, "it is a folder", advice="give a file's name")
    if os.path.lexists(target) and not force:
        raise CheckpointError(target, "the file exists", advice="--force replaces it")
    folder, base = os.path.split(target)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{base[:50]}.", suffix=".part", dir=folder or ".")
    except OSError as error:
        raise CheckpointError(target, f"it cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _settle(temporary, target, force)
    except OSError as error:
        raise CheckpointError(target, f"it cannot be written: {error.strerror or error}") from error
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def _settle(temporary: str, target: str, force: bool) -> None:
    """Give the file its name and everyday permissions; without ``force`` it never replaces another."""
    if sys.platform != "win32":
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
    if force:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)  # fails where something has come to be there in the meantime
    except FileExistsError:
        raise CheckpointError(target, "the file exists", advice="--force replaces it") from None
    except OSError:  # a file system without links
        os.rename(temporary, target)


def make_folder(folder: str) -> None:
    """Make a folder, and those above it, unless they are there. Raises CheckpointError."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise CheckpointError(folder, f"the folder cannot be made: {error.strerror}") from error


def file_names(tensors: Sequence[TensorInfo], separator: str = ".") -> list[str]:
    """Return a plain file name, without its ending, for each tensor: safe on any system, and no two alike."""
    seen: set[str] = set()
    names = []
    for tensor in tensors:
        name = safe_name(tensor.name, separator)
        if name.lower() in seen:
            name = f"{name}-{zlib.crc32(tensor.key.encode('utf-8', 'surrogateescape')):08x}"
        while name.lower() in seen:
            name += "_"
        seen.add(name.lower())
        names.append(name)
    return names


def safe_name(name: str, separator: str = ".") -> str:
    """Return a file name made of a tensor's name: letters, digits, ``_``, ``-`` and ``.``, never hidden, never a path.

    >>> safe_name("dense/kernel")
    'dense.kernel'
    >>> safe_name("../../etc/passwd")
    'etc.passwd'
    """
    parts = [re.sub(r"[^\w.-]+", "_", part, flags=re.ASCII).strip(".") for part in name.split("/")]
    plain = separator.join(part for part in parts if part) or "tensor"
    if len(plain) <= NAME_BYTES:
        return plain
    return f"{plain[:NAME_BYTES].rstrip('./')}-{zlib.crc32(name.encode('utf-8', 'surrogateescape')):08x}"
