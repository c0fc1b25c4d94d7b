"""A remote folder as a storage: each name is asked for once, and what is found stays found."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from ckptread.errors import CheckpointError
from ckptread.storage.remote.opened import RemoteSource
from ckptread.storage.remote.pages import PAGE_BYTES, Pages
from ckptread.storage.remote.place import AT_ONCE, Place, Probe, RemoteObject
from ckptread.storage.source import Kind, Stamp, Storage

LOOK_BYTES = 66_000 + PAGE_BYTES
"""What is fetched of the end of a file that may be a checkpoint: all pages where a zip archive's end record may be."""
PART_BYTES = 4096
"""The same of a file that is part of one."""


class Found(NamedTuple):
    """An object that was asked for: sources of it share the pages."""

    remote: RemoteObject
    stamp: Stamp
    pages: Pages


class RemoteStorage(Storage):
    """A folder of an object store, or behind a web address. A stamp is that of the first request."""

    def __init__(self, address: str, place: Place) -> None:
        self.folder = address
        self._place = place
        self._found: dict[str, Found | None] = {}
        self._lists: dict[str, list[str]] = {}

    def address(self, name: str) -> str:
        """Return the address of a name."""
        return f"{self.folder}/{name}" if name else self.folder

    def open(self, name: str) -> RemoteSource:
        """Open an object. Raises CheckpointError where that is not possible."""
        found = self._find(name, PART_BYTES)
        if found is None:
            raise CheckpointError(self.address(name), "there is no such object", advice="check the address")
        return RemoteSource(*found)

    def kind(self, name: str) -> Kind | None:
        """Return whether a name is an object, or begins the names of others; None where there is nothing."""
        if name and self._find(name, LOOK_BYTES) is not None:
            return "file"
        return "folder" if not name or self.list(name) else None

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; none where the store cannot list."""
        if folder not in self._lists:
            with AT_ONCE:
                self._lists[folder] = sorted(self._place.list(folder))
        return self._lists[folder]

    def within(self, folder: str, name: str) -> bool:
        """Whether a name stays inside a folder, and so inside the bucket."""
        inside, found = posixpath.normpath(folder), posixpath.normpath(name)
        if found.startswith(("../", "/")) or found in {"..", "."}:
            return False
        return inside == "." or found.startswith(f"{inside}/")

    def stamp(self, name: str) -> Stamp | None:
        """Return the size and version of an object when it was first asked for; None where there is none."""
        found = self._find(name, PART_BYTES)
        return None if found is None else found.stamp

    def _find(self, name: str, nbytes: int) -> Found | None:
        folder, _, base = name.rpartition("/")
        if base not in (self._lists.get(folder) or [base]):
            return None
        if name not in self._found:
            remote = self._place.object(name, self.address(name))
            with AT_ONCE:
                probe = remote.probe(nbytes)
            self._found[name] = None if probe is None else _found(remote, probe)
        return self._found[name]


def _found(remote: RemoteObject, probe: Probe) -> Found:
    pages = Pages(probe.stamp.size)
    pages.keep(probe.stamp.size - len(probe.tail), probe.tail)
    return Found(remote, probe.stamp, pages)
