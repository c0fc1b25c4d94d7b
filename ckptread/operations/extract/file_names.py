"""What the files of extracted tensors are called: never a path that the checkpoint chose."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence

from ckptread.errors import CheckpointError
from ckptread.reader import Reader
from ckptread.storage.writing import is_same_file
from ckptread.tensors import TensorInfo

LOOKED_AT = 600
"""How much of a tensor's name is looked at for that: it may have 30,000 components."""
NAME_BYTES = 150
"""The longest file name made from a tensor's name. A longer one is cut, and ends in a checksum to stay unique."""


def spare(reader: Reader, target: str) -> None:
    """Raise CheckpointError where writing ``target`` would replace a file of the checkpoint that is being read."""
    if any(is_same_file(file, target) for file in reader.files):
        raise CheckpointError(target, "it is a file of the checkpoint itself", advice="write to another one")


def file_names(tensors: Sequence[TensorInfo]) -> list[str]:
    """Return a plain file name, without its ending, for each tensor: safe on any system, and no two alike."""
    return _told_apart(tensors, safe_name)


def member_names(tensors: Sequence[TensorInfo]) -> list[str]:
    """Return the name, without its ending, that each tensor gets in an archive: a safe path, and no two alike."""
    return _told_apart(tensors, member_name)


def _told_apart(tensors: Sequence[TensorInfo], name_of: Callable[[str], str]) -> list[str]:
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    names = []
    for tensor in tensors:
        name = name_of(tensor.name)
        if name.lower() in seen:
            name = f"{name}-{zlib.crc32(tensor.key.encode('utf-8', 'surrogateescape')):08x}"
        base = name
        while name.lower() in seen:  # keys can be made of which all have one checksum: each number is tried once
            numbers[base.lower()] += 1
            name = f"{base}-{numbers[base.lower()] + 1}"
        seen.add(name.lower())
        names.append(name)
    return names


def safe_name(name: str) -> str:
    """Return a file name made of a tensor's name: letters, digits, ``_``, ``-`` and ``.``, never hidden, never a path.

    >>> safe_name("dense/kernel")
    'dense.kernel'
    >>> safe_name("../../etc/passwd")
    'etc.passwd'
    """
    return _safe(name, ".", re.ASCII)


def member_name(name: str) -> str:
    """Return a path within an archive made of a tensor's name: as a file's, with ``/`` and the letters of any script.

    >>> member_name("größe/ü")
    'größe/ü'
    >>> member_name("/../a b")
    'a_b'
    """
    return _safe(name, "/", re.UNICODE)


def _safe(name: str, separator: str, letters: re.RegexFlag) -> str:
    begin = name[:LOOKED_AT]
    parts = [re.sub(r"[^\w.-]+", "_", part, flags=letters).strip(".") for part in begin.split("/")]
    plain = separator.join(part for part in parts if part) or "tensor"
    if len(plain) <= NAME_BYTES and begin == name:
        return plain
    return f"{plain[:NAME_BYTES].rstrip('./')}-{zlib.crc32(name.encode('utf-8', 'surrogateescape')):08x}"
