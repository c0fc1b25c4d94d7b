"""HDF5's row in the table of formats."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate
from ckptread.formats.format import Format, Opener, on_first_use
from ckptread.formats.hdf5.superblock import SIGNATURE
from ckptread.reader import Reader, Remains
from ckptread.storage.source import Storage
from ckptread.tensors import Finding

HDF5_PLACES = (0, 512, 1024, 2048)
"""Where the signature may be, behind a user block. The HDF5 library looks beyond 2048 too, but nobody writes there."""

_open_plainly: Opener = on_first_use("hdf5.reader", "open_hdf5")


def _is_hdf5(c: Candidate) -> bool:
    return any(c.head[at : at + 8] == SIGNATURE for at in HDF5_PLACES)


def _open_hdf5(storage: Storage, name: str, remains: Remains) -> Reader:
    """Open a file, and note an ending under which Keras will not load it."""
    reader = _open_plainly(storage, name, remains)
    if name.endswith(".keras"):
        message = "this is an HDF5 file, not a .keras archive: Keras goes by the name, and will not load it"
        advice = "name it .weights.h5 where it holds weights alone, .h5 where it is a whole model"
        finding = Finding(
            code="hdf5-keras-name", severity="note", message=message, file=reader.path, offset=0, advice=advice
        )
        reader.problems = [*reader.problems, finding]
    return reader


HDF5 = Format(
    name="hdf5", about="HDF5 files", endings=(".weights.h5", ".h5", ".hdf5"), recognise=_is_hdf5, open=_open_hdf5
)
ROWS = (HDF5,)
