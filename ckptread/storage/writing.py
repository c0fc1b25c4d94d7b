"""Output files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, FileIO
from typing import IO, TYPE_CHECKING

from ckptread.errors import CheckpointError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NAMELESS = "/proc/self/fd"
"""Where Linux lists the open files of a process, those without a name too."""
BEGIN_BYTES = 16 << 20
"""How much is written before the system is asked to write it to the disk."""


@contextmanager
def open_complete(target: str, force: bool) -> Iterator[IO[bytes]]:
    """Open a file without a name, which gets the name ``target`` once the block succeeds; nothing appears if it fails.

    The bytes are on the disk before the name is, and the name before this returns. Where the system has no nameless
    files (other than Linux, and on some network file systems) it is a hidden file next to the target. Raises
    CheckpointError.
    """
    if os.path.isdir(target):
        raise CheckpointError(target, "it is a folder", advice="give a file's name")
    _refuse_irregular(target)
    if os.path.lexists(target) and not force:
        raise _exists(target)
    try:
        draft = _Draft(target)
        try:
            yield draft.file
            draft.publish(force)
        finally:
            draft.discard()
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise CheckpointError(target, f"it cannot be written: {error.strerror or error}") from error


def _refuse_irregular(target: str) -> None:
    """Raise where a device, a pipe or a socket would be replaced by a file. A link is replaced, not followed."""
    try:
        mode = os.lstat(target).st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        raise CheckpointError(target, "it is not a regular file, and is not replaced", advice="give another name")


def _exists(target: str) -> CheckpointError:
    return CheckpointError(target, "the file exists", advice="--force replaces it")


class _Writing(FileIO):
    """A file whose bytes go to the disk while it is written, so that the final flush is short."""

    _written = _begun = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Write; and every so often advise the system to start writing to the disk, as Linux then does."""
        count = super().write(data)
        self._written += count
        if self._written - self._begun >= BEGIN_BYTES and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fileno(), self._begun, self._written - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._written
        return count


class _Draft:
    """The file that will become ``target``: nameless, or hidden next to it."""

    def __init__(self, target: str) -> None:
        self._target = target
        folder, base = os.path.split(target)
        self._folder = folder or "."
        self._prefix = f".{base[:50]}."
        self._hidden = ""
        descriptor = self._open_nameless()
        if descriptor is None:
            descriptor, self._hidden = self._make_hidden()
        self.file: IO[bytes] = BufferedRandom(_Writing(descriptor, "w+b"))

    def _open_nameless(self) -> int | None:
        if not hasattr(os, "O_TMPFILE") or not os.path.exists(NAMELESS):
            return None
        try:
            return os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):  # as open(2) has it
                return None
            raise

    def _make_hidden(self) -> tuple[int, str]:
        import tempfile

        descriptor, path = tempfile.mkstemp(prefix=self._prefix, suffix=".part", dir=self._folder)
        _give_everyday_permissions(path)
        return descriptor, path

    def publish(self, force: bool) -> None:
        """Flush the bytes to the disk, then the name. Without ``force`` never replace another file."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if force and not self._hidden:
            self._hidden = self._hide()
        if force:
            _refuse_irregular(self._target)
            os.replace(self._hidden, self._target)
        else:
            self._link(self._target)
        self._sync_folder()

    def _hide(self) -> str:
        """Give the nameless file a hidden name for a moment: only a rename can replace another file."""
        path = os.path.join(self._folder, f"{self._prefix}{os.urandom(6).hex()}.part")
        self._link(path)
        return path

    def _link(self, name: str) -> None:
        """Give the file a name that does not exist yet."""
        if not self._hidden:
            folder = os.open(self._folder, os.O_RDONLY)
            try:  # with a folder's descriptor, and only then, Python follows the link that /proc has of the file
                os.link(f"{NAMELESS}/{self.file.fileno()}", os.path.basename(name), dst_dir_fd=folder)
            finally:
                os.close(folder)
            return
        try:
            os.link(self._hidden, name)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            os.rename(self._hidden, name)

    def _sync_folder(self) -> None:
        """Flush the name to the disk too, where the system can."""
        try:
            folder = os.open(self._folder, os.O_RDONLY)
        except OSError:  # Windows opens no folders
            return
        try:
            os.fsync(folder)
        except OSError:  # nor do all network file systems
            return
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Close the file, and remove its hidden name if it still has one."""
        try:
            self.file.close()
        finally:
            if self._hidden and os.path.lexists(self._hidden):
                os.unlink(self._hidden)


def _give_everyday_permissions(path: str) -> None:
    """Give a file of ``mkstemp``, which only its owner can read, the permissions of any new file."""
    if sys.platform != "win32":
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(path, 0o666 & ~mask)


def make_folder(folder: str) -> None:
    """Create a folder and those above it, unless they exist. Raises CheckpointError."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise CheckpointError(folder, f"the folder cannot be made: {error.strerror}") from error


def is_same_file(one: str, other: str) -> bool:
    """Whether two paths are one file, by whatever names; false where either is missing."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False
