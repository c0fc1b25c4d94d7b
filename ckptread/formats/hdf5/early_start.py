"""Starts the HDF5 worker for the files that a command names, before the command itself is imported."""

from __future__ import annotations

from collections.abc import Iterable

from ckptread.errors import CheckpointError
from ckptread.formats.hdf5.superblock import SIGNATURE
from ckptread.storage.addresses import find_storage
from ckptread.worker.parent import start_early

MODULE = "ckptread.formats.hdf5.reference.main"
MOST = 2
"""A command opens one file or two; those of longer lists are opened one after the other."""
ZIP_MAGIC = b"PK\3\4"


def start_workers(arguments: Iterable[str]) -> None:
    """Start a worker for each of the first arguments that names an HDF5 file or a .keras archive.

    This is a guess from a few bytes; opening the file decides.
    """
    for path in [argument for argument in arguments if not argument.startswith("-")][:MOST]:
        try:
            if _wants_worker(path):
                start_early(MODULE, path)
        except (CheckpointError, OSError, ValueError):
            continue  # opening it raises the reason


def _wants_worker(path: str) -> bool:
    storage, name = find_storage(path)
    if storage.kind(name) != "file":  # a FIFO would block
        return False
    with storage.open(name) as source:
        head = source.read(0, min(len(SIGNATURE), source.size))
    return head == SIGNATURE or (head.startswith(ZIP_MAGIC) and path.endswith(".keras"))
