"""The table of formats: the rows of each family, and those of installed packages.

A new format is a module or folder here and a row in its family's table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptread.errors import CheckpointError, UsageError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format
from ckptread.formats.hdf5.rows import ROWS as HDF5_ROWS
from ckptread.formats.keras.rows import ROWS as KERAS_ROWS
from ckptread.formats.numpy.rows import ROWS as NUMPY_ROWS
from ckptread.formats.safetensors.rows import ROWS as SAFETENSORS_ROWS
from ckptread.formats.tensorflow.rows import ROWS as TENSORFLOW_ROWS
from ckptread.storage.source import Storage

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FORMATS = (*TENSORFLOW_ROWS, *HDF5_ROWS, *KERAS_ROWS, *NUMPY_ROWS, *SAFETENSORS_ROWS)
"""The formats that are built in, in the order they are tried."""

ENTRY_POINTS = "ckptread.formats"
"""The group of entry points by which an installed package adds rows."""


def installed_formats() -> tuple[Format, ...]:
    """Return the rows of installed packages, in the order of their names. Importing them runs their code.

    Raises UsageError for a package that cannot be imported, or whose entry point is not a row with a unique name.
    """
    from importlib.metadata import entry_points  # 15 ms: only for a file that nothing built in recognises

    return tuple(_load(entry) for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name))


def _load(entry: EntryPoint) -> Format:
    try:
        row = entry.load()
    except Exception as error:  # whatever an import may raise
        raise UsageError(f"the installed format {entry.name!r} cannot be imported ({entry.value}): {error}") from error
    if not isinstance(row, Format) or row.name != entry.name or row.name in {own.name for own in FORMATS}:
        raise UsageError(f"the installed format {entry.name!r} ({entry.value}) is not a Format of that name")
    return row


def recognise_candidate(candidate: Candidate) -> Format | None:
    """Return the built-in format of a file or folder by its bytes, or None."""
    return next((row for row in FORMATS if row.recognise(candidate)), None)


def recognise_name(storage: Storage, name: str) -> Format | None:
    """Return the built-in format of a name by its bytes; None if it has none, or cannot be read."""
    try:
        return recognise_candidate(look(storage, name))
    except CheckpointError:
        return None
