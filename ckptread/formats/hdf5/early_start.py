"""The HDF5 worker started for the files that a command names, before the command itself is imported."""

from __future__ import annotations

from collections.abc import Iterable

from ckptread.errors import CheckpointError
from ckptread.formats.hdf5.superblock import SIGNATURE
from ckptread.storage.addresses import find_storage
from ckptread.worker.parent import start_early

MODULE = "ckptread.formats.hdf5.reference.main"
MOST = 2
"""A command opens one file or two; of longer lists, each is opened in its turn."""
ZIP_MAGIC = b"PK\3\4"


def start_workers(arguments: Iterable[str]) -> None:
    """Start a worker for each of the first arguments that names an HDF5 file, or a .keras archive.

    A guess, by a few bytes: what the file is will be settled when it is opened.
    """
    for path in [argument for argument in arguments if not argument.startswith("-")][:MOST]:
        try:
            if _wants_worker(path):
                start_early(MODULE, path)
        except (CheckpointError, OSError, ValueError):
            continue  # opening it will say why


def _wants_worker(path: str) -> bool:
    storage, name = find_storage(path)
    if storage.kind(name) != "file":
        return False
    with storage.open(name) as source:
        head = source.read(0, min(len(SIGNATURE), source.size))
    return head == SIGNATURE or (head.startswith(ZIP_MAGIC) and path.endswith(".keras"))
