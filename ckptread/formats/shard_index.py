"""The JSON that names the files of a checkpoint in several files: safetensors' and Keras'."""

from __future__ import annotations

from typing import Any

from ckptread.binary import Malformed
from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.jsondata import JSON_BYTES, bounded_json
from ckptread.source import FileSource

MAX_SHARDS = 500
"""A file each stays open, and a process may have 1,024 open; the largest models published have some 200."""


def read_index(path: str) -> dict[str, Any]:
    """Return the object that an index holds. Raises DamagedFileError where it is none, UnsafeFileError if too large."""
    source = FileSource(path)
    try:
        if source.size > JSON_BYTES:
            raise UnsafeFileError(path, f"an index of {source.size:,} bytes is too large")
        index = bounded_json(source.read(0, source.size), unique=True)
    except Malformed as error:
        raise DamagedFileError(path, error.problem, advice="fetch it again") from error
    finally:
        source.close()
    if not isinstance(index, dict):
        raise DamagedFileError(path, "it is no JSON object", advice="fetch it again")
    return index


def is_plain(name: str) -> bool:
    """Whether this names a file in the same folder, on any system."""
    return name not in ("", ".", "..") and not any(c in "/\\:\0" or "\ud800" <= c <= "\udfff" for c in name)
