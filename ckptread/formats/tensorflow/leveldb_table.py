"""The sorted table that a TensorFlow ``.index`` file is, and a V1 checkpoint.

What it is: LevelDB's table format as TensorFlow keeps it: data blocks of sorted entries with shared key
prefixes, an index block with one entry per data block, and a footer of 48 bytes.
Specification: https://github.com/google/leveldb/blob/main/doc/table_format.md, tensorflow/core/lib/io/format.h.
Read here: every block, its masked CRC-32C, snappy compression, entries in file order.
Not read: the metaindex block (TensorFlow writes an empty one), restart points (entries are read in order).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import msgspec

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.signatures import TABLE_MAGIC
from ckptread.limits import BLOCK_BYTES, EXPANDED_BYTES, LISTING_BYTES, SNAPPY_RATIO
from ckptread.storage.memory import BytesSource
from ckptread.storage.source import Source
from ckptread.storage.windows import WindowSource
from ckptread.tensors import Checksum, Region
from ckptread.untrusted.binary import Allowance, Malformed, fixed32, take, varint

MAGIC = TABLE_MAGIC
FOOTER_BYTES = 48
TRAILER_BYTES = 5  # compression type, masked checksum
ENTRY_BYTES = 300
"""What an entry counts for beside its key, which counts twice: it is kept as bytes and as text."""
PIECE_BYTES = 4 << 20
PLAIN, SNAPPY = 0, 1

WALKED_BYTES = 1 << 20
"""A plain block above this size is walked from entry to entry rather than read: it holds a V1 tensor."""
HEAD_BYTES = 30
"""Three numbers of at most ten bytes each stand before an entry's key."""

_RESTART = Struct("<I")

Entry = tuple[bytes, bytes]
Place = tuple[bytes, int, int]
"""A key, and where its value begins and ends in the block's contents."""


class Block(msgspec.Struct, frozen=True):
    """Where a block's contents lie, without the five bytes behind it."""

    offset: int
    nbytes: int
    last_key: bytes
    """No key of the block is greater."""


class Value(msgspec.Struct, frozen=True):
    """Where an entry's value lies: in the block as the file has it, or in the block decompressed."""

    block: Block
    source: Source
    at: int
    nbytes: int


class LevelTable:
    """An open table: its data blocks in order, each read when it is asked for.

    Raises DamagedFileError where the footer or the index block is invalid.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._verified: set[int] = set()
        self._expanded = 0
        self._keys = Allowance(LISTING_BYTES, "bytes of keys")
        self._index = self._footer()
        self.blocks = [self._handle(value, key) for key, value in self.entries(self._index)]
        if sum(block.nbytes + TRAILER_BYTES for block in self.blocks) > source.size:
            raise UnsafeFileError(source.name, f"its {len(self.blocks):,} blocks lie over each other")

    def entries(self, block: Block) -> list[Entry]:
        """Return the entries of one data block. Raises DamagedFileError, also for its checksum."""
        contents = self.contents(block)
        return [(key, contents[at:end]) for key, at, end in self._places(contents, block)]

    def contents(self, block: Block, *, checked: bool = True) -> bytes:
        """Return a block's bytes, checked against its checksum (unless told not to) and decompressed."""
        if block.nbytes > BLOCK_BYTES:
            raise UnsafeFileError(self.source.name, f"the block at byte {block.offset:,} claims {block.nbytes:,} bytes")
        raw = self.source.read(block.offset, block.nbytes + TRAILER_BYTES)
        if checked:
            self._check(block, crc32c(raw[:-4]), fixed32(raw, len(raw) - 4)[0])
        compression = raw[block.nbytes]
        if compression == PLAIN:
            return raw[: block.nbytes]
        if compression == SNAPPY:
            return self._unsnap(raw[: block.nbytes], block)
        raise self._damaged(f"has the unknown compression {compression}", block)

    def _compression(self, block: Block) -> int:
        """Return the type byte behind a block, without reading the block."""
        return self.source.read(block.offset + block.nbytes, 1)[0]

    def verify(self, block: Block) -> None:
        """Check a block of any size against its checksum, in pieces; once."""
        if block.offset in self._verified:
            return
        state, at, end = 0, block.offset, block.offset + block.nbytes + 1
        while at < end:
            piece = self.source.read(at, min(PIECE_BYTES, end - at))
            state = crc32c(piece, state)
            at += len(piece)
        self._check(block, state, fixed32(self.source.read(end, 4), 0)[0])

    def values(self, block: Block) -> list[tuple[bytes, Value]]:
        """Return each entry's key, and where its value lies; of a large plain block only the keys are read."""
        if block.nbytes > WALKED_BYTES and self._compression(block) == PLAIN:
            return list(self._walk(block))
        contents = self.contents(block)
        source: Source = BytesSource(contents, self.source.name)
        if self._compression(block) == PLAIN:
            source = WindowSource(self.source, block.offset, block.nbytes, self.source.name)
        return [(key, Value(block, source, at, end - at)) for key, at, end in self._places(contents, block)]

    def _walk(self, block: Block) -> Iterator[tuple[bytes, Value]]:
        window = WindowSource(self.source, block.offset, block.nbytes, self.source.name)
        restarts, _ = fixed32(window.read(block.nbytes - 4, 4), 0)
        end, at, key = block.nbytes - 4 - 4 * restarts, 0, b""
        while at < end:
            head = window.read(at, min(HEAD_BYTES, end - at))
            try:
                shared, unshared, nbytes, head_at = entry_head(head, 0)
                suffix, _ = take(window.read(at, min(head_at + unshared, end - at)), head_at, unshared)
                self._keys.take(2 * (shared + unshared) + ENTRY_BYTES, at)
            except Malformed as error:
                raise self._damaged(f"cannot be read: {error.problem}", block) from error
            at += head_at + unshared
            if shared > len(key) or at + nbytes > end:
                raise self._damaged("has an entry that runs past its end", block)
            key = key[:shared] + suffix
            yield key, Value(block, window, at, nbytes)
            at += nbytes

    def regions(self) -> Iterator[Region]:
        """Yield every block with its checksum, which covers the type byte too."""
        for block in [*self.blocks, self._index]:
            stated = fixed32(self.source.read(block.offset + block.nbytes + 1, 4), 0)[0]
            checksum, read_into = Checksum("crc32c", unmask(stated)), self.source.from_offset(block.offset)
            where = (self.source.name, block.offset, block.nbytes + 1)
            yield Region(None, *where, checksum, read_into, name="a block of the table")

    def _footer(self) -> Block:
        """Return where the index block lies."""
        source = self.source
        if source.size < FOOTER_BYTES:
            raise DamagedFileError(source.name, f"{source.size} bytes are too few for a TensorFlow index")
        footer = source.read(source.size - FOOTER_BYTES, FOOTER_BYTES)
        if footer[40:] != MAGIC:
            raise DamagedFileError(
                source.name,
                "it does not end as a TensorFlow index does",
                advice="it is truncated or another kind of file: download it again",
            )
        try:
            _, at = varint(footer, 0)
            _, at = varint(footer, at)
        except Malformed as error:
            raise DamagedFileError(source.name, f"its footer cannot be read: {error}") from error
        return self._handle(footer[at:40], b"")

    def _handle(self, data: bytes, last_key: bytes) -> Block:
        try:
            offset, at = varint(data, 0)
            nbytes, _ = varint(data, at)
        except Malformed as error:
            raise DamagedFileError(self.source.name, f"a block handle cannot be read: {error}") from error
        if offset + nbytes + TRAILER_BYTES > self.source.size:
            raise DamagedFileError(
                self.source.name,
                f"a block of {nbytes:,} bytes at byte {offset:,} lies outside its {self.source.size:,} bytes",
            )
        return Block(offset, nbytes, last_key)

    def _check(self, block: Block, found: int, stated: int) -> None:
        if found != unmask(stated):
            raise self._damaged("does not have the checksum that the file states", block, "tf-block-checksum")
        self._verified.add(block.offset)

    def _unsnap(self, data: bytes, block: Block) -> bytes:
        import cramjam

        try:
            claimed, _ = varint(data, 0)
            if claimed > min(BLOCK_BYTES, SNAPPY_RATIO * len(data)):
                raise self._damaged(f"claims to expand to {claimed:,} bytes", block)
            self._expanded += claimed
            if self._expanded > EXPANDED_BYTES:
                raise UnsafeFileError(self.source.name, f"its blocks expand to more than {EXPANDED_BYTES:,} bytes")
            return bytes(cramjam.snappy.decompress_raw(data))
        except (Malformed, cramjam.DecompressionError) as error:
            raise self._damaged("is not the snappy data it is marked as", block) from error

    def _places(self, contents: bytes, block: Block) -> list[Place]:
        try:
            return _decode_places(contents, self._keys)
        except Malformed as error:
            raise self._damaged(f"cannot be read: {error.problem}", block) from error

    def _damaged(self, problem: str, block: Block, code: str = "tf-block") -> DamagedFileError:
        return DamagedFileError(
            self.source.name,
            f"the block at byte {block.offset:,} {problem}",
            advice="the file is damaged: download it again",
            offset=block.offset,
            code=code,
        )


def _decode_places(data: bytes, keys: Allowance) -> list[Place]:
    """Undo the shared prefixes of a block's keys; its end is an array of restart points, and their number.

    ``keys`` is how many bytes the keys may take.
    """
    restarts, _ = fixed32(data, len(data) - 4) if len(data) >= 4 else (0, 0)
    end = len(data) - 4 - 4 * restarts
    if len(data) < 4 or end < 0 or any(at > end for (at,) in _RESTART.iter_unpack(memoryview(data)[end:-4])):
        raise Malformed("its restart points lie outside it", max(0, end))
    places, key, at = [], b"", 0
    taken, most = 0, keys.most - keys.taken
    while at < end:
        shared, unshared, nbytes, at = entry_head(data, at)
        value_at = at + unshared
        if shared > len(key) or value_at + nbytes > end:
            raise Malformed("an entry runs past its end", at)
        taken += 2 * (shared + unshared) + ENTRY_BYTES
        if taken > most:
            keys.take(taken, at)
        key = key[:shared] + data[at:value_at]
        at = value_at + nbytes
        places.append((key, value_at, at))
    keys.take(taken, at)
    return places


def entry_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Return the bytes shared with the key before, the key's own, the value's, and where the key's own begin."""
    head = data[at : at + 3]
    if len(head) == 3 and head.isascii():  # the usual case, each number in one byte
        return head[0], head[1], head[2], at + 3
    shared, at = varint(data, at)
    unshared, at = varint(data, at)
    nbytes, at = varint(data, at)
    return shared, unshared, nbytes, at


def crc32c(data: bytes, state: int = 0) -> int:
    """Return the CRC-32C (Castagnoli) of ``data``, continuing from ``state``."""
    import google_crc32c

    result: int = google_crc32c.extend(state, data)
    return result


def unmask(stated: int) -> int:
    """Return the checksum behind LevelDB's masked one: rotated right by 15 bits, plus a constant."""
    rotated = (stated - 0xA282EAD8) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF
