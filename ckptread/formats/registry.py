"""The table of formats: the rows of each family, and those of installed packages.

A new format is a module or folder here and a row in its family's table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ckptread.errors import CheckpointError, UsageError
from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format
from ckptread.formats.hdf5.rows import ROWS as HDF5_ROWS
from ckptread.formats.keras.rows import ROWS as KERAS_ROWS
from ckptread.formats.numpy.rows import ROWS as NUMPY_ROWS
from ckptread.formats.pytorch.rows import ROWS as PYTORCH_ROWS
from ckptread.formats.safetensors.rows import ROWS as SAFETENSORS_ROWS
from ckptread.formats.tensorflow.rows import ROWS as TENSORFLOW_ROWS
from ckptread.formats.tensorflowjs.rows import ROWS as TENSORFLOWJS_ROWS
from ckptread.storage.source import Storage
from ckptread.wording import escape

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FORMATS = (*TENSORFLOW_ROWS, *HDF5_ROWS, *PYTORCH_ROWS, *KERAS_ROWS, *TENSORFLOWJS_ROWS, *NUMPY_ROWS, *SAFETENSORS_ROWS)
"""The formats that are built in, in the order they are tried."""

ONE_ARRAY = next(row for row in FORMATS if row.write is not None and row.lone)
"""What a tensor is written as, where its file's name has no ending."""
SEVERAL = next(row for row in FORMATS if row.write is not None and not row.lone)
"""What several tensors are written as, where one file is to hold them."""
_ENDING = re.compile(r"\.[A-Za-z]\w*$")
"""How a file's format shows in its name: not in the ".5" of "ckpt-1.5"."""

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


def format_to_write(name: str, *, native: bool = False) -> Format | None:
    """Return the format that the ending of a file's name asks for; None for a name without an ending.

    With ``native``, also one that is written with dtypes that numpy does not have. Raises UsageError for the ending of
    what is not written.
    """
    ending = _ENDING.search(name)
    if ending is None:
        return None
    for rows in (lambda: FORMATS, installed_formats):
        for row in rows():
            if row.write is not None and (native or not row.native) and name.endswith(row.endings):
                return row
    known = [each for row in FORMATS if row.write and (native or not row.native) for each in row.endings]
    other = "; 'ckptread convert' writes it" if _is_written(name) else ""
    wanted = f"name a {' or '.join(known)} file, or a folder/{other}"
    raise UsageError(f"{escape(name)}: a {escape(ending[0])} file cannot be written: {wanted}")


def _is_written(name: str) -> bool:
    return any(row.write is not None and name.endswith(row.endings) for row in FORMATS)
