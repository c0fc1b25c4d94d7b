""".npz and .npy: numpy writes them and is the truth; headers by their literal text."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import ckptread
from ckptread.errors import CheckpointError, DamagedFileError, UnknownFormatError, UnsafeFileError, UnsupportedError
from ckptread.formats.numpy.fortran import FortranArray
from ckptread.formats.numpy.npz import open_npy, open_npz
from ckptread.storage.addresses import find_storage
from ckptread.tensors import Checksum

DTYPES = ["f2", "f4", "f8", "i1", "u1", "i2", "u4", "i8", "?", "c8", "c16", ">f4", ">i2", ">c16", "S5", "U3", ">U4",
          "M8[ns]", "m8[25s]", "V3", "g",
          [("a", "<f4"), ("b", ">i2", (2,))], [("a", [("b", "U1")]), ("c", "?")],
          np.dtype([("x", "u8"), ("y", "f8")], align=True)]  # fmt: skip
"""What np.savez keeps."""


def values_of(rng: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    values = np.frombuffer(rng.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape).copy()
    if dtype.kind == "b":
        values = values.view("u1").astype(bool)
    for part in [values] if dtype.names is None else [values["a"]["b"]] if "c" in dtype.names else []:
        if part.dtype.kind == "U":
            part[...] = "ü\U0001f600"[: part.dtype.itemsize // 4]
    return values


def a_selection(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple:
    def one(dim: int) -> int | slice:
        if dim and rng.random() < 0.3:
            return int(rng.integers(-dim, dim))
        start, stop = (None if rng.random() < 0.4 else int(rng.integers(-7, 7)) for _ in range(2))
        return slice(start, stop, [None, 1, 2, -1, -2][rng.integers(5)])

    return (*(one(dim) for dim in shape[: rng.integers(0, len(shape) + 1)]), ...)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_everything_reads_as_numpy_wrote_it(tmp_path: Path, seed: int, save) -> None:
    rng = np.random.default_rng(seed)
    arrays = {}
    for number in range(5):
        dtype = np.dtype(DTYPES[rng.integers(len(DTYPES))])
        array = values_of(rng, dtype, tuple(rng.integers(0, 6, rng.integers(0, 5)).tolist()))
        arrays[f"group/{number}"] = np.asfortranarray(array) if rng.random() < 0.4 else array
    path = str(tmp_path / "x.npz")
    save(path, **arrays)
    with open_npz(*find_storage(path)) as reader:
        assert (list(reader.tensors), reader.problems) == (list(arrays), [])
        for key, expected in arrays.items():
            tensor = reader[key]
            read = np.asarray(tensor)
            assert (read.dtype, read.shape) == (expected.dtype, expected.shape)
            assert read.tobytes() == expected.tobytes()
            blocks = tensor.blocks(int(rng.integers(1, 64)), out=bytearray(1000))
            assert b"".join(block.tobytes() for block in blocks) == expected.tobytes()
            for _ in range(5):
                selection = a_selection(rng, expected.shape)
                assert tensor[selection].tobytes() == expected[selection].tobytes(), selection
            extent = tensor.info.extent
            if extent is not None:
                data = Path(extent.file).read_bytes()[extent.offset : extent.offset + extent.nbytes]
                assert data == expected.tobytes()


def test_a_stored_array_has_a_place_and_a_checksum_and_others_have_none(tmp_path: Path) -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    np.savez(tmp_path / "x.npz", c=array, fortran=np.asfortranarray(array))
    np.savez_compressed(tmp_path / "y.npz", c=array)
    data = (tmp_path / "x.npz").read_bytes()
    with open_npz(*find_storage(str(tmp_path / "x.npz"))) as x, open_npz(*find_storage(str(tmp_path / "y.npz"))) as y:
        extent = x.tensors["c"].extent
        assert data[extent.offset : extent.offset + extent.nbytes] == array.tobytes()
        header = data[data.index(b"\x93NUMPY") : extent.offset]
        whole = zlib.crc32(header + array.tobytes())
        assert extent.checksum == Checksum("crc32", whole, zlib.crc32(header))
        assert x.tensors["fortran"].extent is None
        assert y.tensors["c"].extent is None
        for region in x.regions():
            assert zlib.crc32(data[region.offset : region.offset + region.nbytes]) == region.checksum.value
        assert [(region.key, region.checksum) for region in y.regions()] == [("c", None)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_byte_is_found_by_every_whole_read(tmp_path: Path, order: str, save) -> None:
    path = tmp_path / "x.npz"
    save(path, w=np.random.default_rng(0).random((30, 20)).astype(order=order, dtype="f8"))
    data = bytearray(path.read_bytes())
    data[1500] ^= 1
    path.write_bytes(data)
    with open_npz(*find_storage(str(path))) as reader:
        with pytest.raises(DamagedFileError):
            np.asarray(reader["w"])
        with pytest.raises(DamagedFileError):
            list(reader["w"].blocks(100))


@pytest.mark.slow
def test_every_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(3, dtype="i2"), b=np.float32(2))
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            with open_npz(*find_storage(str(path))) as reader:
                read = {key: np.asarray(reader[key]).tobytes() for key in reader}
                found = reader.problems
        except CheckpointError:
            continue
        assert found or read == {"a": b"\0\0\1\0\2\0", "b": b"\0\0\0@"}, bit


def test_object_arrays_are_listed_and_never_loaded(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    np.savez(path, o=np.array([{}, None]), s=np.zeros(2, [("a", "O"), ("b", "f4")]), w=np.ones(2))
    with open_npz(*find_storage(path)) as reader:
        assert reader.tensors["o"].shape == (2,)
        for key in "os":
            assert reader.tensors[key].dtype == "object"
            with pytest.raises(UnsupportedError, match="pickle is never loaded"):
                reader.read(key)
        assert np.asarray(reader["w"]).tolist() == [1, 1]


def test_a_member_that_is_no_array_is_noted_or_listed_with_its_problem(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("readme.txt", "hello")
        z.writestr("bad.npy", "hello")
        with z.open("good.npy", "w") as file:
            np.save(file, np.int8(7))
    with open_npz(*find_storage(path)) as reader:
        assert [p.message for p in reader.problems] == ["the member 'readme.txt' is not an array, and is skipped"]
        assert "does not begin as" in str(reader.tensors["bad"].problem)
        assert reader.read("good") == 7


def test_a_key_that_occurs_twice_is_refused_and_hides_no_other(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    with zipfile.ZipFile(path, "w") as z:
        for name in ("a.npy", "b.npy"):
            z.writestr(name, npy(PLAIN % "", b"\0\0\x40\x40"))
        with pytest.warns(UserWarning, match="Duplicate"):
            z.writestr("a.npy", npy(PLAIN % "", bytes(4)))
    with open_npz(*find_storage(path)) as reader:
        with pytest.raises(UnsupportedError, match="ambiguous"):
            reader.read("a")
        assert reader.read("b") == 3


def npy(text: str, data: bytes = b"", version: int = 1, header: bytes | None = None) -> bytes:
    header = text.encode("utf-8" if version == 3 else "latin-1") if header is None else header
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + data


def opened(tmp_path: Path, data: bytes):
    path = tmp_path / "weights.v1.npy"
    path.write_bytes(data)
    return open_npy(*find_storage(str(path)))


@pytest.mark.parametrize(
    ("text", "dtype", "shape"),
    [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }          \n", "float32", (2, 1)),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (1L, 2L)}", "float32", (1, 2)),
        ('{"shape": (), "descr": u\'<f8\', "fortran_order": False}', "float64", ()),
        ("{'descr': '|V2', 'fortran_order': False, 'shape': (4,)}", "|V2", (4,)),
        ("{'descr': '>i8', 'fortran_order': False, 'shape': (1,)}", ">i8", (1,)),
        ("{'descr': '>u1', 'fortran_order': False, 'shape': (8,)}", "uint8", (8,)),
        ("{'descr': '?', 'fortran_order': False, 'shape': (8,)}", "bool", (8,)),
        ("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", "<M8[ns]", (1,)),
        ("{'descr': [('a', '<f4'), (('t', 'b'), '|S4')], 'fortran_order': False, 'shape': (1,)}",
         "[('a', '<f4'), (('t', 'b'), '|S4')]", (1,)),
        (r"{'descr': [('\xe9\'\\', '<f8')], 'fortran_order': False, 'shape': (1,)}", repr([("é'\\", "<f8")]), (1,)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_header_is_read(tmp_path: Path, version: int, text: str, dtype: str, shape: tuple) -> None:
    with opened(tmp_path, npy(text, b"\0" * 8, version)) as reader:
        info = reader.tensors["weights.v1"]
        assert (info.dtype, info.shape, info.nbytes, info.problem) == (dtype, shape, 8, None)
        assert reader.read(info.key).nbytes == 8
        assert info.extent.checksum is None


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s)}"


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "None", "{'descr': '<f4', 'fortran_order': False}", PLAIN % "-1,", PLAIN % "1", PLAIN % "True,",
        PLAIN % "1.5,", PLAIN % "1 1", PLAIN % ("9" * 3000 + ","), PLAIN % ("(" * 9000), PLAIN % ("[" * 40 + "]" * 40),
        "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "{'descr': '<f4', 'shape': (), 'shape': ()}",
        "{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}", PLAIN % "" + "x", "{" * 60000,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}", "'" + "\\'" * 20000, "{{}: 1}", "{[]: 1}",
        "{'descr' '<f4'}", "{'descr': '<f4' 'shape': ()}",
    ],
)  # fmt: skip
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DamagedFileError, match="header is invalid"):
        opened(tmp_path, npy(text, version=2))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", DamagedFileError, "does not begin"),
        (b"\x93NUMPY\x01\x00", DamagedFileError, "does not begin"),
        (npy("", version=4), UnsupportedError, "version 4.0"),
        (npy("x" * 70_000, version=2), UnsafeFileError, "70,012 bytes"),
        (npy(PLAIN % "")[:40], DamagedFileError, "ends within"),
        (npy("", version=3, header=b"\xff"), DamagedFileError, "header is invalid"),
    ],
)
def test_a_header_that_is_cut_or_too_long_is_refused(
    tmp_path: Path, data: bytes, error: type[CheckpointError], words: str
) -> None:
    with pytest.raises(error, match=words):
        opened(tmp_path, data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PLAIN % "3,", "4 of its 12 bytes are missing"),
        (PLAIN % "1000000000000,", "are missing"),
        (PLAIN % ("1," * 65), "65 dimensions"),
        (PLAIN % "0, 9223372036854775808", "too large"),
        (PLAIN.replace("<f4", "<f5") % "", "not one of numpy's"),
        (PLAIN.replace("<f4", "f4,f4") % "", "not one of numpy's"),
        (PLAIN.replace("'<f4'", "('<f4', (2,))") % "", "not one of numpy's"),
        (PLAIN.replace("'<f4'", "[('a', '<f4'), ('a', '<f4')]") % "", "not one of numpy's"),
        (PLAIN.replace("<f4", "|S0") % "", "0 bytes each"),
        (PLAIN.replace("<f4", "|S999999999") % "", "999,999,999 bytes each"),
        (PLAIN.replace("<f4", "|O") % "", "pickle is never loaded"),
    ],
)
def test_an_array_that_cannot_be_read_says_why(tmp_path: Path, text: str, words: str) -> None:
    with opened(tmp_path, npy(text, b"\0" * 8)) as reader:
        assert words in str(reader.tensors["weights.v1"].problem)
        with pytest.raises(UnsupportedError):
            reader.read("weights.v1")


def test_bytes_behind_an_array_are_noted(tmp_path: Path) -> None:
    with opened(tmp_path, npy(PLAIN % "1,", b"\0\0\x80?more")) as reader:
        assert (reader.problems[0].severity, reader.problems[0].message) == (
            "warning", "4 bytes follow the array 'weights.v1'")  # fmt: skip
        assert reader.read("weights.v1").tolist() == [1]


def test_a_text_that_is_no_text_is_damage_and_no_crash(tmp_path: Path) -> None:
    with opened(tmp_path, npy(PLAIN.replace("<f4", ">U1") % "2,", b"\0\0\0a\0\x11\0\0")) as reader:
        assert reader.read("weights.v1", slice(0, 1)).tolist() == ["a"]
        with pytest.raises(DamagedFileError, match="1,114,112, which is not a character"):
            reader.read("weights.v1")


def test_a_file_that_is_no_zip_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"not a zip")
    with pytest.raises(UnknownFormatError):
        open_npz(*find_storage(str(tmp_path / "x.npz")))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_fortran_array_is_read_in_bands(tmp_path: Path, monkeypatch, save) -> None:
    """Blocks come from a band that is read once; the whole is verified before the first is given out."""
    monkeypatch.setattr("ckptread.formats.numpy.fortran.BAND_BYTES", 5000)
    bands = []
    read = FortranArray._read
    monkeypatch.setattr(FortranArray, "_read", lambda self, ranges: bands.append(ranges[0]) or read(self, ranges))
    array = np.asfortranarray(np.random.default_rng(1).random((40, 25, 3)))
    path = tmp_path / "x.npz"
    save(path, w=array)
    with open_npz(*find_storage(str(path))) as reader:
        blocks = [block.copy() for block in reader["w"].blocks(700)]
    assert b"".join(block.tobytes() for block in blocks) == array.tobytes()
    rows = 8 if save is np.savez else 20  # what is deflated is inflated twice at most
    assert bands == [range(start, start + rows) for start in range(0, 40, rows)]
    if save is np.savez:
        data = bytearray(path.read_bytes())
        data[-500] ^= 1
        path.write_bytes(data)
        with open_npz(*find_storage(str(path))) as reader, pytest.raises(DamagedFileError):
            next(reader["w"].blocks(700))


STREAM = """
import re, sys
from ckptread.formats.numpy.npz import open_npz
from ckptread.storage.addresses import find_storage
with open_npz(*find_storage(sys.argv[1])) as reader:
    total = sum(int(block.sum()) for block in reader["w"].blocks())
print(total, re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_large_array_streams_in_little_memory(tmp_path: Path, save) -> None:
    path = tmp_path / "x.npz"
    save(path, w=np.ones(300 << 20, np.uint8))
    run = subprocess.run([sys.executable, "-c", STREAM, str(path)], capture_output=True, text=True, check=True)
    total, peak = map(int, run.stdout.split())
    assert total == 300 << 20
    assert peak < 100 << 10


def test_random_damage_gives_an_error_or_what_was_written(tmp_path: Path) -> None:
    rng = random.Random(7)
    path = tmp_path / "x.npz"
    arrays = {"a": np.arange(50.0), "b": np.asfortranarray(np.eye(5, dtype="i2"))}
    np.savez_compressed(path, **arrays)
    whole = path.read_bytes()
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)
        try:
            with open_npz(*find_storage(str(path))) as reader:
                for key in reader:
                    read = np.asarray(reader[key])
                    assert key not in arrays or reader.problems or read.tobytes() == arrays[key].tobytes()
        except CheckpointError:
            continue


@pytest.mark.parametrize("names", [("w", "w.npy"), ("w.npy", "w")])
def test_two_members_of_one_name_are_not_read(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "two.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            with archive.open(name, "w") as file:
                np.save(file, np.full(3, len(name), "f4"))
    assert list(np.load(path)["w"]) == [1, 1, 1]
    with open_npz(*find_storage(str(path))) as reader:
        assert "ambiguous" in str(reader.tensors["w"].problem)
    with pytest.raises(UnsupportedError, match="'w' cannot be read: ambiguous"):
        ckptread.show(path, "w")


def test_a_member_without_an_ending_is_the_array_that_numpy_reads(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("w", "w") as file:
        np.save(file, np.arange(3))
    with open_npz(*find_storage(str(path))) as reader:
        assert list(reader.tensors) == np.load(path).files
        assert list(reader.read("w")) == list(np.load(path)["w"])
