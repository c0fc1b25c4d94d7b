"""Zip archives: zipfile writes them and is the truth; one broken rule after another is refused by name."""

from __future__ import annotations

import os
import random
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from ckptread.errors import CheckpointError, DamagedFileError, UnknownFormatError, UnsafeFileError, UnsupportedError
from ckptread.formats.zip import records as zip_records
from ckptread.formats.zip.archive import ZipArchive
from ckptread.storage.inflate import MAX_EXPANSION, MAX_STOPS, PAGE_BYTES, STOP_PAGES, InflatedSource, rebuild_source
from ckptread.storage.local import FileSource

LOCAL, ENTRY, END = zip_records.LOCAL, zip_records.ENTRY, zip_records.END


def opened(tmp_path: Path, data: bytes) -> ZipArchive:
    path = tmp_path / "archive.zip"
    path.write_bytes(data)
    return ZipArchive(FileSource(str(path)))


def member(
    name: bytes, data: bytes, method: int = 0, flags: int = 0, *, local: dict | None = None, entry: dict | None = None
):
    """A member's header with its bytes, and its directory entry without the offset; either may be told to lie."""
    squeezed = zlib.compress(data, wbits=-15) if method == 8 else data
    fields = {"flags": flags, "method": method, "crc": zlib.crc32(data), "stored": len(squeezed), "size": len(data),
              "name": name, "extra": b""}  # fmt: skip
    x, y = fields | (local or {}), fields | (entry or {})
    header = LOCAL.pack(b"PK\3\4", 20, x["flags"], x["method"], 0, 0, x["crc"], x["stored"], x["size"],
                        len(x["name"]), len(x["extra"])) + x["name"] + x["extra"] + squeezed  # fmt: skip

    def directory(offset: int) -> bytes:
        return ENTRY.pack(b"PK\1\2", 20, 20, y["flags"], y["method"], 0, 0, y["crc"], y["stored"], y["size"],
                          len(y["name"]), len(y["extra"]), 0, 0, 0, 0, offset) + y["name"] + y["extra"]  # fmt: skip

    return header, directory


def archive(*members, between: bytes = b"", comment: bytes = b"", count: int | None = None) -> bytes:
    body, entries = b"", b""
    for header, directory in members:
        entries += directory(len(body))
        body += header + between
    count = len(members) if count is None else count
    return body + entries + END.pack(b"PK\5\6", 0, 0, count, count, len(entries), len(body), len(comment)) + comment


def messages(found: ZipArchive) -> str:
    return "\n".join(f"{p.severity}: {p.message}" for p in found.problems)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("zip64", [False, True])
def test_members_are_what_zipfile_wrote(tmp_path: Path, method: int, zip64: bool) -> None:
    contents = {"a": b"", "b/c.npy": random.Random(1).randbytes(5000), "ü": b"0" * 300_000}
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as z:
        for name, data in contents.items():
            with z.open(name, "w", force_zip64=zip64) as file:
                file.write(data)
    found = ZipArchive(FileSource(str(path)))
    assert found.problems == []
    assert {name: found.read(name, 1 << 20) for name in found.members} == contents
    for region in found.regions():
        stored = path.read_bytes()[region.offset : region.offset + region.nbytes]
        if region.checksum is None:
            assert zlib.decompress(stored, -15) in contents.values()
        else:
            assert zlib.crc32(stored) == region.checksum.value


def test_members_with_sizes_behind_their_bytes(tmp_path: Path) -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a", b"x" * 1000)
        z.writestr(zipfile.ZipInfo("b"), b"yy")
    found = opened(tmp_path, pipe.getvalue())
    assert (messages(found), found.read("a", 1000), found.read("b", 2)) == ("", b"x" * 1000, b"yy")
    broken = bytearray(pipe.getvalue())
    broken[broken.index(b"PK\7\10") + 8] ^= 1
    assert "the record behind its bytes disagrees" in messages(opened(tmp_path, bytes(broken)))


def test_bytes_before_the_archive_are_noted_and_passed_over(tmp_path: Path) -> None:
    found = opened(tmp_path, b"#!/bin/sh\n" + archive(member(b"a", b"12345")))
    assert found.read("a", 5) == b"12345"
    assert messages(found) == "warning: 10 bytes belong to no member"
    assert (found.problems[0].offset, next(iter(found.regions())).offset) == (0, 10 + LOCAL.size + 1)


def test_bytes_behind_and_between_are_noted(tmp_path: Path) -> None:
    found = opened(tmp_path, archive(member(b"a", b"1"), member(b"b", b"2"), between=b"--") + b"tail")
    assert messages(found) == (
        "note: 2 bytes belong to no member\nnote: 2 bytes belong to no member\nwarning: 4 bytes belong to no member"
    )


def test_of_two_archives_in_one_file_the_last_is_read_and_the_other_noted(tmp_path: Path) -> None:
    found = opened(tmp_path, archive(member(b"a", b"1")) + archive(member(b"a", b"2")))
    assert found.read("a", 1) == b"2"
    assert "bytes hold another archive" in messages(found)


def test_an_end_record_in_a_comment_does_not_hide_the_archive_unseen(tmp_path: Path) -> None:
    inner = END.pack(b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)
    assert "another archive" in messages(opened(tmp_path, archive(member(b"a", b"1"), comment=inner)))
    for comment in (inner + b"\n", archive(member(b"a", b"2")) + b"\n"):
        data = archive(member(b"a", b"1"), comment=comment)
        with zipfile.ZipFile(BytesIO(data)) as last:  # zipfile reads the last end record
            assert "a" not in last.namelist() or last.read("a") == b"2"
        with pytest.raises(UnsafeFileError, match="another end record"):
            opened(tmp_path, data)


def test_a_comment_is_no_archive(tmp_path: Path) -> None:
    found = opened(tmp_path, archive(member(b"a", b"1"), comment=b"saved by hand"))
    assert (found.read("a", 1), found.problems) == (b"1", [])


@pytest.mark.parametrize("where", ["local", "entry"])
def test_a_field_that_changes_a_name_refuses_the_member(tmp_path: Path, where: str) -> None:
    def field(name: bytes) -> bytes:
        return struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(b"a")) + name

    same = opened(tmp_path, archive(member(b"a", b"1", **{where: {"extra": field(b"a")}})))
    assert same.read("a", 1) == b"1"
    found = opened(tmp_path, archive(member(b"a", b"1", **{where: {"extra": field(b"b")}})))
    with pytest.raises(UnsafeFileError, match="some programs call it 'b'"):
        found.read("a", 1)


LIES = {
    "name": (member(b"a", b"1", local={"name": b"b"}), DamagedFileError, "its own header names it 'b'"),
    "method": (member(b"a", b"1", local={"method": 8}), DamagedFileError, "says method 8, the directory 0"),
    "size": (member(b"a", b"12", local={"size": 3}), DamagedFileError, "another size or CRC-32"),
    "stored size": (member(b"a", b"12", 8, local={"stored": 3}), DamagedFileError, "another size or CRC-32"),
    "crc": (member(b"a", b"12", local={"crc": 3}), DamagedFileError, "another size or CRC-32"),
    "flags": (member(b"a", b"12", local={"flags": 1}), DamagedFileError, "other flags"),
    "no header": (member(b"a", b"1", entry={"stored": 1 << 20, "size": 1 << 20}), DamagedFileError, "not at byte 0"),
    "stored claim": (
        member(b"a", b"12", local={"size": 9}, entry={"size": 9}),
        UnsafeFileError,
        "claims 9 bytes in 2",
    ),
    "deflated claim": (
        member(b"a", b"12", 8, local={"size": 1 << 30}, entry={"size": 1 << 30}),
        UnsafeFileError,
        "more than 4 deflated bytes can hold",
    ),
    "zero byte": (member(b"a\0b", b"1"), UnsafeFileError, "zero byte"),
    "empty": (member(b"a", b"", local={"crc": 1}, entry={"crc": 1}), UnsafeFileError, "not that of nothing"),
    "no 64-bit sizes": (member(b"a", b"1", entry={"size": 0xFFFFFFFF}), DamagedFileError, "64-bit sizes are missing"),
    "encrypted": (member(b"a", b"1", flags=1), UnsupportedError, "encrypted"),
    "bzip2": (member(b"a", b"1", 12), UnsupportedError, "compressed by bzip2"),
    "unknown method": (member(b"a", b"1", 77), UnsupportedError, "compressed by method 77"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_member_that_lies_is_refused_and_hides_no_other(tmp_path: Path, lie: str) -> None:
    liar, error, words = LIES[lie]
    found = opened(tmp_path, archive(liar, member(b"good", b"whole", 8)))
    name = next(iter(found.members))
    with pytest.raises(error, match="is refused"):
        found.source(name)
    assert words in str(found.members[name].problem)
    assert f"error: the member {name!r}" in messages(found)
    assert found.read("good", 5) == b"whole"


def test_a_name_that_occurs_twice_is_ambiguous(tmp_path: Path) -> None:
    found = opened(tmp_path, archive(member(b"a", b"1"), member(b"a", b"2"), member(b"b", b"3")))
    with pytest.raises(UnsafeFileError, match="ambiguous: 2 members have this name"):
        found.source("a")
    assert (found.is_ambiguous("a"), found.is_ambiguous("b"), found.read("b", 1)) == (True, False, b"3")


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    inner, inner_entry = member(b"b", b"2")
    outer, outer_entry = member(b"a", inner)
    at = len(outer) - len(inner)
    found = opened(tmp_path, archive((outer, outer_entry), (b"", lambda _: inner_entry(at)), member(b"c", b"3")))
    for name in "ab":
        with pytest.raises(UnsafeFileError, match="shares bytes with another"):
            found.source(name)
    assert found.read("c", 1) == b"3"


@pytest.mark.parametrize(
    ("name", "words"),
    [(b"/etc/x", "points out"), (b"a/../b", "points out"), (b"C:\\x", "points out"), (b"\x1b[2J", "do not print")],
)
def test_a_name_that_means_harm_is_noted(tmp_path: Path, name: bytes, words: str) -> None:
    found = opened(tmp_path, archive(member(name, b"1")))
    assert words in messages(found)
    assert found.read(name.decode(), 1) == b"1"
    assert "\x1b" not in messages(found)


def test_names_are_decoded_as_the_flag_says(tmp_path: Path) -> None:
    found = opened(tmp_path, archive(member(b"\x81", b""), member(b"\xff\xc3\xbc", b"", flags=0x800)))
    assert list(found.members) == ["ü", "\udcffü"]


def test_a_damaged_entry_loses_only_itself(tmp_path: Path) -> None:
    data = bytearray(archive(member(b"a", b"1"), member(b"b", b"2"), member(b"c", b"3")))
    data[data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)] = 0
    found = opened(tmp_path, bytes(data))
    assert list(found.members) == ["a", "c"]
    assert "the directory is damaged at byte" in messages(found)
    assert "counts 3 members, the directory holds 2" in messages(found)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", UnknownFormatError, "no end record"),
        (b"text", UnknownFormatError, "no end record"),
        (archive(member(b"a", b"1" * 100))[:60], DamagedFileError, "truncated"),
        (END.pack(b"PK\5\6", 0, 0, 1, 1, 46, 0, 0), DamagedFileError, "extends past the end record"),
        (END.pack(b"PK\5\6", 1, 0, 0, 0, 0, 0, 0), UnsupportedError, "several files"),
        (END.pack(b"PK\5\6", 0, 0, 0, 1, 0, 0, 0), UnsupportedError, "several files"),
    ],
)
def test_an_archive_without_a_sound_end_is_refused(
    tmp_path: Path, data: bytes, error: type[CheckpointError], words: str
) -> None:
    with pytest.raises(error, match=words):
        opened(tmp_path, data)


def test_too_many_members_are_refused_unread(tmp_path: Path) -> None:
    wide = zip_records.END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 46, 0)
    data = wide + zip_records.LOCATOR.pack(b"PK\6\7", 0, 0, 1)
    with pytest.raises(UnsafeFileError, match="members"):
        opened(tmp_path, data + END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 46, 0, 0))
    with pytest.raises(DamagedFileError, match="disagree"):
        opened(tmp_path, data + END.pack(b"PK\5\6", 0, 0, 2, 2, 46, 0, 0))


def test_reading_checks_the_crc_and_the_limit(tmp_path: Path) -> None:
    data = bytearray(archive(member(b"a", b"12345"), member(b"b", b"x" * 5000, 8)))
    data[LOCAL.size + 1] ^= 1
    found = opened(tmp_path, bytes(data))
    with pytest.raises(DamagedFileError, match="CRC-32"):
        found.read("a", 5)
    with pytest.raises(UnsafeFileError, match="at most 4,999"):
        found.read("b", 4999)


def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    contents = {"a": b"stored bytes", "b": b"deflated " * 20}
    whole = archive(*(member(name.encode(), data, 8 * (name == "b")) for name, data in contents.items()))
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        try:
            found = opened(tmp_path, bytes(data))
            read = {name: found.read(name, 1000) for name in found.members}
        except CheckpointError:
            continue
        assert read == contents or found.problems, bit


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    whole = archive(member(b"a", b"stored bytes"), member(b"b", b"deflated " * 20, 8))
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            opened(tmp_path, whole[:length])


# Deflated members.


def inflated(tmp_path: Path, data: bytes, **lies: int) -> InflatedSource:
    squeezed = zlib.compress(data, 1, wbits=-15)
    path = tmp_path / "deflated"
    path.write_bytes(b"before" + squeezed + b"behind")
    stated = {"offset": 6, "stored_nbytes": len(squeezed), "nbytes": len(data), "crc32": zlib.crc32(data)}
    return InflatedSource(FileSource(str(path)), **(stated | lies), name="member")


def test_a_deflated_member_is_read_at_any_offset(tmp_path: Path) -> None:
    rng = random.Random(3)
    data = b"".join(rng.randbytes(50_000) + bytes(rng.randrange(200_000)) for _ in range(60))
    source = inflated(tmp_path, data)
    for _ in range(60):
        offset = rng.randrange(len(data))
        nbytes = rng.choice([1, 100, PAGE_BYTES, 300_000])
        assert source.read(offset, min(nbytes, len(data) - offset)) == data[offset : offset + nbytes]
    assert source.read(0, len(data)) == data
    descriptor, steps = source.recipe()
    assert rebuild_source(os.dup(descriptor), steps, "again").read(1000, 5000) == data[1000:6000]
    assert (source.locate(99), source.addressable) == (source.locate(0), False)
    assert source.locate(0)[1] == 6


@pytest.mark.slow
def test_what_a_deflated_member_keeps_is_bounded(tmp_path: Path) -> None:
    source = inflated(tmp_path, bytes((MAX_STOPS + 40) * STOP_PAGES * PAGE_BYTES))
    assert source.read(source.size - 10, 10) == bytes(10)
    assert len(source._stops) <= MAX_STOPS
    assert len(source._pages) <= 128
    assert source.read(source.size // 3, 10) == bytes(10)


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"nbytes": 5000 - 1}, "more than"),
        ({"nbytes": 5000 + 1}, "ends after 5,000 of 5,001"),
        ({"crc32": 7}, "CRC-32"),
        ({"stored_nbytes": 20}, "truncated|ends after"),
        ({"offset": 7}, "does not inflate"),
    ],
)
def test_a_deflated_member_that_is_not_as_stated_is_damaged(tmp_path: Path, lies: dict, words: str) -> None:
    source = inflated(tmp_path, random.Random(4).randbytes(2500) + bytes(2500), **lies)
    for _ in range(2):  # and it stays so
        with pytest.raises(DamagedFileError, match=words):
            source.read(0, source.size)


def test_bytes_behind_the_deflated_stream_are_damage(tmp_path: Path) -> None:
    data = b"x" * 100
    stored = len(zlib.compress(data, 1, wbits=-15))
    with pytest.raises(DamagedFileError, match="2 bytes follow"):
        inflated(tmp_path, data, stored_nbytes=stored + 2).read(0, 100)


def test_a_claim_that_deflate_cannot_meet_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match="more than"):
        inflated(tmp_path, b"", nbytes=MAX_EXPANSION * 2 + 1)


def test_zip64_sizes_are_read_where_they_are_needed(tmp_path: Path) -> None:
    extra = struct.pack("<HHQQ", 1, 16, 5, 5)
    wide = {"size": 0xFFFFFFFF, "stored": 0xFFFFFFFF, "extra": extra}
    found = opened(tmp_path, archive(member(b"a", b"12345", local=wide, entry=wide)))
    assert (messages(found), found.read("a", 5)) == ("", b"12345")
