"""Reads an HDF5 file by h5py alone, in a worker: the backend that our own code is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptread.formats.hdf5.library import Hdf5Library
from ckptread.formats.hdf5.reader import NO_ARCHIVE, Archive, Hdf5Reader, copied
from ckptread.formats.hdf5.worker_index import WorkerIndex
from ckptread.limits import VALUES_BYTES
from ckptread.reader import readable
from ckptread.slicing import Selection, normalize
from ckptread.storage.source import CloseOnError, Source
from ckptread.tensors import TensorInfo, element_count
from ckptread.untrusted.dtypes import numpy_dtype

if TYPE_CHECKING:
    from ckptread.tensors import Array


class H5pyReader(Hdf5Reader):
    """An open HDF5 file, listed and read by h5py; also where only the library knows the file's structures."""

    backend = "h5py"

    def __init__(self, source: Source, archive: Archive = NO_ARCHIVE) -> None:
        self._library = Hdf5Library(source, source.name, None)
        self._compared = 0
        index = WorkerIndex(source, source.name)
        with CloseOnError(self._library):
            self._library.list_into(index)
            super().__init__(source, index, archive)

    def _same_bytes(self, key: str, other: str) -> bool:
        """Whether two datasets have the same values."""
        one, two = self._index.tensors[key], self._index.tensors[other]
        if (one.dtype, one.shape, one.problem, two.problem) != (two.dtype, two.shape, None, None):
            return False
        self._compared += one.nbytes
        if one.nbytes > VALUES_BYTES or self._compared > self._source.size:
            return False
        return self._whole(one).tobytes() == self._whole(two).tobytes()

    def _whole(self, info: TensorInfo) -> Array:
        slicing = normalize((), info.shape or ())
        dtype = numpy_dtype(info.dtype, self.path)
        return self._library.read(info.key, self._index.addresses[info.key], slicing, dtype)

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a dataset, or of the part that ``selection`` means."""
        import numpy as np

        info = readable(self, key)
        slicing = normalize(selection, (0,) if info.shape is None else info.shape)
        dtype = numpy_dtype(info.dtype, self.path)
        if element_count(slicing.box):
            box = self._library.read(info.key, self._index.addresses[info.key], slicing, dtype)
        else:
            box = np.empty(slicing.box, dtype)
        return copied(slicing.finish(box), out)

    def rest(self) -> None:
        """End the worker until it is wanted again."""
        self._library.close()
