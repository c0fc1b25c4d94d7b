"""The storage and the name of a user's path, and the questions that commands ask about such a path."""

from __future__ import annotations

import os
import re

from ckptread.errors import CheckpointError
from ckptread.storage.local import LocalStorage
from ckptread.storage.source import Kind, Storage

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
"""How an address begins that is not a path: file:// too."""


def find_storage(address: str) -> tuple[Storage, str]:
    """Return the storage of a path, and its name there: the folder that contains it, and its last component.

    >>> storage, name = find_storage("runs/model.h5")
    >>> name, storage.address(name)
    ('model.h5', 'runs/model.h5')

    ``~`` is the home folder, unless there is a file of that name. Raises CheckpointError for the empty path, and for an
    address that cannot be read.
    """
    if not address:
        raise CheckpointError(address, "the path is empty", advice="give a file or a folder")
    if ADDRESS.match(address):
        from ckptread.storage.remote.schemes import find_remote

        return find_remote(address)
    if address.startswith("~") and not os.path.lexists(address):
        address = os.path.expanduser(address)
    folder, name = os.path.split(address.rstrip("/") or address)
    return LocalStorage(folder), name


def kind_of(path: str) -> Kind | None:
    """Return what a path stands for, links followed; None where there is nothing."""
    if not path:
        return None
    storage, name = find_storage(path)
    return storage.kind(name)
