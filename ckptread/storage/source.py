"""The two interfaces of storage: :class:`Storage`, a folder of files, and :class:`Source`, one open file.

Offsets and sizes are Python integers, in bytes. Nothing is mapped into memory: a file that shrinks while it is read
raises an error, never a signal, and one that changes raises an error instead of mixing old and new bytes.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self

from ckptread.errors import CheckpointError, DamagedFileError
from ckptread.storage.checksums import checksum_function
from ckptread.tensors import Checksum, Extent

BLOCK_BYTES = 1 << 20
"""How much of a complete file is read at once."""
RECENT_NS = 2_000_000_000
"""File systems note the time of a change in steps of up to two seconds, or when a mapped page reaches the disk."""
Step = dict[str, int]
"""How a source is made from another one, in numbers: see :func:`ckptread.storage.inflate.rebuild_source`."""
Range = tuple[int, int]
"""An offset and a number of bytes."""
Kind = Literal["file", "folder", "other"]
"""What a name stands for. 'other' exists but cannot be opened: a device, a pipe, a dangling link."""


class Stamp(NamedTuple):
    """What distinguishes one state of a file from a later one."""

    size: int
    version: tuple[int, ...] | str
    """The times in ns when the contents and anything else last changed, and the file's number; or an ETag."""

    def has_same_contents(self, other: Stamp) -> bool:
        """Whether only the name, the links or the permissions of a file changed."""
        if isinstance(self.version, str) or isinstance(other.version, str):
            return self == other
        return (self.size, self.version[0], self.version[2:]) == (other.size, other.version[0], other.version[2:])

    def is_recent(self) -> bool:
        """Whether the contents changed in the last two seconds: somebody may be writing to the file."""
        return not isinstance(self.version, str) and time.time_ns() - self.version[0] < RECENT_NS


class Source(ABC):
    """Bytes that can be read at any offset, by several threads at a time. A context manager that closes itself."""

    name: str
    """What to call it in a message: the file's path, followed by the member's name for a part of an archive."""
    size: int
    stamp: Stamp | None = None
    """The state of the file when it was opened; None where the source has no file of its own."""
    addressable: bool = True
    """Whether bytes are stored in a file exactly as they are read, so that ``locate`` gives their own place."""
    checksum: Checksum | None = None
    """What the file states for all of these bytes; None where it states nothing, or reading checks it."""
    distant: bool = False
    """Whether each read takes a request over a network, so that only what is needed is asked for."""

    @abstractmethod
    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill all of ``buffer`` from ``offset``.

        Raises DamagedFileError where the bytes end early or have changed since the source was opened.
        """

    @abstractmethod
    def locate(self, offset: int) -> tuple[str, int]:
        """Return the file, and the offset in it, at which the byte at ``offset`` is stored."""

    @abstractmethod
    def recipe(self) -> tuple[int, list[Step]]:
        """Return an open file descriptor, and the steps by which a worker rebuilds this source from it."""

    @abstractmethod
    def whole_file(self) -> Source:
        """Return the file that this source is a part of, which is what the offsets of ``locate`` refer to."""

    def extent(self, offset: int, nbytes: int, checksum: Checksum | None = None) -> Extent:
        """Return where ``nbytes`` bytes from ``offset`` are stored."""
        file, start = self.locate(offset)
        return Extent(file=file, offset=start, nbytes=nbytes, checksum=checksum)

    def from_offset(self, start: int) -> Callable[[int, memoryview], None]:
        """Return ``read_into`` with offsets counted from ``start``."""
        return lambda offset, buffer: self.read_into(start + offset, buffer)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset``. For small pieces."""
        self.check_range(offset, nbytes)
        buffer = bytearray(nbytes)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def read_many(self, ranges: Iterable[Range]) -> list[bytes]:
        """Return the bytes of each range, in order. A remote source fetches them together, in one round trip."""
        return [self.read(offset, nbytes) for offset, nbytes in ranges]

    def blocks(self) -> Iterator[bytes]:
        """Yield all bytes, in blocks. Raises DamagedFileError behind the last one if they have another checksum."""
        extend = checksum_function(self.checksum.algorithm) if self.checksum else None
        state = 0
        for at in range(0, self.size, BLOCK_BYTES):
            data = self.read(at, min(BLOCK_BYTES, self.size - at))
            state = extend(state, data) if extend else 0
            yield data
        if self.checksum is not None and state != self.checksum.value:
            problem = "its bytes do not have the checksum that the file states"
            raise DamagedFileError(self.name, problem, advice="download it again", code="checksum")

    def check_range(self, offset: int, nbytes: int) -> None:
        """Raise DamagedFileError unless the source has all of these bytes."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            raise DamagedFileError(
                self.name,
                f"{nbytes:,} bytes at offset {offset:,} are outside its {self.size:,} bytes",
                advice="it is damaged or truncated: download it again",
                code="truncated",
            )

    def close(self) -> None:  # noqa: B027 - most sources hold nothing of their own
        """Release what is held. Reading afterwards is an error, closing again is not."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Storage(ABC):
    """A folder, local or remote, whose files are named relative to it, with "/" between the parts of a name.

    The empty name is the folder itself. Functions of ``posixpath`` take such names apart and join them.
    """

    @abstractmethod
    def open(self, name: str) -> Source:
        """Open a regular file. Raises CheckpointError where that is not possible."""

    @abstractmethod
    def kind(self, name: str) -> Kind | None:
        """Return what a name stands for, links followed; None where there is nothing."""

    @abstractmethod
    def list(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, without the folder's own; empty where it cannot be listed."""

    @abstractmethod
    def within(self, folder: str, name: str) -> bool:
        """Whether a name, which may come from a file, stays inside a folder when all links are followed."""

    @abstractmethod
    def stamp(self, name: str) -> Stamp | None:
        """Return the size and version of a regular file without opening it; None where there is none."""

    def is_link(self, name: str) -> bool:
        """Whether a name is a symbolic link."""
        return False

    @abstractmethod
    def address(self, name: str) -> str:
        """Return what a user would type for a name: a path, or a URL. Sources, extents and errors use it."""


CHANGED = "changed"
"""The code of the error for a file that changed."""


def changed_error(name: str) -> DamagedFileError:
    """Return the error for a file that is no longer the one that was opened."""
    return DamagedFileError(
        name, "it changed while it was read", advice="wait until its writer is done, and try again", code=CHANGED
    )


def check_unchanged(storage: Storage, stamps: Mapping[str, Stamp | None]) -> None:
    """Raise where one of several files, by name, is no longer the one that was opened: they are of two saves then."""
    for name, stamp in stamps.items():
        if storage.stamp(name) != stamp:
            raise changed_error(storage.address(name))


def closed_error(path: str) -> CheckpointError:
    """Return the error for reading what was closed."""
    return CheckpointError(path, "the checkpoint is closed", advice="open it again, or read within its 'with' block")


class CloseOnError:
    """A context manager that closes something where its block raises, and leaves it open where it does not."""

    def __init__(self, held: _Closeable) -> None:
        self._held = held

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._held.close()


class _Closeable(Protocol):
    def close(self) -> object: ...
