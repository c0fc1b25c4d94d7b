"""A file that may be a checkpoint: what its bytes look like, before any reader opens it."""

from __future__ import annotations

from posixpath import basename, join

import msgspec

from ckptread.storage.source import Source, Storage

HEAD_BYTES = 4096
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NEAR_BYTES = 64 << 10
"""Where signatures are looked for in a distant file: user blocks are rarely larger than 512 bytes."""
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
    user_block: int | None = None
    """Where an HDF5 signature is that is not at the beginning: behind a user block of 512, 1,024, 2,048 ... bytes."""
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
        return look_at(source, storage, name)


def look_at(source: Source, storage: Storage, name: str) -> Candidate:
    """Return what the bytes of an open file look like. Raises CheckpointError if it cannot be read."""
    size = source.size
    last = min(size, NEAR_BYTES) if source.distant else size
    places = [512 << step for step in range(64) if (512 << step) + len(HDF5_SIGNATURE) <= last]
    ranges = [(0, min(HEAD_BYTES, size)), (max(0, size - TAIL_BYTES), min(TAIL_BYTES, size))]
    head, tail, *found = source.read_many([*ranges, *((at, len(HDF5_SIGNATURE)) for at in places)])
    user_block = next((at for at, data in zip(places, found, strict=True) if data == HDF5_SIGNATURE), None)
    return Candidate(storage=storage, path=name, size=size, head=head, tail=tail, user_block=user_block)
