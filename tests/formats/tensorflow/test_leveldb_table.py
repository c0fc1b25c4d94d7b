"""The table of a TensorFlow index: read whole, or refused with the reason."""

import cramjam
import pytest

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.tensorflow import leveldb_table
from ckptread.formats.tensorflow.leveldb_table import LevelTable, unmask
from ckptread.storage.local import FileSource
from tests.table_writer import MAGIC, block, handle, masked, table, varint, with_trailer

ENTRIES = [(f"layer_{n // 10}/{n}".encode(), bytes([n]) * (n % 7)) for n in range(100)]


@pytest.fixture
def opened(tmp_path):
    sources = []

    def open_table(data):
        path = tmp_path / "t.index"
        path.write_bytes(data)
        sources.append(FileSource(str(path)))
        return LevelTable(sources[-1])

    yield open_table
    for source in sources:
        source.close()


def entries(found):
    return [entry for part in found.blocks for entry in found.entries(part)]


def test_entries_come_back_from_one_block_and_from_several(opened):
    assert entries(opened(table(ENTRIES))) == ENTRIES
    assert entries(opened(table(ENTRIES[:40], ENTRIES[40:41], ENTRIES[41:]))) == ENTRIES


def test_a_snappy_block_is_read(opened):
    data = table(ENTRIES[:50], ENTRIES[50:], compress=lambda raw: bytes(cramjam.snappy.compress_raw(raw)))
    assert entries(opened(data)) == ENTRIES


def test_the_places_of_values_are_found_by_reading_and_by_walking(opened, monkeypatch):
    found = opened(table(ENTRIES))
    for limit in (1 << 20, 0):
        monkeypatch.setattr(leveldb_table, "WALKED_BYTES", limit)
        values = [(key, v.source.read(v.at, v.nbytes)) for part in found.blocks for key, v in found.values(part)]
        assert values == ENTRIES


def test_every_block_is_a_region_with_its_checksum(opened):
    found = opened(table(ENTRIES[:50], ENTRIES[50:]))
    regions = list(found.regions())
    assert len(regions) == 3
    for region in regions:
        data = found.source.read(region.offset, region.nbytes)
        assert leveldb_table.crc32c(data) == region.checksum.value


def test_a_masked_checksum_is_unmasked():
    assert unmask(masked(b"123456789")) == 0xE3069283  # the check value of CRC-32C, RFC 3720 B.4


def test_every_flipped_bit_of_a_block_is_found(opened, tmp_path):
    whole = table(ENTRIES[:5])
    nbytes = len(block(ENTRIES[:5])) + 5
    for bit in range(nbytes * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedFileError):
            entries(opened(bytes(damaged)))


@pytest.mark.parametrize("size", [0, 1, 47, 48, 60, 100])
def test_a_table_cut_short_is_refused(opened, size):
    with pytest.raises(CheckpointError):
        entries(opened(table(ENTRIES)[:size]))


def raw_table(contents, compression=0, index=None):
    """A table of one block with these contents, whatever they are."""
    data = with_trailer(contents, compression)
    index = block([(b"z", index or handle(0, len(contents)))])
    where = handle(len(data), len(index))
    footer = (handle(0, 0) + where).ljust(40, b"\0") + MAGIC.to_bytes(8, "little")
    return data + with_trailer(index) + footer


BAD_BLOCKS = {
    "no restarts": b"",
    "restarts past the block": b"\xff\xff\xff\x7f",
    "a restart point past the block": b"\xff\0\0\0" + b"\1\0\0\0",
    "an entry past the block": varint(0) + varint(1) + varint(99) + b"k" + b"\0\0\0\0\1\0\0\0",
    "a key past the block": varint(0) + varint(99) + varint(0) + b"k" + b"\0\0\0\0\1\0\0\0",
    "a prefix that was never there": varint(3) + varint(1) + varint(0) + b"k" + b"\0\0\0\0\1\0\0\0",
    "a number of 80 bits": b"\xff" * 11 + b"\0\0\0\0\1\0\0\0",
    "a number cut short": b"\x80" + b"\0\0\0\0\1\0\0\0",
}


@pytest.mark.parametrize("contents", BAD_BLOCKS.values(), ids=BAD_BLOCKS)
def test_a_block_that_breaks_the_format_is_refused(opened, contents):
    with pytest.raises(DamagedFileError):
        entries(opened(raw_table(contents)))


def test_a_block_of_another_compression_is_refused_by_number(opened):
    with pytest.raises(DamagedFileError, match="compression 7"):
        entries(opened(raw_table(block(ENTRIES), compression=7)))


def test_a_snappy_block_that_is_none_is_refused(opened):
    with pytest.raises(DamagedFileError, match="snappy"):
        entries(opened(raw_table(b"\x05\xff\xff\xff", compression=1)))


def test_a_snappy_block_that_claims_too_much_is_refused(opened):
    with pytest.raises(DamagedFileError, match="claims to expand"):
        entries(opened(raw_table(varint(1 << 30) + b"\0" * 10, compression=1)))


@pytest.mark.parametrize("bad", [handle(1 << 40, 8), handle(0, 1 << 40), handle((1 << 64) - 10, 20)])
def test_a_block_outside_the_file_is_refused(opened, bad):
    with pytest.raises(DamagedFileError, match="outside"):
        entries(opened(raw_table(block(ENTRIES), index=bad)))


def test_a_block_too_large_is_refused_before_it_is_read(opened, monkeypatch):
    monkeypatch.setattr(leveldb_table, "BLOCK_BYTES", 100)
    with pytest.raises(UnsafeFileError, match="claims"):
        entries(opened(table(ENTRIES)))
