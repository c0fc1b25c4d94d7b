"""Folders of any other scheme that fsspec knows. It says nothing where a server ignores ranges: so that is checked."""

from __future__ import annotations

from typing import Any

from ckptread.errors import CheckpointError
from ckptread.storage.remote.place import Place, Probe, RemoteObject, check_answer, check_version, unreachable_error
from ckptread.storage.source import Stamp

VERSIONS = ("ETag", "etag", "version", "generation", "mtime", "last_modified", "LastModified", "created")
"""What file systems call the version of a file, the best first."""


class FilesystemFolder(Place):
    """A folder of a file system of fsspec."""

    def __init__(self, address: str) -> None:
        self._address = address
        try:
            from fsspec.core import url_to_fs

            self._filesystem, self._root = url_to_fs(address)
        except (ImportError, ValueError) as error:
            scheme = address.partition("://")[0]
            advice = f"install fsspec, and what it needs for {scheme}://, or download the file"
            raise CheckpointError(address, f"there is no reader for {scheme}:// addresses", advice=advice) from error

    def object(self, name: str, address: str) -> RemoteObject:
        """Return a file of the folder."""
        return FilesystemObject(self._filesystem, f"{self._root.rstrip('/')}/{name}", address)

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder."""
        try:
            found = self._filesystem.ls(f"{self._root.rstrip('/')}/{folder}".rstrip("/"), detail=False)
        except (FileNotFoundError, NotADirectoryError, NotImplementedError):
            return []
        except Exception as error:
            raise unreachable_error(self._address, str(error)) from error
        return [path.rstrip("/").rpartition("/")[2] for path in found]


class FilesystemObject(RemoteObject):
    """A file of a file system of fsspec."""

    def __init__(self, filesystem: Any, path: str, address: str) -> None:
        super().__init__(address)
        self._filesystem = filesystem
        self._path = path

    def probe(self, nbytes: int) -> Probe | None:
        """Return its size, its version and its last bytes."""
        stamp = self._stamp()
        if stamp is None:
            return None
        start = max(0, stamp.size - nbytes)
        return Probe(stamp, self._read(start, stamp.size))

    def fetch(self, start: int, stop: int, stamp: Stamp) -> bytes:
        """Return these bytes. The version is asked for after each, because fsspec states none with them."""
        data = self._read(start, stop)
        found = self._stamp()
        check_version(self.address, stamp, found or Stamp(-1, ""))
        return data

    def _stamp(self) -> Stamp | None:
        try:
            info = self._filesystem.info(self._path)
        except FileNotFoundError:
            return None
        except Exception as error:
            raise unreachable_error(self.address, str(error)) from error
        if info["type"] != "file":
            return None
        return Stamp(info["size"], next((str(info[name]) for name in VERSIONS if info.get(name)), ""))

    def _read(self, start: int, stop: int) -> bytes:
        if start == stop:
            return b""
        try:
            data: bytes = self._filesystem.cat_file(self._path, start=start, end=stop)
        except Exception as error:
            raise unreachable_error(self.address, str(error)) from error
        check_answer(self.address, (start, stop), (start, start + len(data)), len(data))
        return data
