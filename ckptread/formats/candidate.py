"""A file that may be a checkpoint: what its bytes look like, before any reader opens it."""

from __future__ import annotations

from posixpath import basename, join

import msgspec

from ckptread.storage.source import Storage

HEAD_BYTES = 4096
TAIL_BYTES = 66_000
"""The end of a zip archive is within the last 64 KiB, behind the list of its members."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file's first and last bytes, or a folder."""

    storage: Storage
    path: str
    """Its name in the storage."""
    size: int = 0
    head: bytes = b""
    tail: bytes = b""
    folder: bool = False

    @property
    def name(self) -> str:
        """The last component of the path."""
        return basename(self.path)

    def has(self, *parts: str) -> bool:
        """Whether the folder has a file of this name."""
        return self.folder and self.storage.kind(join(self.path, *parts)) == "file"

    def mentions(self, text: bytes) -> bool:
        """Whether these bytes are near the beginning or the end of the file."""
        return text in self.head or text in self.tail


def look(storage: Storage, name: str) -> Candidate:
    """Return what the bytes of a file look like. Raises CheckpointError if it cannot be read."""
    if storage.kind(name) == "folder":
        return Candidate(storage=storage, path=name, folder=True)
    with storage.open(name) as source:
        head = source.read(0, min(HEAD_BYTES, source.size))
        tail = source.read(max(0, source.size - TAIL_BYTES), min(TAIL_BYTES, source.size))
        return Candidate(storage=storage, path=name, size=source.size, head=head, tail=tail)
