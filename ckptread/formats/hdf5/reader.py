"""HDF5 files: those of Keras, and any other.

What it is: datasets in groups, with attributes; each dataset contiguous, in chunks, or within its description.
Specification: HDF5 File Format Specification 3.0, https://support.hdfgroup.org/documentation/hdf5/latest/.
Read here: all of it natively, but for values that only the library decodes, which a worker reads: the filters szip,
nbit and scaleoffset, numbers of odd precision, records with strings or lists of any length.
Not read: external links and storage, virtual datasets (they are in other files), filters of plug-ins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, UnsafeFileError, UnsupportedError
from ckptread.formats.hdf5.chunks import Chunks, OpenChunks, fill_value
from ckptread.formats.hdf5.elements import TooLarge, decode_elements
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.formats.hdf5.library import Hdf5Library
from ckptread.formats.hdf5.metadata import check_metadata
from ckptread.formats.hdf5.native import NativeFile
from ckptread.formats.hdf5.superblock import Unsupported, extra_bytes, stated_end, truncation_error
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
from ckptread.wording import quoted

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
    """An open HDF5 file, read natively; the library is asked for what only it decodes."""

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
        cut = truncation_error(source)
        if cut is not None and not remains:
            raise cut
        self._remains = remains
        self._library = Hdf5Library(source, path, (stated_end(source) or source.size) if remains else None)
        self._native: NativeFile | None = None
        self._chunks = OpenChunks()
        self._compared = 0
        self._index = self._list()
        self.metadata = {**metadata, **self._writer()}
        self.evidence, problems = gather_keras_evidence(self._index.attributes, config, self.metadata, self._same_bytes)
        behind = extra_bytes(source)
        self.problems = [
            *([] if cut is None else [trouble(cut)]),
            *([] if behind is None else [behind]),
            *self._index.problems,
            *problems,
        ]
        listed = list(within(self._index.tensors.values(), source.whole_file().size))
        self.tensors = {t.key: t for t in name_keras_tensors(listed, self.evidence)}

    def _list(self) -> Hdf5Index:
        """List the file natively; by the library, where it has structures that are not read here."""
        try:
            self._native = NativeFile(self._source, self.path, remains=self._remains)
            return self._native.index()
        except Unsupported:
            return self._list_by_library()

    def _list_by_library(self) -> Hdf5Index:
        index = Hdf5Index(self._source, self.path)
        with CloseOnError(self._library):
            self._library.list_into(index)
        return index

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the config says, of an archive or a whole-model .h5."""
        return read_model_facts(self.evidence)

    def rest(self) -> None:
        """End the worker, if there is one, until it is wanted again."""
        self._library.close()

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

    def _writer(self) -> dict[str, str]:
        """Return what the file records about its writer."""
        root = self._index.attributes.get("", {})
        return {name: str(root[name]) for name in ("keras_version", "backend") if name in root}

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
            box = self._library.read(info.key, slicing, dtype)
        elif layout.encoded:
            box = self._decoded(info, slicing)
        else:
            box = self._empty(info, slicing, dtype) if out is None else out.reshape(slicing.box)
            self._fill(info, slicing, box, info.shape)
            return slicing.finish(box) if out is None else out
        return slicing.finish(box) if out is None else _copied(box, out, slicing)

    def _decoded(self, info: TensorInfo, slicing: Slicing) -> Array:
        """Read elements as they are stored, and decode them."""
        import numpy as np

        native = self._file(info)
        dataset = native.datasets[info.key]
        raw = self._empty(info, slicing, np.dtype(f"V{dataset.kind.size}"))
        self._fill(info, slicing, raw, info.shape or ())
        try:
            return decode_elements(raw, dataset.kind, native.collections)
        except TooLarge as error:
            raise UnsafeFileError(self.path, f"{quoted(info.key)} is too large: {error}") from error
        except Malformed as error:
            raise native.damaged(error, f"{quoted(info.key)} cannot be read: ") from error

    def _file(self, info: TensorInfo) -> NativeFile:
        if self._native is None:
            raise UnsupportedError(self.path, f"{quoted(info.key)} is read by the HDF5 library alone")
        return self._native

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

    def open_sources(self) -> tuple[Source, ...]:
        """Return the file."""
        return (self._source.whole_file(),)

    def _chunks_of(self, info: TensorInfo) -> Chunks:
        """Find a dataset's chunks, and keep that, with the chunks in use, of the last few datasets."""
        found = self._chunks.get(info.key)
        if found is None:
            import numpy as np

            native, layout = self._file(info), self._index.layouts[info.key]
            dataset = native.datasets[info.key]
            table = {(*at, *(0 for _ in layout.dims)): chunk for at, chunk in native.chunks(info.key).items()}
            dtype = np.dtype(f"V{dataset.kind.size}") if layout.encoded else numpy_dtype(info.dtype, self.path)
            found = Chunks(self._source, info.key, layout, dtype, table, dataset.kind.size)
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
        """End the worker and close the file."""
        self._chunks.close()
        self._library.close()
        self._source.close()
        super().close()


def _copied(box: Array, out: Array, slicing: Slicing) -> Array:
    """Copy values that were decoded into the array that was given for them."""
    out[...] = slicing.finish(box)
    return out
