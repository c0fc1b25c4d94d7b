"""Reads an HDF5 file natively; its values are read by ``native_values``, which is imported with the first of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ckptread.formats.hdf5.native import NativeFile
from ckptread.formats.hdf5.reader import NO_ARCHIVE, Archive, Hdf5Reader
from ckptread.reader import readable
from ckptread.slicing import Selection
from ckptread.storage.source import Source
from ckptread.tensors import Region

if TYPE_CHECKING:
    from ckptread.formats.hdf5.native_values import NativeValues
    from ckptread.tensors import Array

PIECE_BYTES = 4 << 20


class NativeHdf5Reader(Hdf5Reader):
    """An open HDF5 file, read natively; the library is asked for what only it decodes.

    Raises Unsupported where the file has structures that only the library reads.
    """

    def __init__(self, source: Source, archive: Archive = NO_ARCHIVE, *, remains: bool = False) -> None:
        self._source = source
        self._remains = remains
        self._native = NativeFile(source, source.name, remains=remains)
        self._values: NativeValues | None = None
        self._lock = threading.Lock()
        self._compared = 0
        super().__init__(source, self._native.index(), archive)

    def _read_values(self) -> NativeValues:
        """Return what reads the values, made for the first of them."""
        from ckptread.formats.hdf5.native_values import NativeValues

        with self._lock:
            if self._values is None:
                self._values = NativeValues(self._source, self._native, self._index, remains=self._remains)
            return self._values

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return the layout, chunks and filters of a dataset, and its attributes."""
        from ckptread.formats.hdf5.dataset_facts import dataset_facts

        found = dict(dataset_facts(self._native, self._read_values(), key))
        if found and not self._source.addressable:
            found["layout"] += ", in a deflated member"
        return found

    def _same_bytes(self, key: str, other: str) -> bool:
        """Whether two contiguous datasets hold the same bytes."""
        one, two = (self._index.layouts[k] for k in (key, other))
        nbytes = self._index.tensors[key].nbytes
        if {one.kind, two.kind} != {"contiguous"} or nbytes != self._index.tensors[other].nbytes:
            return False
        self._compared += nbytes
        if self._compared > self._source.size:  # no file holds so many copies, unless they are stored over each other
            return False
        pieces = range(0, nbytes, PIECE_BYTES)
        return all(
            self._source.read(one.offset + at, min(PIECE_BYTES, nbytes - at))
            == self._source.read(two.offset + at, min(PIECE_BYTES, nbytes - at))
            for at in pieces
        )

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a dataset, or of the part that ``selection`` means."""
        return self._read_values().read(readable(self, key), selection, out)

    def regions(self) -> Iterator[Region]:
        """The structures, contiguous datasets, and the chunks of the others."""
        return self._read_values().regions(self.tensors)

    def rest(self) -> None:
        """End the worker, if there is one, until it is wanted again."""
        if self._values is not None:
            self._values.rest()

    def close(self) -> None:
        """Drop the chunks, end the worker and close the file."""
        if self._values is not None:
            self._values.close()
        super().close()
