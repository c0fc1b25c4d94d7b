"""Reads an HDF5 file natively; a worker runs the library for the values that only it decodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, UnsafeFileError
from ckptread.formats.hdf5.chunks import Chunks, fill_value
from ckptread.formats.hdf5.dataset_facts import dataset_facts
from ckptread.formats.hdf5.elements import TooLarge, decode_elements
from ckptread.formats.hdf5.h5py_reader import copied
from ckptread.formats.hdf5.library import Hdf5Library
from ckptread.formats.hdf5.metadata import check_metadata
from ckptread.formats.hdf5.native import NativeFile
from ckptread.formats.hdf5.open_chunks import OpenChunks
from ckptread.formats.hdf5.reader import NO_ARCHIVE, Archive, Hdf5Reader
from ckptread.formats.hdf5.storage_layout import CHUNKED
from ckptread.formats.hdf5.superblock import stated_end
from ckptread.limits import MAX_READ_BYTES
from ckptread.reader import readable
from ckptread.slicing import Selection, Slicing, normalize, read_box
from ckptread.storage.source import Source
from ckptread.tensors import Region, TensorInfo, element_count
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

PIECE_BYTES = 4 << 20


class NativeHdf5Reader(Hdf5Reader):
    """An open HDF5 file, read natively; the library is asked for what only it decodes.

    Raises Unsupported where the file has structures that only the library reads.
    """

    def __init__(self, source: Source, archive: Archive = NO_ARCHIVE, *, remains: bool = False) -> None:
        self._source = source
        self._native = NativeFile(source, source.name, remains=remains)
        self._library = Hdf5Library(source, source.name, (stated_end(source) or source.size) if remains else None)
        self._chunks = OpenChunks()
        self._found: set[str] = set()
        """Datasets that the library reads, whose chunks were found."""
        self._compared = 0
        super().__init__(source, self._native.index(), archive)

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return the layout, chunks and filters of a dataset, and its attributes."""
        found = dict(dataset_facts(self._native, key))
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
        import numpy as np

        info = readable(self, key)
        shape = (0,) if info.shape is None else info.shape
        slicing = normalize(selection, shape)
        dtype = numpy_dtype(info.dtype, self.path)
        layout = self._index.layouts[info.key]
        if info.shape is None or not element_count(slicing.box):
            box = np.empty(slicing.box, dtype) if out is None else out.reshape(slicing.box)
        elif layout.kind == "library":
            box = self._by_library(info, slicing, dtype)
        elif layout.encoded:
            box = self._decoded(info, slicing)
        else:
            box = self._empty(info, slicing, dtype) if out is None else out.reshape(slicing.box)
            self._fill(info, slicing, box, info.shape)
            return slicing.finish(box) if out is None else out
        return copied(slicing.finish(box), out)

    def _by_library(self, info: TensorInfo, slicing: Slicing, dtype: np.dtype[Any]) -> Array:
        """Have the library decode what only it decodes; damage is found before it is asked."""
        if self._native.datasets[info.key].layout.kind == CHUNKED and info.key not in self._found:
            self._native.chunks(info.key)
            self._found.add(info.key)
        return self._library.read(info.key, self._index.addresses[info.key], slicing, dtype)

    def _decoded(self, info: TensorInfo, slicing: Slicing) -> Array:
        """Read elements as they are stored, and decode them."""
        import numpy as np

        native, dataset = self._native, self._native.datasets[info.key]
        raw = self._empty(info, slicing, np.dtype(f"V{dataset.kind.size}"))
        self._fill(info, slicing, raw, info.shape or ())
        try:
            return decode_elements(raw, dataset.kind, native.collections, native.path_of)
        except TooLarge as error:
            raise UnsafeFileError(self.path, f"{quoted(info.key)} is too large: {error}") from error
        except Malformed as error:
            raise native.damaged(error, f"{quoted(info.key)} cannot be read: ") from error

    def _empty(self, info: TensorInfo, slicing: Slicing, dtype: np.dtype[Any]) -> Array:
        import numpy as np

        nbytes = element_count(slicing.box) * dtype.itemsize
        try:
            if nbytes <= MAX_READ_BYTES:
                return np.empty(slicing.box, dtype)
        except (MemoryError, ValueError):
            pass
        raise UnsafeFileError(
            self.path, f"{quoted(info.key)} claims {info.nbytes:,} bytes, more than there is memory for",
            advice="read it in slices or blocks",
        )  # fmt: skip

    def _fill(self, info: TensorInfo, slicing: Slicing, box: Array, shape: tuple[int, ...]) -> None:
        """Fill ``box`` with elements as they are stored."""
        layout = self._index.layouts[info.key]
        if layout.kind == "contiguous":
            source, offset = self._source, layout.offset
            read_box(lambda at, buffer: source.read_into(offset + at, buffer), shape, slicing.ranges, box)
        elif layout.kind == "chunked":
            self._chunks_of(info).read(slicing.ranges, box)
        else:
            box[...] = fill_value(layout, box.dtype, slicing.ranges)

    def _chunks_of(self, info: TensorInfo) -> Chunks:
        """Find a dataset's chunks, and keep that, with the chunks in use, of the last few datasets."""
        found = self._chunks.get(info.key)
        if found is None:
            import numpy as np

            native, layout = self._native, self._index.layouts[info.key]
            dataset = native.datasets[info.key]
            table = {(*at, *(0 for _ in layout.dims)): chunk for at, chunk in native.chunks(info.key).items()}
            dtype = np.dtype(f"V{dataset.kind.size}") if layout.encoded else numpy_dtype(info.dtype, self.path)
            found = Chunks(self._source, info.key, layout, dtype, table, dataset.kind.size, info.shape or ())
            self._chunks.add(info.key, found)
        return found

    def regions(self) -> Iterator[Region]:
        """The trees of the groups, contiguous datasets, and the chunks of the others."""
        yield Region(
            None, *self._source.locate(0), 0, check=partial(check_metadata, self._source), name="the structures"
        )
        for key, info in self.tensors.items():
            layout = self._index.layouts[key]
            if info.problem is not None or info.alias_of is not None or layout.encoded:
                continue
            if layout.kind == "contiguous":
                where = self._source.locate(layout.offset)
                yield Region(key, *where, self._own(info.nbytes), read_into=self._source.from_offset(layout.offset))
            elif layout.kind == "chunked":
                yield from self._chunk_regions(info)

    def _chunk_regions(self, info: TensorInfo) -> Iterator[Region]:
        """The chunks of a dataset; where they cannot be found, one region that says so when it is checked."""
        try:
            for start, chunk in self._chunks_of(info):
                check = partial(self._chunks_of(info).check, start, chunk)
                yield Region(info.key, *self._source.locate(chunk.offset), self._own(chunk.nbytes), check=check)
        except CheckpointError:
            yield Region(info.key, *self._source.locate(0), 0, check=partial(self._check_chunks, info))

    def _own(self, nbytes: int) -> int:
        """Return the size of a region of the file: 0 within what is deflated."""
        return nbytes if self._source.addressable else 0

    def _check_chunks(self, info: TensorInfo) -> bool:
        """Raise what is wrong with where a dataset's chunks are."""
        return self._chunks_of(info) is None

    def close(self) -> None:
        """Drop the chunks, end the worker and close the file."""
        self._chunks.close()
        super().close()
