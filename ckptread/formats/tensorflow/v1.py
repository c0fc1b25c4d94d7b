"""TensorFlow V1 checkpoints, read natively.

What it is: one file, or several ``export-?????-of-?????``, each a sorted table: the empty key holds what tensors
and slices there are, every other key one slice, values and all.
Specification: tensorflow/core/protobuf/saved_tensor_slice.proto, util/tensor_slice_writer.cc.
Read here: every dtype the format can hold, tensors of one slice and of several, the blocks' checksums.
Not read: the graph (``.meta``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.tensorflow.evidence import gather_tensorflow_evidence, name_tensors
from ckptread.formats.tensorflow.leveldb_table import LevelTable, Value
from ckptread.formats.tensorflow.messages import (
    DTYPES,
    SAVED_TENSOR_SLICES,
    TENSOR_VALUE_FIELDS,
    message_shape,
    slice_of,
)
from ckptread.formats.tensorflow.ordered_code import slice_key
from ckptread.formats.tensorflow.paths import v1_files
from ckptread.formats.tensorflow.slices import Piece, assemble, piece_of, tiling_problem
from ckptread.formats.tensorflow.v1_values import decode_values, flat_span, values_of
from ckptread.limits import INDEX_BYTES, MAX_DECODED_BYTES, MAX_ENTRIES
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection, normalize, read_box
from ckptread.storage.memory import BytesSource
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.tensors import (
    ITEM_BYTES,
    Extent,
    Finding,
    Region,
    TensorInfo,
    element_count,
    shape_problem,
)
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import cut, quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array


class _Saved(msgspec.Struct):
    """A tensor, as the files describe it."""

    shape: tuple[int, ...]
    dtype: str
    pieces: list[Piece] = msgspec.field(default_factory=list)
    values: list[tuple[LevelTable, Value] | None] = msgspec.field(default_factory=list)


def open_v1(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a V1 checkpoint by its file, the prefix of its files, or one of them. Raises CheckpointError."""
    return TfV1Reader(storage, v1_files(storage, name) or [name], name)


class TfV1Reader(Reader):
    """An open TensorFlow V1 checkpoint of one or more files."""

    format = "tf-v1"

    def __init__(self, storage: Storage, files: Sequence[str], name: str) -> None:
        self.path = storage.address(name)
        self.problems: list[Finding] = []
        self.metadata = {"writer": "TensorFlow", "files": str(len(files))}
        self._sources: list[Source] = []
        self._tables: list[LevelTable] = []
        self._saved: dict[str, _Saved] = {}
        self._decoded: tuple[Value, Array] | None = None
        with CloseOnError(self):
            for file in files:
                self._open(storage.open(file))
        described = {key: self._describe(key, saved) for key, saved in self._saved.items()}
        self.evidence = gather_tensorflow_evidence(None, storage, {"meta_graph": name + ".meta"}, None)
        self.tensors, _ = name_tensors(described, self.evidence)

    def _open(self, source: Source) -> None:
        self._sources.append(source)
        table = LevelTable(source)
        self._tables.append(table)
        values = self._values(table)
        if b"" not in values:
            raise DamagedFileError(source.name, "the table has no entry that says what it holds")
        for saved_slice in self._meta(table, values[b""])["tensors"]:
            self._add(table, values, saved_slice)
        if len(self._saved) > MAX_ENTRIES:
            raise UnsafeFileError(source.name, f"it lists more than {MAX_ENTRIES:,} tensors")

    def _values(self, table: LevelTable) -> dict[bytes, Value]:
        """Find every entry; a damaged block loses only what is in it, unless it is the first, with the list."""
        found: dict[bytes, Value] = {}
        for number, block in enumerate(table.blocks):
            try:
                found.update(table.values(block))
            except DamagedFileError as error:
                if number == 0:
                    raise
                name = table.source.name
                self.problems.append(
                    Finding(
                        code=error.code,
                        severity="error",
                        message=error.problem,
                        file=name,
                        offset=block.offset,
                        advice=error.advice,
                    )
                )
        return found

    def _meta(self, table: LevelTable, value: Value) -> dict[str, Any]:
        if value.nbytes > INDEX_BYTES:
            raise UnsafeFileError(table.source.name, f"its list of tensors claims {value.nbytes:,} bytes")
        table.verify(value.block)
        try:
            message = SAVED_TENSOR_SLICES.decode(value.source.read(value.at, value.nbytes))
        except Malformed as error:
            raise DamagedFileError(table.source.name, f"its list of tensors cannot be read: {error}") from error
        meta: dict[str, Any] = message.get("meta", {"tensors": []})
        return meta

    def _add(self, table: LevelTable, values: dict[bytes, Value], message: dict[str, Any]) -> None:
        key = message.get("name", "")
        number = message.get("dtype", 0)
        dtype = DTYPES.get(number, f"dtype {number}")
        saved = self._saved.setdefault(key, _Saved(message_shape(message.get("shape", {})), dtype))
        for extents in map(slice_of, message["slices"]):
            value = values.get(slice_key(key.encode("utf-8", "surrogateescape"), extents))
            saved.pieces.append(piece_of(extents, saved.shape))
            saved.values.append(None if value is None else (table, value))

    def _describe(self, key: str, saved: _Saved) -> TensorInfo:
        problem = self._problem(saved)
        nbytes = 0 if problem else ITEM_BYTES.get(saved.dtype, 0) * element_count(saved.shape)
        extent = None
        if problem is None and len(saved.pieces) == 1:
            try:
                extent = self._extent(saved)
            except Malformed as error:
                problem = f"its values cannot be found: {error.problem}"
        if saved.dtype == "string" and problem is None:
            nbytes = sum(value[1].nbytes for value in saved.values if value)
        return TensorInfo(key=key, shape=saved.shape, dtype=saved.dtype, nbytes=nbytes, extent=extent, problem=problem)

    def _problem(self, saved: _Saved) -> str | None:
        if saved.dtype not in TENSOR_VALUE_FIELDS:
            return f"a V1 checkpoint cannot hold its dtype, {saved.dtype}"
        problem = shape_problem(saved.shape)
        if problem is None and None in saved.values:
            problem = f"its slice at {list(saved.pieces[saved.values.index(None)].start)} is missing"
        if problem is None and not saved.pieces:
            problem = "it has no slices"
        return problem or tiling_problem(saved.pieces, saved.shape)

    def _extent(self, saved: _Saved) -> Extent | None:
        _, value = _present(saved.values[0])
        span = flat_span(values_of(value, saved.dtype), saved.dtype, element_count(saved.shape))
        if span is None or isinstance(value.source, BytesSource):
            return None
        file, offset = value.source.locate(span[1])
        return Extent(file=file, offset=offset, nbytes=span[2] - span[1])

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return the slices of a partitioned variable."""
        pieces = self._saved[key].pieces if key in self._saved else []
        return (
            {"layout": f"{len(pieces):,} slices, {cut(' '.join(each.text for each in pieces))}"}
            if len(pieces) > 1
            else {}
        )

    def regions(self) -> Iterator[Region]:
        """Every block of every file, and in them every slice of a tensor."""
        for table in self._tables:
            yield from table.regions()
        for key, info in self.tensors.items():
            saved = self._saved[key]
            for piece, value in zip(saved.pieces, saved.values, strict=True):
                if info.problem is None and value is not None:
                    yield self._region(key, saved, piece, value[1])

    def _region(self, key: str, saved: _Saved, piece: Piece, value: Value) -> Region:
        """A slice, which is decoded to see that it is what it claims; in a compressed block it has no place."""
        check = partial(self._check_piece, key, saved, piece, value)
        if isinstance(value.source, BytesSource):
            return Region(key=key, file=value.source.name, offset=value.block.offset, nbytes=0, check=check)
        return Region(key, *value.source.locate(value.at), value.nbytes, check=check)

    def _check_piece(self, key: str, saved: _Saved, piece: Piece, value: Value) -> bool:
        try:
            flat = flat_span(values_of(value, saved.dtype), saved.dtype, element_count(piece.shape))
            if flat is None:
                self._decode(saved, piece, value)
        except Malformed as error:
            raise self._malformed(value.source.name, key, error, value.block.offset) from error
        return False  # the block has the checksum

    def _malformed(self, file: str, key: str, error: Malformed, offset: int) -> DamagedFileError:
        return DamagedFileError(
            file, f"the values of {quoted(key)}: {error}", advice="download it again", offset=offset
        )

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        import numpy as np

        info = readable(self, key)
        slicing = normalize(selection, info.shape or ())
        saved = self._saved[info.key]
        dtype = numpy_dtype(info.dtype, self.path)
        box = np.empty(slicing.box, dtype) if out is None else out.reshape(slicing.box)

        def read_piece(number: int, ranges: Sequence[range], part: Array) -> None:
            table, value = _present(saved.values[number])
            table.verify(value.block)  # once, before anything in it is believed
            try:
                self._read_piece(saved, saved.pieces[number], value, ranges, part)
            except Malformed as error:
                raise self._malformed(table.source.name, info.key, error, value.block.offset) from error

        assemble(saved.pieces, slicing.ranges, box, read_piece)
        return slicing.finish(box) if out is None else out

    def _read_piece(self, saved: _Saved, piece: Piece, value: Value, ranges: Sequence[range], part: Array) -> None:
        spans = values_of(value, saved.dtype)
        flat = flat_span(spans, saved.dtype, element_count(piece.shape))
        if flat is None:
            decoded = self._decode(saved, piece, value).reshape(piece.shape)
            part[...] = decoded[tuple(slice(r.start, r.stop, r.step) for r in ranges)]
            return
        read_box(lambda at, buffer: value.source.read_into(flat[1] + at, buffer), piece.shape, ranges, part)

    def _decode(self, saved: _Saved, piece: Piece, value: Value) -> Array:
        """Decode a slice, and keep it: the next block of the tensor wants it again."""
        kept = self._decoded  # at once: another thread may put another one there
        if kept is not None and kept[0] is value:
            return kept[1]
        dtype = numpy_dtype(saved.dtype, self.path)
        count = element_count(piece.shape)
        if max(value.nbytes, count * dtype.itemsize) > MAX_DECODED_BYTES:
            raise UnsafeFileError(self.path, f"a slice of {value.nbytes:,} bytes is too large to be decoded")
        values = decode_values(value.source, values_of(value, saved.dtype), dtype, count)
        self._decoded = (value, values)
        return values

    def open_sources(self) -> list[Source]:
        """Return the files."""
        return self._sources

    def source(self, file: str) -> Source | None:
        """Return None: values are read through the blocks of a table."""
        return None

    def close(self) -> None:
        """Close the files."""
        for source in self._sources:
            source.close()
        super().close()


def _present(value: tuple[LevelTable, Value] | None) -> tuple[LevelTable, Value]:
    if value is None:
        raise ValueError("a tensor with a missing slice has a problem, and is not read")
    return value
