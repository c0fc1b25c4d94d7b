"""The header and the entries of a TensorFlow V2 index, and the shards that they point into."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from ckptread.binary import Allowance, Malformed, varint
from ckptread.errors import DamagedFileError
from ckptread.escape import escape
from ckptread.formats.candidate import look
from ckptread.formats.mistakes import find_substitute
from ckptread.formats.tf_messages import BUNDLE_ENTRY, BUNDLE_HEADER, DTYPES, SHAPE, shape_of, slice_of
from ckptread.formats.tf_paths import listing
from ckptread.formats.tf_slices import Extents
from ckptread.records import dataclass
from ckptread.source import FileSource, Source
from ckptread.spans import gaps
from ckptread.tensors import ITEM_BYTES, Finding, element_count, shape_problem

MAX_SHARDS = 100_000
"""More than anyone has written: the number stands in the file's name, five digits of it."""
ENTRY_VALUES = 3_000_000
"""The most values in all entries: fifteen for each of 200,000 tensors; a dimension may take two bytes of the file."""
STRINGS_OVERHEAD = 4
"""Bytes of a tensor of strings beside the strings and their lengths: the lengths' checksum."""

NUMBER = rb"([\x80-\xff]{0,4}[\x00-\x7f])"
PLACE = re.compile(rb"(?:\x18%b)?(?:\x20%b)?\x28%b\x35(.{4})" % (NUMBER, NUMBER, NUMBER), re.DOTALL)
"""What follows the dtype and the shape in a usual entry: shard, offset, size and checksum."""

USUAL_SHAPE_BYTES = 64
"""At most sixteen dimensions, however they are written."""

ByteOrder = Literal["little", "big"]


@dataclass(frozen=True, slots=True)
class Header:
    """What the index says of the checkpoint as a whole."""

    num_shards: int
    byteorder: ByteOrder
    producer: int
    """Version of the writer's bundle format; 1 since 2016."""

    def metadata(self) -> dict[str, str]:
        """Return it as a reader's metadata."""
        return {"writer": "TensorFlow", "shards": str(self.num_shards), "byteorder": self.byteorder}


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One entry of the index: a tensor, whole or in slices, or one slice."""

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    nbytes: int
    crc32c: int
    """The masked checksum, as stated."""
    slices: tuple[Extents, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return element_count(self.shape)

    def expected_bytes(self) -> int | None:
        """Return the bytes that the shape and dtype take, or None where their size is not fixed."""
        item = ITEM_BYTES.get(self.dtype)
        return None if item is None else item * self.size

    def shape_problem(self) -> str | None:
        """Say why no array can have this shape and dtype."""
        if self.dtype in ITEM_BYTES:
            return shape_problem(self.shape)
        if self.dtype in ("resource", "variant"):
            return f"it is a {self.dtype}, an object of TensorFlow's own and no array"
        if self.dtype.startswith("dtype "):
            return f"its {self.dtype} is unknown here; a TensorFlow that knows it reads it: --backend tensorflow"
        return shape_problem(self.shape)

    def is_placed(self) -> bool:
        """Whether it says of a known number of bytes where they lie, in the file or beyond its end."""
        return self.offset >= 0 and self.nbytes >= 0 and self.shape_problem() is None and _size_problem(self) is None


def decode_header(data: bytes, name: str) -> tuple[Header, str | None]:
    """Return the header, and what is wrong with it. Raises DamagedFileError where it is no header at all."""
    try:
        fields = BUNDLE_HEADER.decode(data)
    except Malformed as error:
        raise DamagedFileError(name, f"the index's header cannot be read: {error}") from error
    shards = fields.get("num_shards", 0)
    byteorder: ByteOrder = "big" if fields.get("endianness", 0) else "little"
    header = Header(shards, byteorder, fields.get("version", {}).get("producer", 0))
    if not 1 <= shards <= MAX_SHARDS:
        return Header(1, byteorder, header.producer), f"the header states {shards} shards; one is assumed"
    return header, None


def decode_entries(raw: Mapping[bytes, bytes]) -> dict[bytes, BundleEntry | None]:
    """Return the entries of an index but for its header; None for one whose bytes make no sense: it loses no other."""
    allowance = Allowance(ENTRY_VALUES, "values in entries")
    return {key: _decode_usual(value) or _decode_entry(value, allowance) for key, value in raw.items() if key}


def _decode_usual(data: bytes) -> BundleEntry | None:
    """Decode an entry as TensorFlow writes nearly all: ten times faster. None where it is another one."""
    if len(data) < 4 or data[0] != 0x08 or data[2] != 0x12 or data[1] >= 0x80 or data[3] > USUAL_SHAPE_BYTES:
        return None
    place = PLACE.fullmatch(data, 4 + data[3])
    if place is None:
        return None
    shard, offset, nbytes, crc32c = place.groups()
    try:
        shape = _decode_shape(data[4 : 4 + data[3]])
    except Malformed:
        return None
    return BundleEntry(
        DTYPES.get(data[1]) or f"dtype {data[1]}",
        shape,
        _number(shard or b"\0"),
        _number(offset or b"\0"),
        _number(nbytes),
        int.from_bytes(crc32c, "little"),
        (),
    )


@lru_cache(maxsize=4096)
def _decode_shape(data: bytes) -> tuple[int, ...]:
    return shape_of(SHAPE.decode(data))


def _number(data: bytes) -> int:
    """Return a varint that is known to be one."""
    return data[0] if len(data) == 1 else varint(data, 0)[0]


def _decode_entry(data: bytes, allowance: Allowance) -> BundleEntry | None:
    try:
        fields = BUNDLE_ENTRY.decode(data, allowance)
    except Malformed:
        return None
    number = fields.get("dtype", 0)
    return BundleEntry(
        DTYPES.get(number, f"dtype {number}"),
        shape_of(fields.get("shape", {})),
        fields.get("shard_id", 0),
        fields.get("offset", 0),
        fields.get("size", 0),
        fields.get("crc32c", 0),
        tuple(slice_of(message) for message in fields["slices"]),
    )


class Shards:
    """The data files of a checkpoint, each opened when something in it is read.

    Where a ``folder`` is given (a SavedModel's), a shard that is a link out of it is refused.
    """

    def __init__(self, prefix: str, count: int, folder: str | None = None) -> None:
        self._prefix = prefix
        self._count = count
        self._folder = None if folder is None else os.path.realpath(folder)
        self._sizes: dict[int, int | None] = {}
        self._sources: dict[int, Source] = {}
        self._lock = threading.Lock()

    def path(self, shard: int) -> str:
        """Return a shard's path."""
        return f"{self._prefix}.data-{shard:05d}-of-{self._count:05d}"

    def size(self, shard: int) -> int | None:
        """Return a shard's size, or None where it is missing or no regular file."""
        if shard not in self._sizes:
            path = self.path(shard)
            self._sizes[shard] = os.stat(path).st_size if os.path.isfile(path) else None
        return self._sizes[shard]

    def source(self, shard: int) -> Source:
        """Return an open shard. Raises CheckpointError where it cannot be opened."""
        with self._lock:
            if shard not in self._sources:
                self._sources[shard] = FileSource(self.path(shard))
            return self._sources[shard]

    def read_into(self, shard: int, start: int, offset: int, buffer: memoryview) -> None:
        """Fill a buffer from ``offset`` of a run of bytes that begins at ``start`` of a shard."""
        self.source(shard).read_into(start + offset, buffer)

    def named(self, path: str) -> Source | None:
        """Return the open shard of this path, or None where it is no shard's."""
        number = path.removeprefix(f"{self._prefix}.data-")[:5]
        return self.source(int(number)) if number.isdigit() and self.path(int(number)) == path else None

    def problem(self, entry: BundleEntry) -> str | None:
        """Say why the bytes of an entry cannot be what it claims; None where they can."""
        return entry.shape_problem() or self._place_problem(entry) or _size_problem(entry)

    def _place_problem(self, entry: BundleEntry) -> str | None:
        if not 0 <= entry.shard < self._count:
            return f"it claims to lie in shard {entry.shard} of {self._count}"
        if not self._inside(entry.shard):
            return f"its shard {escape(os.path.basename(self.path(entry.shard)))} is a link out of the SavedModel"
        size = self.size(entry.shard)
        if size is None:
            return f"its shard {escape(os.path.basename(self.path(entry.shard)))} is missing"
        if entry.offset < 0 or entry.nbytes < 0:
            return f"it claims {entry.nbytes:,} bytes at byte {entry.offset:,}"
        if entry.offset + entry.nbytes > size:
            name = escape(os.path.basename(self.path(entry.shard)))
            return f"its {entry.nbytes:,} bytes at byte {entry.offset:,} lie outside the {size:,} bytes of {name}"
        return None

    def _inside(self, shard: int) -> bool:
        if self._folder is None:
            return True
        return os.path.realpath(self.path(shard)).startswith(self._folder + os.sep)

    def findings(self, entries: Iterable[BundleEntry | None]) -> Iterator[Finding]:
        """Yield what is wrong with each shard as a whole: missing, cut short, or with bytes that are not listed."""
        placed: dict[int, list[BundleEntry]] = {}
        for entry in entries:
            if entry is not None and not entry.slices and 0 <= entry.shard < self._count:
                placed.setdefault(entry.shard, []).append(entry)
        for shard, listed in sorted(placed.items()):
            size = self.size(shard)
            if size is None:
                yield self._missing(shard, listed)
            elif self._inside(shard):
                yield from self._size_findings(shard, size, listed)

    def _missing(self, shard: int, listed: Sequence[BundleEntry]) -> Finding:
        path, count = self.path(shard), len(listed)
        nbytes = sum(entry.nbytes for entry in listed)
        what = f"shard {shard + 1} of {self._count}, with {count:,} of the tensors ({nbytes:,} bytes), is missing"
        other = next((n for n in listing(os.path.dirname(path)) if self._is_other(n)), None)
        if other is None:
            advice = f"fetch {escape(os.path.basename(path))} too, into the same folder"
        else:
            advice = f"{escape(other)} is of another save than this index: fetch both files of one step"
        return Finding("error", what, None, path, None, advice)

    def _is_other(self, name: str) -> bool:
        """Whether a file is a shard of this prefix that is not of this number of shards."""
        base = os.path.basename(self._prefix)
        return name.startswith(base + ".data-") and not name.endswith(f"-of-{self._count:05d}")

    def _size_findings(self, shard: int, size: int, listed: Sequence[BundleEntry]) -> Iterator[Finding]:
        sound = [e for e in listed if e.is_placed()]
        end = max((entry.offset + entry.nbytes for entry in sound), default=0)
        path = self.path(shard)
        substitute = find_substitute(look(path)) if end != size else None
        if substitute is not None:
            yield Finding("error", f"the data file is {substitute.what}", None, path, 0, substitute.advice)
        elif end > size:
            message = f"the data file is cut short: {end - size:,} bytes are missing at its end"
            advice = "its download or copy was interrupted: fetch it again"
            yield Finding("error", message, None, path, size, advice)
        elif len(sound) == len(listed):
            spans = [(entry.offset, entry.offset + entry.nbytes) for entry in sound]
            yield from self._gap_findings(path, gaps(spans, size), size)

    def _gap_findings(self, path: str, found: Iterable[tuple[int, int]], size: int) -> Iterator[Finding]:
        for start, stop in found:
            if stop == size:
                message = f"{stop - start:,} bytes follow the last tensor"
                yield Finding("warning", message, None, path, start, "the file was appended to, or is of another save")
            else:
                yield Finding("note", f"{stop - start:,} bytes belong to no tensor", None, path, start)

    def close(self) -> None:
        """Close every shard that was opened."""
        for source in self._sources.values():
            source.close()


def _size_problem(entry: BundleEntry) -> str | None:
    if entry.dtype == "string":
        least = entry.size + STRINGS_OVERHEAD
        if entry.nbytes < least:
            return f"{entry.size:,} strings take at least {least:,} bytes, it states {entry.nbytes:,}"
        return None
    expected = entry.expected_bytes()
    if expected != entry.nbytes:
        return f"its shape {list(entry.shape)} takes {expected:,} bytes, it states {entry.nbytes:,}"
    return None
