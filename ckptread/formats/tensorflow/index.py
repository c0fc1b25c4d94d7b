"""The entries of a TensorFlow V2 index: all of them, or of a damaged one those that can still be told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import split

import msgspec

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.tensorflow.entries import Header, decode_header
from ckptread.formats.tensorflow.leveldb_table import ENTRY_BYTES, Block, Entry, LevelTable, entry_head
from ckptread.limits import INDEX_BYTES, LISTING_BYTES, MAX_ENTRIES
from ckptread.reader import Remains
from ckptread.storage.source import Source, Storage
from ckptread.tensors import Finding, Region, trouble
from ckptread.untrusted.binary import Allowance, Malformed, take, text
from ckptread.wording import quoted

MAX_DISORDER = 100
"""How many keys out of order are reported one by one."""

DOUBT = "its entry is in a damaged part of the index: its name, shape and dtype may be wrong"


class TensorIndex(msgspec.Struct):
    """An open index: the entries as they are stored, by key, the header among them."""

    source: Source
    entries: dict[bytes, bytes] = msgspec.field(default_factory=dict)
    problems: list[Finding] = msgspec.field(default_factory=list)
    table: LevelTable | None = None
    """None where the file does not end as a table does, and its entries were found without it."""
    loose: Allowance = msgspec.field(default_factory=lambda: Allowance(LISTING_BYTES, "bytes of keys"))
    """How many bytes the keys of damaged blocks may take."""
    _previous: bytes = b""
    _disorder: int = 0

    def regions(self) -> Iterator[Region]:
        """Yield the blocks of the table."""
        if self.table is not None:
            yield from self.table.regions()

    def take(self, found: list[Entry]) -> None:
        """Add the entries of a block: of a key that occurs twice, the first."""
        for key, value in found:
            if self.entries and key <= self._previous:
                self._out_of_order(key)
            self._previous = key
            self.entries.setdefault(key, value)
        if len(self.entries) > MAX_ENTRIES + 1:
            raise UnsafeFileError(self.source.name, f"it lists more than {MAX_ENTRIES:,} tensors")

    def _out_of_order(self, key: bytes) -> None:
        self._disorder += 1
        if self._disorder <= MAX_DISORDER:
            what = "occurs twice; the first one is used" if key in self.entries else "is out of order"
            message = f"the key {quoted(text(key))} {what}"
            self.problems.append(
                Finding(code="tf-key-order", severity="error", message=message, key=text(key), file=self.source.name)
            )

    def doubt(self, found: list[Entry]) -> None:
        """Add entries without a valid checksum; only their tensors' own checksums can confirm them."""
        for key, value in found:
            if key and key not in self.entries:
                advice = "what it is called is to be seen from its neighbours, or from the model"
                self.problems.append(
                    Finding(
                        code="tf-key-doubtful",
                        severity="warning",
                        message=DOUBT,
                        key=text(key),
                        file=self.source.name,
                        advice=advice,
                    )
                )
            self.entries.setdefault(key, value)


def read_tensor_index(source: Source, remains: Remains = Remains.refused) -> TensorIndex:
    """Read every block; a damaged one loses only what is in it, unless it is the first, with the header.

    With ``Remains.accepted`` a damaged first block is not an error either, and damaged blocks are read as far as
    they are valid. Raises DamagedFileError, and UnsafeFileError for what is too large.
    """
    if source.size > INDEX_BYTES:
        raise UnsafeFileError(source.name, f"an index of {source.size:,} bytes is too large")
    index = TensorIndex(source)
    try:
        index.table = LevelTable(source)
    except DamagedFileError as error:
        if remains is Remains.refused:
            raise
        index.problems.append(trouble(error))
        index.doubt(_loose(source.read(0, source.size), index.loose))
        return index
    for number, block in enumerate(index.table.blocks):
        try:
            index.take(index.table.entries(block))
        except DamagedFileError as error:
            if number == 0 and remains is Remains.refused:
                raise
            index.problems.append(_block_finding(error, source, block))
            if remains is Remains.accepted:
                index.doubt(_unchecked(index, index.table, block))
    return index


def _block_finding(error: DamagedFileError, source: Source, block: Block) -> Finding:
    return Finding(
        code=error.code, severity="error", message=error.problem, file=source.name, offset=block.offset,
        advice=error.advice,
    )  # fmt: skip


def read_bundle_header(index: TensorIndex, storage: Storage, prefix: str) -> Header:
    """Return the header; where it is missing, what the data files' names show of it."""
    if not index.entries:
        raise DamagedFileError(index.source.name, "the index is empty: it has not even a header")
    if b"" not in index.entries:
        count = _shards_beside(storage, prefix)
        shards = "one little-endian shard is" if count == 1 else f"{count:,} little-endian shards are"
        message = f"the header is missing; {shards} assumed"
        index.problems.append(
            Finding(code="tf-header", severity="error", message=message, key=None, file=index.source.name)
        )
        return Header(count, "little", 0)
    header, problem = decode_header(index.entries[b""], index.source.name)
    if problem:
        index.problems.append(
            Finding(code="tf-header", severity="error", message=problem, key=None, file=index.source.name)
        )
    return header


def _shards_beside(storage: Storage, prefix: str) -> int:
    """Return the number of shards that the data files beside an index name; 1 where there are none."""
    folder, base = split(prefix)
    pattern = re.compile(re.escape(base) + r"\.data-\d{5}-of-(\d{5})\Z")
    counts = [int(found[1]) for name in storage.list(folder) if (found := pattern.match(name))]
    return max(1, *counts) if counts else 1


def _unchecked(index: TensorIndex, table: LevelTable, block: Block) -> list[Entry]:
    try:
        return _loose(table.contents(block, checked=False), index.loose)
    except DamagedFileError:
        return []


def _loose(data: bytes, allowance: Allowance) -> list[Entry]:
    """Return the entries at the beginning of some bytes, up to the first that is invalid, or one too many."""
    entries: list[Entry] = []
    key, at = b"", 0
    try:
        while at < len(data):
            shared, unshared, nbytes, at = entry_head(data, at)
            suffix, at = take(data, at, unshared)
            value, at = take(data, at, nbytes)
            if shared > len(key) or not (unshared or nbytes):
                break
            allowance.take(2 * (shared + unshared) + ENTRY_BYTES, at)
            key = key[:shared] + suffix
            entries.append((key, value))
    except Malformed:
        pass
    return entries
