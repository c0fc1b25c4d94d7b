"""What the table of formats records about a format: one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple

import msgspec

from ckptread.formats.candidate import Candidate
from ckptread.reader import Reader, Remains
from ckptread.storage.source import Storage


class Located(msgspec.Struct, frozen=True):
    """A checkpoint that was found: where it is, and the format that opens it."""

    storage: Storage
    name: str
    """A file, a folder, or the prefix of a TensorFlow checkpoint, in the storage."""
    format: Format
    note: str = ""
    """How it was found, where the path does not show that: "the latest of 3 in 'run'"."""

    @property
    def path(self) -> str:
        """What a user would type for it."""
        return self.storage.address(self.name)


Opener = Callable[[Storage, str, Remains], Reader]
"""Opens a checkpoint by its name in a storage. Raises CheckpointError. ``Remains.accepted`` is for salvage."""


def _resolve_nothing(storage: Storage, name: str) -> Located | None:
    return None


def _list_itself(storage: Storage, name: str) -> list[str]:
    return [name]


class Format(NamedTuple):
    """A row of the table of formats."""

    name: str
    """Unique, as in ``Reader.format``."""
    about: str
    """Its files in words, in the plural."""
    endings: tuple[str, ...]
    """How the names of its files usually end. They never decide: the bytes do."""
    recognise: Callable[[Candidate], bool]
    """Whether a file or folder has this format, by its bytes."""
    open: Opener
    resolve: Callable[[Storage, str], Located | None] = _resolve_nothing
    """Returns what else a user may type for such a checkpoint: a prefix, a part, a folder that contains it."""
    parts: Callable[[Storage, str], list[str]] = _list_itself
    """Returns the names of the files that a checkpoint consists of."""
    backends: Mapping[str, Opener] = {}
    """What else can open it, by the name that ``--backend`` takes: the library that wrote it."""
    lone: bool = False
    """Whether a file has a single array, so that a folder of such files is not a training run."""


def opener(module: str, function: str) -> Opener:
    """Return what opens a checkpoint by a function of a module of this package, which is imported on first use."""

    def open_it(storage: Storage, name: str, remains: Remains) -> Reader:
        found: Opener = getattr(import_module(f"ckptread.formats.{module}"), function)
        return found(storage, name, remains)

    return open_it
