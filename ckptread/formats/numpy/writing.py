"""Writes .npy arrays and .npz archives as numpy does, byte for byte, and imports numpy only for its rarer dtypes.

The format: :mod:`ckptread.formats.numpy.npy_header`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING

from ckptread.errors import CheckpointError
from ckptread.formats.format import Add, Outgoing
from ckptread.formats.numpy.npy_header import ENCODINGS, LENGTH_BYTES, MAGIC, NAMES

if TYPE_CHECKING:
    from zipfile import ZipFile

DESCRIPTIONS = {name: ("|" if code[1:] == "1" else "<") + code for code, name in NAMES.items() if code != "?"}
"""What a header calls the dtypes that are numpy's own numbers."""
ALIGNMENT = 64
GROWTH = 21
"""Digits that numpy leaves room for, so that the first dimension can grow in place."""


@contextmanager
def write_npy(stream: IO[bytes], metadata: Mapping[str, str]) -> Iterator[Add]:
    """Write one array; its name is not in the file."""
    yield lambda _name, tensor: _write_array(stream, tensor)


@contextmanager
def write_npz(stream: IO[bytes], metadata: Mapping[str, str]) -> Iterator[Add]:
    """Write an uncompressed archive. Its members' dates are 1980: the same tensors give the same bytes."""
    import zipfile

    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        yield partial(_add_member, archive)


def _add_member(archive: ZipFile, name: str, tensor: Outgoing) -> None:
    """Write one member, or none where reading it fails: what was written of it is taken back."""
    import zipfile

    member = zipfile.ZipInfo(name + ".npy")
    start = archive.start_dir
    try:
        with archive.open(member, "w", force_zip64=True) as stream:
            _write_array(stream, tensor)
    except CheckpointError:
        archive.filelist.remove(member)
        del archive.NameToInfo[member.filename]
        archive.start_dir = start  # where the next member goes, or the directory
        if archive.fp is not None:
            archive.fp.truncate(start)
        raise


def _write_array(stream: IO[bytes], tensor: Outgoing) -> None:
    stream.write(npy_header(_describe(tensor), tensor.shape))
    for piece in tensor.pieces():
        stream.write(piece)


def _describe(tensor: Outgoing) -> object:
    """Return what numpy calls the dtype in a header: a text; for a structured one, a list."""
    if tensor.dtype_name in DESCRIPTIONS:
        return DESCRIPTIONS[tensor.dtype_name]
    import numpy as np

    return np.lib.format.dtype_to_descr(tensor.dtype)


def npy_header(description: object, shape: Sequence[int]) -> bytes:
    """Return the header of an array in C order, as numpy writes it: in the first version that can hold it."""
    room = " " * (GROWTH - len(str(shape[0]))) if shape else ""
    text = f"{{'descr': {description!r}, 'fortran_order': False, 'shape': {tuple(shape)}, }}{room}"
    for version, encoding in ENCODINGS.items():
        with suppress(UnicodeEncodeError, OverflowError):
            return _header(version, text.encode(encoding))
    raise ValueError(f"{len(text):,} characters do not fit into the header of an array")


def _header(version: int, text: bytes) -> bytes:
    """Return a complete header of one version. Raises OverflowError where the text is too long for it."""
    width = LENGTH_BYTES[version]
    start = len(MAGIC) + 2 + width
    left = ALIGNMENT - (start + len(text) + 1) % ALIGNMENT  # never 0, as in numpy
    filled = text + b" " * left + b"\n"
    return MAGIC + bytes([version, 0]) + len(filled).to_bytes(width, "little") + filled
