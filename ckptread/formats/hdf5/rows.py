"""HDF5's row in the table of formats."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate, look
from ckptread.formats.format import Format, Opener, on_first_use
from ckptread.formats.signatures import begins_as, ends_as_zip
from ckptread.reader import Reader, Remains
from ckptread.storage.source import Storage
from ckptread.tensors import Finding

_open_plainly: Opener = on_first_use("hdf5.opening", "open_hdf5")


def _is_hdf5(c: Candidate) -> bool:
    """Whether its signature is at the beginning, or behind a user block that is not another format's beginning."""
    found = begins_as(c)
    return found == "an HDF5 file" or (found is None and c.user_block is not None)


def _open_hdf5(storage: Storage, name: str, remains: Remains) -> Reader:
    """Open a file, and note an ending under which Keras will not load it."""
    reader = _open_plainly(storage, name, remains)
    if name.endswith(".keras") and not ends_as_zip(look(storage, name)):
        message = "this is an HDF5 file, not a .keras archive: Keras goes by the name, and will not load it"
        advice = "name it .weights.h5 where it holds weights alone, .h5 where it is a whole model"
        finding = Finding(
            code="hdf5-keras-name", severity="note", message=message, file=reader.path, offset=0, advice=advice
        )
        reader.problems = [*reader.problems, finding]
    return reader


HDF5 = Format(
    name="hdf5",
    about="HDF5 files",
    endings=(".weights.h5", ".h5", ".hdf5"),
    recognise=_is_hdf5,
    open=_open_hdf5,
    paths=on_first_use("hdf5.paths", "list_paths"),
    backends={"h5py": on_first_use("hdf5.opening", "open_by_h5py")},
    seal=lambda _file: None,  # contiguous values have no checksum
)
ROWS = (HDF5,)
