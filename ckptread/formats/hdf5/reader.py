"""HDF5 files: those of Keras, and any other.

What it is: datasets in groups, with attributes; each dataset contiguous, in chunks, or within its header.
Specification: HDF5 File Format Specification 3.0, https://support.hdfgroup.org/documentation/hdf5/latest/.
Read here: the index, through h5py in a worker; the bytes by this process: contiguous, compact and chunked, with
deflate, shuffle and fletcher32. The worker reads what only the library can decode (variable-length strings, other
filters). Not read: external links and storage, virtual datasets (they are in other files), plugins' filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.chunks import Chunks, OpenChunks, chunk_table
from ckptread.formats.hdf5.group_trees import check_trees
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.formats.hdf5.library import Hdf5Library
from ckptread.formats.hdf5.superblock import stated_end, truncation_error
from ckptread.limits import MAX_READ_BYTES
from ckptread.model import ModelFacts
from ckptread.names.keras.describe import name_keras_tensors
from ckptread.names.keras.evidence import gather_keras_evidence
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection, Slicing, normalize, read_box
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.tensors import Region, TensorInfo, element_count, trouble
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.budget import within
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import escape
from ckptread.worker.protocol import LocateChunks, ReadCompact, ReadValues

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

PIECE_BYTES = 4 << 20


def open_hdf5(storage: Storage, name: str, remains: Remains = Remains.refused) -> Hdf5Reader:
    """Open an HDF5 file; with ``Remains.accepted`` a truncated or damaged one too. Raises CheckpointError."""
    return open_hdf5_source(storage.open(name), remains)


def open_hdf5_source(
    source: Source,
    remains: Remains = Remains.refused,
    metadata: Mapping[str, str] | None = None,
    config: Any = None,
    format: str = "hdf5",  # noqa: A002 - the reader's attribute
) -> Hdf5Reader:
    """Open the HDF5 file in ``source``, which the reader then owns.

    ``metadata`` and ``config`` are what an archive around it records about the model.
    """
    with CloseOnError(source):
        return Hdf5Reader(source, source.name, format, metadata or {}, config, remains is Remains.accepted)


class Hdf5Reader(Reader):
    """An open HDF5 file."""

    def __init__(
        self,
        source: Source,
        path: str,
        format: str,  # noqa: A002 - the reader's attribute
        metadata: Mapping[str, str],
        config: Any,
        remains: bool,
    ) -> None:
        self.format = format
        self.path = path
        self._source = source
        self._remains = remains
        self._cut = truncation_error(source)
        if self._cut is not None and not remains:
            raise self._cut
        self._chunks = OpenChunks()
        self._compared = 0
        self._index = Hdf5Index(source, path)
        claims = (stated_end(source) or source.size) if remains else None
        self._library = Hdf5Library(source, path, claims)
        with CloseOnError(self._library):
            self._library.list_into(self._index)
        self.metadata = {**metadata, **self._writer()}
        self.evidence, problems = gather_keras_evidence(self._index.attributes, config, self.metadata, self._same_bytes)
        cut = [] if self._cut is None else [trouble(self._cut)]
        self.problems = [*cut, *self._index.problems, *problems]
        listed = list(within(self._index.tensors.values(), source.whole_file().size))
        self.tensors = {t.key: t for t in name_keras_tensors(listed, self.evidence)}

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the configuration says, of an archive or a whole-model .h5."""
        return read_model_facts(self.evidence)

    def rest(self) -> None:
        """End the worker until the next question: of many open files, few are read at a time."""
        self._library.close()

    def _same_bytes(self, key: str, other: str) -> bool:
        """Whether two contiguous datasets hold the same bytes."""
        one, two = (self._index.layouts[k] for k in (key, other))
        nbytes = self._index.tensors[key].nbytes
        if {one.kind, two.kind} != {"contiguous"} or nbytes != self._index.tensors[other].nbytes:
            return False
        self._compared += nbytes
        if self._compared > self._source.size:  # no file holds so many copies, unless they overlap
            return False
        pieces = range(0, nbytes, PIECE_BYTES)
        return all(
            self._source.read(one.offset + at, min(PIECE_BYTES, nbytes - at))
            == self._source.read(two.offset + at, min(PIECE_BYTES, nbytes - at))
            for at in pieces
        )

    def _writer(self) -> dict[str, str]:
        """Return what the file records about its writer."""
        root = self._index.attributes.get("", {})
        return {name: str(root[name]) for name in ("keras_version", "backend") if name in root}

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a dataset, or of the part that ``selection`` selects."""
        import numpy as np

        info = readable(self, key)
        shape = (0,) if info.shape is None else info.shape
        slicing = normalize(selection, shape)
        dtype = numpy_dtype(info.dtype, self.path)
        if element_count(slicing.box) * dtype.itemsize > MAX_READ_BYTES:
            raise UnsafeFileError(self.path, f"{escape(info.key)!r} claims {info.nbytes:,} bytes")
        if dtype.hasobject and info.shape is not None and element_count(slicing.box):
            return slicing.finish(self._ask_values(info, slicing, dtype))
        box = self._empty(info, slicing, dtype) if out is None else out.reshape(slicing.box)
        if box.size and info.shape is not None:
            self._fill(info, slicing, box)
        return np.asarray(slicing.finish(box)) if out is None else out

    def _empty(self, info: TensorInfo, slicing: Slicing, dtype: np.dtype[Any]) -> Array:
        import numpy as np

        try:
            return np.empty(slicing.box, dtype)
        except (MemoryError, ValueError) as error:
            raise UnsafeFileError(
                self.path, f"{escape(info.key)!r} claims {info.nbytes:,} bytes, more than there is memory for",
                advice="read it in slices or blocks",
            ) from error  # fmt: skip

    def _fill(self, info: TensorInfo, slicing: Slicing, box: Array) -> None:
        layout = self._index.layouts[info.key]
        shape = info.shape or ()
        if layout.kind == "contiguous":
            source, offset = self._source, layout.offset
            read_box(lambda at, buffer: source.read_into(offset + at, buffer), shape, slicing.ranges, box)
        elif layout.kind == "chunked":
            self._chunks_of(info).read(slicing.ranges, box)
        elif layout.kind == "fill":
            box[...] = self._array(layout.fill, box.dtype, ())
        elif layout.kind == "compact":
            whole = self._array(self._library.answer(ReadCompact(key=info.key)), box.dtype, shape)
            box[...] = whole[tuple(slice(r.start, r.stop, r.step) for r in slicing.ranges)]
        else:
            box[...] = self._ask_values(info, slicing, box.dtype)

    def _array(self, raw: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        import numpy as np

        if len(raw) != element_count(shape) * dtype.itemsize:
            raise DamagedFileError(self.path, f"an array of shape {list(shape)} is stored in {len(raw):,} bytes")
        return np.frombuffer(raw, dtype).reshape(shape)

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source.whole_file(),)

    def _chunks_of(self, info: TensorInfo) -> Chunks:
        """Return a dataset's chunks; those of the last few datasets are kept."""
        found = self._chunks.get(info.key)
        if found is None:
            raw = self._library.answer(LocateChunks(key=info.key))
            table = chunk_table(raw, self._index.layouts[info.key].chunk, self._source, info.key)
            dtype = numpy_dtype(info.dtype, self.path)
            found = Chunks(self._source, info.key, self._index.layouts[info.key], dtype, table)
            self._chunks.add(info.key, found)
        return found

    def _ask_values(self, info: TensorInfo, slicing: Slicing, dtype: np.dtype[Any]) -> Array:
        """Have the worker read what only the library can decode."""
        from ckptread.formats.hdf5.values import decode

        selection = [(r.start, r.stop, r.step) for r in slicing.ranges]
        raw = self._library.answer(ReadValues(key=info.key, selection=selection))
        try:
            return decode(raw, dtype, slicing.box)
        except Malformed as error:
            raise DamagedFileError(self.path, f"the values of {escape(info.key)!r}: {error}") from error

    def regions(self) -> Iterator[Region]:
        """Yield the groups' trees, contiguous datasets, and the chunks of the others."""
        yield Region(None, *self._source.locate(0), 0, check=partial(check_trees, self._source), name="the groups")
        for key, info in self.tensors.items():
            if info.problem is not None or info.alias_of is not None:
                continue
            layout = self._index.layouts[key]
            if layout.kind == "contiguous":
                where = self._source.locate(layout.offset)
                yield Region(key, *where, self._own(info.nbytes), read_into=self._source.from_offset(layout.offset))
            elif layout.kind == "chunked":
                yield from self._chunk_regions(info)

    def _chunk_regions(self, info: TensorInfo) -> Iterator[Region]:
        """Yield a dataset's chunks; where they cannot be located, one region whose check raises the reason."""
        try:
            for start, chunk in self._chunks_of(info):
                check = partial(self._chunks_of(info).check, start, chunk)
                yield Region(info.key, *self._source.locate(chunk.offset), self._own(chunk.nbytes), check=check)
        except CheckpointError:
            yield Region(info.key, *self._source.locate(0), 0, check=partial(self._check_chunks, info))

    def _own(self, nbytes: int) -> int:
        """Return the size that a region takes in the file: 0 within a deflated member."""
        return nbytes if self._source.addressable else 0

    def _check_chunks(self, info: TensorInfo) -> bool:
        """Raise the error with which a dataset's chunks cannot be located."""
        return self._chunks_of(info) is None

    def close(self) -> None:
        """End the worker and close the file."""
        self._chunks.close()
        self._library.close()
        self._source.close()
        super().close()
