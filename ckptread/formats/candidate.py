"""A file that may be a checkpoint: what its bytes look like, before any reader opens it."""

from __future__ import annotations

import os

import msgspec

from ckptread.storage.local import FileSource

HEAD_BYTES = 4096
TAIL_BYTES = 66_000
"""The end of a zip archive is within the last 64 KiB, behind the list of its members."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file's first and last bytes, or a folder."""

    path: str
    size: int = 0
    head: bytes = b""
    tail: bytes = b""
    folder: bool = False

    @property
    def name(self) -> str:
        """The last component of the path."""
        return os.path.basename(self.path.rstrip("/"))

    def has(self, *parts: str) -> bool:
        """Whether there is a file of this name below the folder."""
        return self.folder and os.path.isfile(os.path.join(self.path, *parts))

    def mentions(self, text: bytes) -> bool:
        """Whether these bytes stand near the file's beginning or end."""
        return text in self.head or text in self.tail


def look(path: str) -> Candidate:
    """Return what the bytes of a file look like. Raises CheckpointError where it cannot be read."""
    if os.path.isdir(path):
        return Candidate(path=path, folder=True)
    source = FileSource(path)
    try:
        head = source.read(0, min(HEAD_BYTES, source.size))
        tail = source.read(max(0, source.size - TAIL_BYTES), min(TAIL_BYTES, source.size))
        return Candidate(path=path, size=source.size, head=head, tail=tail)
    finally:
        source.close()
