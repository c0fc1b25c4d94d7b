"""The header and the entries of a TensorFlow V2 index, and the shards that they point into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.formats.tensorflow.messages import (
    BUNDLE_ENTRY,
    BUNDLE_HEADER,
    BUNDLE_VERSION,
    DTYPES,
    message_shape,
    slice_of,
)
from ckptread.formats.tensorflow.slices import Extents
from ckptread.limits import ENTRIES_COST, ENTRY_COST, MAX_SHARDS, MAX_STRINGS
from ckptread.names.tensorflow.messages import SHAPE
from ckptread.tensors import ITEM_BYTES, element_count, shape_problem
from ckptread.untrusted.binary import Allowance, Malformed

STRINGS_OVERHEAD = 4
"""Bytes of a tensor of strings beside the strings and their lengths: the lengths' checksum."""

NUMBER = rb"([\x80-\xff]{0,4}[\x00-\x7f])"
PLACE = re.compile(rb"(?:\x18%b)?(?:\x20%b)?\x28%b\x35(.{4})" % (NUMBER, NUMBER, NUMBER), re.DOTALL)
"""What follows the dtype and the shape in a usual entry: shard, offset, size and checksum."""

USUAL_SHAPE_BYTES = 64
"""At most sixteen dimensions, however they are written."""

ByteOrder = Literal["little", "big"]


class Header(msgspec.Struct, frozen=True):
    """What the index records about the checkpoint as a whole."""

    num_shards: int
    byteorder: ByteOrder
    producer: int
    """Version of the writer's bundle format; 1 since 2016."""

    def metadata(self) -> dict[str, str]:
        """Return it as a reader's metadata."""
        return {"writer": "TensorFlow", "shards": str(self.num_shards), "byteorder": self.byteorder}


class BundleEntry(msgspec.Struct, frozen=True, kw_only=True):
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

    def is_known(self) -> bool:
        """Whether values of its dtype are read here."""
        return self.dtype in ITEM_BYTES or self.dtype == "string"

    def problem(self) -> str | None:
        """Say why no array can have this dtype and shape, or not in the bytes that are stated."""
        return _problem(self.dtype, self.shape, self.nbytes)


@lru_cache(maxsize=4096)
def _problem(dtype: str, shape: tuple[int, ...], nbytes: int) -> str | None:
    return array_problem(dtype, shape) or _size_problem(dtype, shape, nbytes)


def array_problem(dtype: str, shape: tuple[int, ...]) -> str | None:
    """Say why no array can have this dtype and shape."""
    if dtype in ("resource", "variant"):
        return f"it is a {dtype}, an object of TensorFlow's own and no array"
    if dtype.startswith("dtype "):
        return f"its {dtype} is unknown here; a TensorFlow that knows it reads it: --backend tensorflow"
    return shape_problem(shape)


def _size_problem(dtype: str, shape: tuple[int, ...], nbytes: int) -> str | None:
    size = element_count(shape)
    if dtype == "string":
        if size > MAX_STRINGS:
            return f"it claims {size:,} strings; at most {MAX_STRINGS:,} are read"
        least = size + STRINGS_OVERHEAD
        return f"{size:,} strings take at least {least:,} bytes, it states {nbytes:,}" if nbytes < least else None
    expected = ITEM_BYTES[dtype] * size
    return None if expected == nbytes else f"its shape {list(shape)} takes {expected:,} bytes, it states {nbytes:,}"


def decode_header(data: bytes, name: str) -> tuple[Header, str | None]:
    """Return the header, and what is wrong with it. Raises DamagedFileError where it is not a header at all."""
    try:
        fields = BUNDLE_HEADER.decode(data)
    except Malformed as error:
        raise DamagedFileError(name, f"the index's header cannot be read: {error}") from error
    shards = fields.get("num_shards", 0)
    byteorder: ByteOrder = "big" if fields.get("endianness", 0) else "little"
    version = fields.get("version", {})
    header = Header(shards, byteorder, version.get("producer", 0))
    if not 1 <= shards <= MAX_SHARDS:
        return Header(1, byteorder, header.producer), f"the header states {shards} shards; one is assumed"
    least = version.get("min_consumer", 0)
    if least > BUNDLE_VERSION:
        problem = f"the header asks for a reader of version {least}: TensorFlow has {BUNDLE_VERSION}, and refuses it"
        return header, problem
    return header, None


def decode_entries(raw: Mapping[bytes, bytes]) -> dict[bytes, BundleEntry | None]:
    """Return the entries of an index except its header; None for one that is invalid, which affects no other."""
    allowance = Allowance(ENTRIES_COST, "values in entries")
    return {key: _decode_usual(value) or _decode_entry(value, allowance) for key, value in raw.items() if key}


def _decode_usual(data: bytes) -> BundleEntry | None:
    """Decode an entry as TensorFlow writes nearly all: ten times faster. None where it is another one."""
    if len(data) < 4 or data[3] > USUAL_SHAPE_BYTES:
        return None
    kind = _decode_kind(data[: 4 + data[3]])
    place = PLACE.fullmatch(data, 4 + data[3])
    if kind is None or place is None:
        return None
    shard, offset, nbytes, crc32c = place.groups(b"")
    dtype, shape = kind
    return BundleEntry(
        dtype=dtype, shape=shape, shard=_number(shard), offset=_number(offset), nbytes=_number(nbytes),
        crc32c=int.from_bytes(crc32c, "little"), slices=(),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _decode_kind(data: bytes) -> tuple[str, tuple[int, ...]] | None:
    """Return the dtype and the shape that usual entries begin with: thousands of tensors have the same."""
    if data[0] != 0x08 or data[2] != 0x12 or data[1] >= 0x80:
        return None
    try:
        return DTYPES.get(data[1]) or f"dtype {data[1]}", message_shape(SHAPE.decode(data[4:]))
    except Malformed:
        return None


def _number(data: bytes) -> int:
    """Return a varint that is known to be one: seven bits of each byte, the lowest first. Of no bytes, 0."""
    value = 0
    for byte in data[::-1]:
        value = value << 7 | byte & 0x7F
    return value


def _decode_entry(data: bytes, allowance: Allowance) -> BundleEntry | None:
    own = Allowance(ENTRY_COST, "values in an entry")
    try:
        fields = BUNDLE_ENTRY.decode(data, own)
        allowance.take(own.taken)
    except Malformed:
        return None
    number = fields.get("dtype", 0)
    return BundleEntry(
        dtype=DTYPES.get(number, f"dtype {number}"),
        shape=message_shape(fields.get("shape", {})),
        shard=fields.get("shard_id", 0),
        offset=fields.get("offset", 0),
        nbytes=fields.get("size", 0),
        crc32c=fields.get("crc32c", 0),
        slices=tuple(slice_of(message) for message in fields["slices"]),
    )
