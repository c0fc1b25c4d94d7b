"""What the table of formats records about a format: one row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec

from ckptread.formats.candidate import Candidate
from ckptread.reader import Reader, Remains
from ckptread.storage.source import Storage

if TYPE_CHECKING:
    import numpy as np


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


class Outgoing(ABC):
    """A tensor on its way into a file. Its dtype is numpy's own: numbers, fixed strings, or a structured one."""

    @property
    @abstractmethod
    def dtype_name(self) -> str:
        """The dtype in the file, as a listing has it."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The dtype in the file, for which numpy is imported."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape in the file."""

    @property
    @abstractmethod
    def note(self) -> str:
        """What was done to the values, once they are written; or ""."""

    @abstractmethod
    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the values, in C order. Raises CheckpointError, after the last one for their checksum."""


Add = Callable[[str, Outgoing], None]
"""Adds a tensor to a file, under a safe name. Raises CheckpointError as ``pieces`` does, and adds nothing then."""
Writer = Callable[[IO[bytes], Mapping[str, str]], AbstractContextManager[Add]]
"""Begins a file in an open stream, and completes it at the end of its ``with`` block. The mapping is metadata, for a
format that has a place for it."""
Seal = Callable[[IO[bytes]], None]
"""Makes a file whole whose values were replaced in place: writes the checksums that it states for them."""


def _resolve_nothing(storage: Storage, name: str) -> Located | None:
    return None


def _list_itself(storage: Storage, name: str) -> list[str]:
    return [name]


def _open_for_paths(storage: Storage, name: str, typed: str) -> list[str] | None:
    return None


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
    write: Writer | None = None
    """Writes such a file; None where ckptread only reads the format."""
    paths: Callable[[Storage, str, str], list[str] | None] = _open_for_paths
    """Returns what a user may go on to type: the paths in a checkpoint that begin with a text, up to their next slash;
    None for a checkpoint that is opened as fast."""
    native: bool = False
    """Whether it is written with the dtypes of machine learning as they are: bfloat16, float8."""
    dtypes: frozenset[str] | None = None
    """The dtypes that it can be written with; None for all of numpy's."""
    seal: Seal | None = None
    """Set where the values of a file can be replaced in place."""
    lone: bool = False
    """Whether a file has a single array, so that a folder of such files is not a training run."""


def on_first_use(module: str, function: str) -> Callable[..., Any]:
    """Return a function of a module of this package, which is imported when it is first called."""

    def call(*arguments: object) -> object:
        return getattr(import_module(f"ckptread.formats.{module}"), function)(*arguments)

    return call
