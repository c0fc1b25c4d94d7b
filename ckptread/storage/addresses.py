"""The storage and the name of a user's path, and the questions that commands ask about such a path."""

from __future__ import annotations

import os

from ckptread.errors import CheckpointError
from ckptread.storage.local import LocalStorage
from ckptread.storage.source import Kind, Storage


def find_storage(address: str) -> tuple[Storage, str]:
    """Return the storage of a path, and its name there: the folder that contains it, and its last component.

    >>> storage, name = find_storage("runs/model.h5")
    >>> name, storage.address(name)
    ('model.h5', 'runs/model.h5')

    Raises CheckpointError for the empty path.
    """
    if not address:
        raise CheckpointError(address, "the path is empty", advice="give a file or a folder")
    folder, name = os.path.split(address.rstrip("/") or address)
    return LocalStorage(folder), name


def kind_of(path: str) -> Kind | None:
    """Return what a path stands for, links followed; None where there is nothing."""
    if not path:
        return None
    storage, name = find_storage(path)
    return storage.kind(name)
