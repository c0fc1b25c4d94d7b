"""Folders and files of this machine."""

from __future__ import annotations

import os
import stat

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.storage.source import Kind, Source, Stamp, Step, Storage, changed_error, closed_error


class LocalStorage(Storage):
    """A folder of this machine; "" is the working directory. Absolute names are taken as they are."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def address(self, name: str) -> str:
        """Return the path of a name."""
        return self._path(name)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name) if name else self.folder or "."

    def open(self, name: str) -> FileSource:
        """Open a regular file. Raises CheckpointError where that is not possible."""
        return FileSource(self._path(name))

    def kind(self, name: str) -> Kind | None:
        """Return what a name stands for, links followed; None where there is nothing."""
        try:
            mode = os.stat(self._path(name)).st_mode
        except PermissionError:  # of a folder around it: whether it exists is not known
            return "other"
        except (OSError, ValueError):
            return "other" if os.path.lexists(self._path(name)) else None
        if stat.S_ISDIR(mode):
            return "folder" if os.access(self._path(name), os.R_OK | os.X_OK) else "other"
        return "file" if stat.S_ISREG(mode) else "other"

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; empty where it cannot be listed."""
        try:
            return sorted(os.listdir(self._path(folder)))
        except (OSError, ValueError):
            return []

    def within(self, folder: str, name: str) -> bool:
        """Whether a name stays inside a folder when all links are followed."""
        root = os.path.realpath(self._path(folder))
        return os.path.realpath(self._path(name)).startswith(root.rstrip(os.sep) + os.sep)

    def is_link(self, name: str) -> bool:
        """Whether a name is a symbolic link."""
        return os.path.islink(self._path(name))

    def stamp(self, name: str) -> Stamp | None:
        """Return the size and times of a regular file; None where there is none."""
        try:
            status = os.stat(self._path(name))
        except (OSError, ValueError):
            return None
        return _stamp_of(status) if stat.S_ISREG(status.st_mode) else None


class UnnamedStorage(LocalStorage):
    """A folder of which no message tells the path, nor the name of one file in it: both may be temporary."""

    def __init__(self, folder: str, file: str) -> None:
        super().__init__(folder)
        self._file = file

    def address(self, name: str) -> str:
        """Return the name in the folder; "the file" for the one file."""
        return "the file" if name == self._file else name

    def open(self, name: str) -> FileSource:
        """Open a regular file. Raises CheckpointError where that is not possible."""
        source = super().open(name)
        source.name = self.address(name)
        return source


class FileSource(Source):
    """A regular file, opened once. Devices, pipes and folders are refused without waiting for them."""

    def __init__(self, path: str, descriptor: int | None = None) -> None:
        """Open ``path``, or take over a descriptor on which it is already open (in a worker, say)."""
        self.name = path
        self._descriptor = _open_regular(path) if descriptor is None else descriptor
        status = os.fstat(self._descriptor)
        self.stamp: Stamp = _stamp_of(status)
        self.size = self.stamp.size
        self._seen = self.stamp
        self._links = status.st_nlink

    def recipe(self) -> tuple[int, list[Step]]:
        """Return the open file's descriptor, and no steps."""
        return self._descriptor, []

    def whole_file(self) -> Source:
        """Return this file."""
        return self

    def locate(self, offset: int) -> tuple[str, int]:
        """Return this file and ``offset``."""
        return self.name, offset

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset``, and check that the file is still the one that was opened."""
        done = 0
        while done < buffer.nbytes:
            try:
                count = _read_at(self._open_descriptor(), buffer[done:], offset + done)
            except OSError as error:
                raise _unreadable(self.name, error) from error
            if count == 0:
                raise self._truncated(offset + done, buffer.nbytes - done)
            done += count
        self._check_stamp()

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return ``nbytes`` bytes from ``offset``, as ``read_into`` does: in one system call, where possible."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size or not hasattr(os, "pread"):
            return super().read(offset, nbytes)
        try:
            data = os.pread(self._open_descriptor(), nbytes, offset)
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if len(data) < nbytes:  # the file was truncated; or more than the 2 GiB that Linux reads at once
            return super().read(offset, nbytes)
        self._check_stamp()
        return data

    def _open_descriptor(self) -> int:
        if self._descriptor < 0:
            raise closed_error(self.name)
        return self._descriptor

    def _truncated(self, offset: int, missing: int) -> DamagedFileError:
        return DamagedFileError(
            self.name,
            f"it ends at byte {offset:,}, where {missing:,} more were to be read",
            advice="it is truncated, or was shortened while it was read: download it again",
            offset=offset,
            code="truncated",
        )

    def _check_stamp(self) -> None:
        status = os.fstat(self._descriptor)
        found = _stamp_of(status)
        if found != self._seen:
            if status.st_nlink == self._links or not found.has_same_contents(self._seen):
                raise changed_error(self.name)
            self._seen, self._links = found, status.st_nlink  # another file took its name: its bytes are the same

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        """Close a file that nobody closed: a descriptor is only a number, which Python does not close."""
        if hasattr(self, "_descriptor"):
            self.close()


def _stamp_of(status: os.stat_result) -> Stamp:
    """Return the size of a file, its times and its number: writing it again, or another in its place, changes one."""
    return Stamp(status.st_size, (status.st_mtime_ns, status.st_ctime_ns, status.st_ino))


def _open_regular(path: str) -> int:
    """Open a file for reading; with O_NONBLOCK, so that a pipe without a writer is refused, not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeFileError(path, "it is not a regular file", advice="only regular files are opened")
    return descriptor


def _unreadable(path: str, error: OSError | ValueError) -> CheckpointError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CheckpointError(path, f"it cannot be read: {reason}")


def _read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    os.lseek(descriptor, offset, os.SEEK_SET)  # Windows: one reader at a time
    data = os.read(descriptor, buffer.nbytes)
    buffer[: len(data)] = data
    return len(data)
