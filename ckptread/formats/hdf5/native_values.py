"""The values of a file that is read natively; a worker runs the library for those that only it decodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.chunk_grid import Chunk, Position
from ckptread.formats.hdf5.chunk_index import read_chunk_index
from ckptread.formats.hdf5.chunks import Chunks, fill_value
from ckptread.formats.hdf5.elements import Collections, TooLarge, decode_elements
from ckptread.formats.hdf5.heaps import read_collection
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.formats.hdf5.library import Hdf5Library
from ckptread.formats.hdf5.metadata import check_metadata
from ckptread.formats.hdf5.native import NativeFile
from ckptread.formats.hdf5.open_chunks import OpenChunks
from ckptread.formats.hdf5.reader import copied
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.storage_layout import CHUNKED
from ckptread.formats.hdf5.superblock import stated_end
from ckptread.limits import MAX_READ_BYTES
from ckptread.slicing import Selection, Slicing, normalize, read_box
from ckptread.storage.source import Source
from ckptread.tensors import Region, TensorInfo, element_count
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


class NativeValues:
    """The values of the datasets of one file."""

    def __init__(self, source: Source, native: NativeFile, index: Hdf5Index, *, remains: bool) -> None:
        self._source = source
        self._native = native
        self._index = index
        self._library = Hdf5Library(source, index.path, (stated_end(source) or source.size) if remains else None)
        self._chunks = OpenChunks()
        self._found: set[str] = set()
        """Datasets that the library reads, whose chunks were found."""

    def read(self, info: TensorInfo, selection: Selection, out: Array | None) -> Array:
        """Return the values of a dataset, or of the part that ``selection`` means."""
        import numpy as np

        shape = (0,) if info.shape is None else info.shape
        slicing = normalize(selection, shape)
        dtype = numpy_dtype(info.dtype, self._index.path)
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
            self.find_chunks(info.key)
            self._found.add(info.key)
        return self._library.read(info.key, self._index.addresses[info.key], slicing, dtype)

    def _decoded(self, info: TensorInfo, slicing: Slicing) -> Array:
        """Read elements as they are stored, and decode them."""
        import numpy as np

        native, dataset = self._native, self._native.datasets[info.key]
        raw = self._empty(info, slicing, np.dtype(f"V{dataset.kind.size}"))
        self._fill(info, slicing, raw, info.shape or ())
        try:
            return decode_elements(raw, dataset.kind, self._collections, native.path_of)
        except TooLarge as error:
            raise UnsafeFileError(self._index.path, f"{quoted(info.key)} is too large: {error}") from error
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
            self._index.path, f"{quoted(info.key)} claims {info.nbytes:,} bytes, more than there is memory for",
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

            dataset, layout = self._native.datasets[info.key], self._index.layouts[info.key]
            table = {(*at, *(0 for _ in layout.dims)): chunk for at, chunk in self.find_chunks(info.key).items()}
            dtype = np.dtype(f"V{dataset.kind.size}") if layout.encoded else numpy_dtype(info.dtype, self._index.path)
            found = Chunks(self._source, info.key, layout, dtype, table, dataset.kind.size, info.shape or ())
            self._chunks.add(info.key, found)
        return found

    def regions(self, tensors: Mapping[str, TensorInfo]) -> Iterator[Region]:
        """The structures, contiguous datasets, and the chunks of the others."""
        yield Region(
            None, *self._source.locate(0), 0, check=partial(check_metadata, self._source), name="the structures"
        )
        for key, info in tensors.items():
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

    def find_chunks(self, key: str) -> dict[Position, Chunk]:
        """Return where the chunks of a dataset are. Raises DamagedFileError."""
        native = self._native
        found = native.run(read_chunk_index(native.head, native.datasets[key]), f"the chunks of {quoted(key)}: ")
        outside = next((each for each in found.values() if each.offset + each.nbytes > self._source.size), None)
        if outside is not None:
            problem = f"a chunk of {quoted(key)} is outside the file"
            raise DamagedFileError(self._index.path, problem, offset=outside.offset)
        return found

    def _collections(self, addresses: list[int]) -> Collections:
        """Read collections of the global heap, by address. Raises DamagedFileError."""
        return self._native.run(self._read_collections(addresses))

    def _read_collections(self, addresses: list[int]) -> Parser[Collections]:
        found = {}
        for address in addresses:
            found[address] = yield from read_collection(self._native.head, address)
        return found

    def rest(self) -> None:
        """End the worker until it is wanted again."""
        self._library.close()

    def close(self) -> None:
        """Drop the chunks."""
        self._chunks.close()
