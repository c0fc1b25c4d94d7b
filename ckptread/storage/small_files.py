"""Files that are read in one piece, up to a size that they have no reason to exceed."""

from __future__ import annotations

from ckptread.errors import UnsafeFileError
from ckptread.storage.source import Storage


def read_small_file(storage: Storage, name: str, limit: int, what: str) -> bytes:
    """Return all the bytes of a file of at most ``limit`` bytes; ``what`` is what the error calls it: 'an index'.

    Raises UnsafeFileError where it is larger, CheckpointError where it cannot be read.
    """
    with storage.open(name) as source:
        if source.size > limit:
            raise UnsafeFileError(source.name, f"{what} of {source.size:,} bytes is too large: the limit is {limit:,}")
        return source.read(0, source.size)
