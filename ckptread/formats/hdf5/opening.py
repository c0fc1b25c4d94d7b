"""Opens HDF5 files: natively, or by h5py where only the library reads them or where it is asked for."""

from __future__ import annotations

from ckptread.formats.hdf5.reader import NO_ARCHIVE, Archive, Hdf5Reader
from ckptread.formats.hdf5.superblock import Unsupported
from ckptread.reader import Remains
from ckptread.storage.source import CloseOnError, Source, Storage


def open_hdf5(storage: Storage, name: str, remains: Remains = Remains.refused) -> Hdf5Reader:
    """Open an HDF5 file; with ``Remains.accepted`` a truncated or damaged one too. Raises CheckpointError."""
    return open_hdf5_source(storage.open(name), remains)


def open_hdf5_source(source: Source, remains: Remains = Remains.refused, archive: Archive = NO_ARCHIVE) -> Hdf5Reader:
    """Open the HDF5 file in ``source``, which the reader then owns."""
    from ckptread.formats.hdf5.native_reader import NativeHdf5Reader

    with CloseOnError(source):
        try:
            return NativeHdf5Reader(source, archive, remains=remains is Remains.accepted)
        except Unsupported:
            return h5py_reader(source, archive)


def open_by_h5py(storage: Storage, name: str, remains: Remains = Remains.refused) -> Hdf5Reader:
    """Open an HDF5 file by h5py alone. Raises CheckpointError."""
    return h5py_reader(storage.open(name))


def h5py_reader(source: Source, archive: Archive = NO_ARCHIVE) -> Hdf5Reader:
    """Open the HDF5 file in ``source`` by h5py alone. The reader then owns it."""
    from ckptread.formats.hdf5.h5py_reader import H5pyReader

    with CloseOnError(source):
        return H5pyReader(source, archive)
