"""TensorFlow V2 checkpoints, read natively.

What it is: a ``PREFIX.index``, a sorted table of tensor names and where their bytes lie, and the shards
``PREFIX.data-NNNNN-of-NNNNN`` that hold the bytes.
Specification: tensorflow/core/protobuf/tensor_bundle.proto, util/tensor_bundle/tensor_bundle.cc.
Read here: every dtype of a fixed size, strings, partitioned variables, either byte order, all checksums.
Not read: variants and resources (TensorFlow's own serialized objects).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.mistakes import blame_substitute
from ckptread.formats.tensorflow.entries import BundleEntry, array_problem, decode_entries
from ckptread.formats.tensorflow.evidence import gather_tensorflow_evidence, name_tensors
from ckptread.formats.tensorflow.index import read_bundle_header, read_tensor_index
from ckptread.formats.tensorflow.leveldb_table import unmask
from ckptread.formats.tensorflow.ordered_code import SLICE_PREFIX, slice_key
from ckptread.formats.tensorflow.shards import Shards
from ckptread.formats.tensorflow.slices import Piece, assemble, piece_of, tiling_problem
from ckptread.formats.tensorflow.strings import decode_strings
from ckptread.formats.tensorflow.variants import check_variants
from ckptread.limits import MAX_KEY_BYTES, MAX_STRINGS_BYTES
from ckptread.names.tensorflow.describe import OBJECT_GRAPH_KEY
from ckptread.names.tensorflow.object_graph import ObjectGraph
from ckptread.reader import Reader, Remains, readable
from ckptread.slicing import Selection, normalize, read_box
from ckptread.storage.source import CloseOnError, Source, Stamp, Storage, check_unchanged
from ckptread.storage.tensor_bytes import RunningChecksum
from ckptread.tensors import Checksum, Extent, Finding, Region, TensorInfo
from ckptread.untrusted.binary import Malformed, text
from ckptread.untrusted.budget import most_bytes, within
from ckptread.untrusted.dtypes import numpy_dtype, swap_bytes
from ckptread.wording import quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array


def open_bundle(storage: Storage, prefix: str, remains: Remains = Remains.refused) -> Reader:
    """Open the checkpoint of a prefix; with ``Remains.accepted``, of a damaged index all that still makes sense.

    Raises CheckpointError.
    """
    return TfBundleReader(storage, prefix, remains)


class TfBundleReader(Reader):
    """An open TensorFlow V2 checkpoint."""

    format = "tf-bundle"

    def __init__(
        self,
        storage: Storage,
        prefix: str,
        remains: Remains = Remains.refused,
        *,
        folder: str | None = None,
        beside: Mapping[str, str] | None = None,
    ) -> None:
        """Open the checkpoint of a prefix.

        ``folder`` is a SavedModel's: what is opened, and what its shards may not leave. ``beside`` has the names of
        files that describe the tensors, by the field of the evidence; they need not exist.
        """
        self.path = storage.address(prefix if folder is None else folder)
        self._storage = storage
        self._prefix = prefix
        self._folder = folder
        self._beside = beside or {"meta_graph": prefix + ".meta"}
        self.problems: list[Finding] = []
        self._source = storage.open(prefix + ".index")
        with CloseOnError(self._source):
            self._open(remains)

    def _open(self, remains: Remains) -> None:
        try:
            self._index = read_tensor_index(self._source, remains)
        except DamagedFileError as error:
            raise blame_substitute(error, self._storage, self._prefix + ".index") from error
        self._header = read_bundle_header(self._index, self._storage, self._prefix)
        self.problems += self._index.problems
        self._shards = Shards(self._storage, self._prefix, self._header.num_shards, self._folder)
        with CloseOnError(self._shards):
            self._describe_all()
            check_unchanged(self._storage, {self._prefix + ".index": self._source.stamp, **self._shards.names()})

    def _describe_all(self) -> None:
        self._entries = decode_entries(self._index.entries)
        self._pieces: dict[str, list[Piece]] = {}
        slices = self._slice_keys()
        listed = {key: entry for key, entry in self._entries.items() if key not in slices}
        described = [self._describe(key, entry) for key, entry in listed.items()]
        self.tensors = {info.key: info for info in within(described, self._shards.nbytes)}
        evidence = gather_tensorflow_evidence(self._object_graph(), self._storage, self._beside, self._same_checksum)
        self.tensors, problems = name_tensors(self.tensors, evidence)
        self.evidence = msgspec.structs.replace(evidence, object_graph=ObjectGraph())  # large, and no longer needed
        self.problems += problems
        self.problems += self._shards.findings(self._entries.values())
        self.metadata = self._header.metadata()

    def _slice_keys(self) -> dict[bytes, bytes]:
        """Return the keys that hold a slice of another key's tensor, each with that key."""
        owners: dict[bytes, bytes] = {}
        for name, entry in self._entries.items():
            if entry is not None and entry.slices:
                owners.update((slice_key(name, extents), name) for extents in entry.slices)
        return {key: owner for key, owner in owners.items() if key in self._entries and key.startswith(SLICE_PREFIX)}

    def _describe(self, raw_key: bytes, entry: BundleEntry | None) -> TensorInfo:
        key = text(raw_key)
        if entry is None:
            return TensorInfo(
                key=key, shape=None, dtype="unknown", nbytes=0, problem="its entry in the index cannot be read"
            )
        if len(raw_key) > MAX_KEY_BYTES:
            return TensorInfo(
                key=key,
                shape=entry.shape,
                dtype=entry.dtype,
                nbytes=0,
                problem=f"its name takes {len(raw_key):,} bytes",
            )
        if entry.slices:
            return self._describe_sliced(raw_key, entry)
        problem = self._shards.problem(entry)
        if problem is None:
            return TensorInfo(
                key=key, shape=entry.shape, dtype=entry.dtype, nbytes=entry.nbytes, extent=self._extent(entry)
            )
        nbytes, unsupported = max(0, entry.nbytes), not entry.is_known()
        return TensorInfo(
            key=key,
            shape=entry.shape,
            dtype=entry.dtype,
            nbytes=nbytes,
            extent=None,
            problem=problem,
            unsupported=unsupported,
        )

    def _extent(self, entry: BundleEntry) -> Extent:
        """Strings have a checksum of their own kind: it is not the one of the bytes as they lie there."""
        checksum = None if entry.dtype == "string" else Checksum("crc32c", unmask(entry.crc32c))
        name = self._shards.path(entry.shard)
        return Extent(
            file=name, offset=entry.offset, nbytes=entry.nbytes, checksum=checksum, byteorder=self._header.byteorder
        )

    def _describe_sliced(self, key: bytes, entry: BundleEntry) -> TensorInfo:
        problem = array_problem(entry.dtype, entry.shape)
        pieces = [piece_of(extents, entry.shape) for extents in entry.slices]
        problem = problem or tiling_problem(pieces, entry.shape)
        for extents, piece in zip(entry.slices, pieces, strict=True):
            problem = problem or self._slice_problem(slice_key(key, extents), entry, piece)
        self._pieces[text(key)] = pieces
        return TensorInfo(
            key=text(key),
            shape=entry.shape,
            dtype=entry.dtype,
            nbytes=entry.expected_bytes() or 0,
            extent=None,
            problem=problem,
        )

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return the slices of a partitioned variable, each with its place: file, offset and bytes."""
        raw_key = key.encode("utf-8", "surrogateescape")
        entry = self._entries.get(raw_key)
        if entry is None or key not in self._pieces:
            return {}
        parts = [self._entries.get(slice_key(raw_key, extents)) for extents in entry.slices]
        named = zip((piece.text for piece in self._pieces[key]), map(self._place, parts), strict=True)
        return {"layout": f"{len(parts):,} slices", **dict(named)}

    def _place(self, part: BundleEntry | None) -> str:
        return (
            "missing" if part is None else f"{self._shards.path(part.shard)}, offset {part.offset}, {part.nbytes} bytes"
        )

    def _slice_problem(self, key: bytes, whole: BundleEntry, piece: Piece) -> str | None:
        part = self._entries.get(key)
        name = f"its slice at {list(piece.start)} of shape {list(piece.shape)}"
        if part is None:
            return f"{name} is missing"
        if (part.dtype, part.shape) != (whole.dtype, piece.shape):
            return f"{name} is stored with the shape {list(part.shape)} and dtype {part.dtype}"
        problem = self._shards.problem(part)
        return None if problem is None else f"{name}: {problem}"

    def _object_graph(self) -> bytes | None:
        info = self.tensors.get(OBJECT_GRAPH_KEY)
        if info is None or info.problem is not None or info.dtype != "string" or info.size != 1:
            return None
        try:
            return self.strings(OBJECT_GRAPH_KEY)[0]
        except CheckpointError as error:
            message = f"the object graph cannot be read: {error.problem}"
            self.problems.append(
                Finding(code=error.code, severity="error", message=message, key=OBJECT_GRAPH_KEY, file=error.path)
            )
            return None

    def _same_checksum(self, key: str, other: str) -> bool:
        """Whether the index states the same size and checksum for two tensors: the values need not be read."""
        one, two = (self._entries.get(k.encode("utf-8", "surrogateescape")) for k in (key, other))
        if one is None or two is None or one.slices or two.slices:
            return False
        return (one.nbytes, one.crc32c) == (two.nbytes, two.crc32c)

    def regions(self) -> Iterator[Region]:
        """The blocks of the index, and every tensor and slice."""
        yield from self._index.regions()
        owners, left = self._slice_keys(), most_bytes(self._shards.nbytes)
        for key, entry in self._entries.items():
            if entry is not None and not entry.slices and self._is_checked(entry):
                left -= entry.nbytes
                if left < 0:  # overlapping tensors: each has its own finding
                    return
                yield self._region(text(owners.get(key, key)), entry)

    def _region(self, key: str, entry: BundleEntry) -> Region:
        extent, shards = self._extent(entry), self._shards
        where = (key, extent.file, extent.offset, extent.nbytes)
        if entry.dtype in ("string", "variant"):
            check = self._check_strings if entry.dtype == "string" else self._check_variants
            return Region(*where, check=partial(check, key, entry))
        read_into = partial(shards.read_into, entry.shard, entry.offset)
        return Region(*where, extent.checksum, read_into)

    def _is_checked(self, entry: BundleEntry) -> bool:
        """Whether the bytes of an entry can be checked: those of variants too, which cannot be read."""
        variants = entry.dtype == "variant" and 0 <= entry.nbytes <= MAX_STRINGS_BYTES
        return self._shards.holds(entry) if variants else self._shards.problem(entry) is None

    def _check_variants(self, key: str, entry: BundleEntry) -> bool:
        source = self._shards.source(entry.shard)
        data = source.read(entry.offset, entry.nbytes)
        try:
            check_variants(data, entry.size, unmask(entry.crc32c), self._header.byteorder)
        except Malformed as error:
            problem = f"the variants of {quoted(key)} at byte {entry.offset:,}: {error.problem}"
            advice = "they are damaged, or of another step than the index: download them again"
            raise DamagedFileError(source.name, problem, advice=advice, offset=entry.offset) from error
        return True

    def _check_strings(self, key: str, entry: BundleEntry) -> bool:
        self._decode_strings(key, entry)
        return True

    def strings(self, key: str) -> list[bytes]:
        """Return the strings of a tensor in C order, as bytes, without numpy. Raises as ``read`` does."""
        info = readable(self, key)
        entry = self._entries[info.key.encode("utf-8", "surrogateescape")]
        if entry is None:
            raise DamagedFileError(self.path, f"the entry of {quoted(key)} cannot be read")
        return self._decode_strings(info.key, entry)

    def _decode_strings(self, key: str, entry: BundleEntry) -> list[bytes]:
        if entry.nbytes > MAX_STRINGS_BYTES:
            raise UnsafeFileError(self.path, f"the strings of {quoted(key)} take {entry.nbytes:,} bytes")
        source = self._shards.source(entry.shard)
        data = source.read(entry.offset, entry.nbytes)
        try:
            return decode_strings(data, entry.size, unmask(entry.crc32c), self._header.byteorder)
        except Malformed as error:
            raise DamagedFileError(
                source.name, f"the strings of {quoted(key)} at byte {entry.offset:,}: {error.problem}",
                advice="they are damaged, or of another step than the index: download them again", offset=entry.offset,
            ) from error  # fmt: skip

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        import numpy as np

        info = readable(self, key)
        shape = info.shape or ()
        slicing = normalize(selection, shape)
        dtype = numpy_dtype(info.dtype, self.path)
        box = np.empty(slicing.box, dtype) if out is None else out.reshape(slicing.box)
        raw_key = info.key.encode("utf-8", "surrogateescape")
        whole = slicing.is_whole(shape)
        if info.key in self._pieces:
            slices = self._entries[raw_key].slices  # type: ignore[union-attr]
            parts = [self._entries[slice_key(raw_key, extents)] for extents in slices]
            read_part = partial(self._read_slice, info, parts, whole)
            assemble(self._pieces[info.key], slicing.ranges, box, read_part)
        else:
            self._read_entry(info, self._entries[raw_key], slicing.ranges, box, whole)
        return slicing.finish(box) if out is None else out

    def _read_slice(
        self,
        info: TensorInfo,
        parts: Sequence[BundleEntry | None],
        whole: bool,
        number: int,
        ranges: Sequence[range],
        part: Array,
    ) -> None:
        self._read_entry(info, parts[number], ranges, part, whole)

    def _read_entry(
        self, info: TensorInfo, entry: BundleEntry | None, ranges: Sequence[range], out: Array, whole: bool
    ) -> None:
        """Fill ``out`` with the ranges of one entry's tensor; a whole one is checked against its checksum."""
        import numpy as np

        if entry is None:
            raise DamagedFileError(self.path, f"the entry of {quoted(info.key)} cannot be read")
        if info.dtype == "string":
            values = np.empty(entry.size, object)
            values[:] = self._decode_strings(info.key, entry)
            out[...] = values.reshape(entry.shape)[tuple(slice(r.start, r.stop, r.step) for r in ranges)]
            return
        source: Source = self._shards.source(entry.shard)
        stored = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        read_box(lambda at, buffer: source.read_into(entry.offset + at, buffer), entry.shape, ranges, stored)
        if self._header.byteorder == "big":
            swap_bytes(stored)
        if whole:
            running = RunningChecksum(self.path, info.key, self._extent(entry))
            running.update(stored)
            running.verify()
        if stored is not out:
            out[...] = stored

    def source(self, file: str) -> Source | None:
        """Return a shard."""
        return self._shards.named(file)

    def open_sources(self) -> tuple[Source, ...]:
        """Return the index; shards are opened when they are read."""
        return (self._source,)

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the stamp of the index and of each shard that entries refer to."""
        return {self._source.name: self._source.stamp, **self._shards.stamps()}

    def close(self) -> None:
        """Close the index and the shards."""
        self._source.close()
        self._shards.close()
        super().close()
