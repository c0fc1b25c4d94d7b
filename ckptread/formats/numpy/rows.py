"""numpy's rows in the table of formats."""

from __future__ import annotations

from ckptread.formats.candidate import Candidate
from ckptread.formats.format import Format, on_first_use
from ckptread.formats.zip.signature import is_zip


def _is_npz(c: Candidate) -> bool:
    """An archive of arrays; the table tries Keras' archives, which may have such members, before it."""
    return is_zip(c) and (c.mentions(b".npy") or c.name.endswith(".npz"))


NPY = Format(
    name="npy",
    about=".npy files",
    endings=(".npy",),
    recognise=lambda c: c.head.startswith(b"\x93NUMPY"),
    open=on_first_use("numpy.npz", "open_npy"),
    write=on_first_use("numpy.writing", "write_npy"),
    lone=True,
)
NPZ = Format(
    name="npz",
    about=".npz archives",
    endings=(".npz",),
    recognise=_is_npz,
    open=on_first_use("numpy.npz", "open_npz"),
    write=on_first_use("numpy.writing", "write_npz"),
)
ROWS = (NPY, NPZ)
