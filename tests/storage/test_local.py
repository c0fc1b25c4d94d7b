"""Folders and files of this machine, as storage and sources."""

import os
from pathlib import Path

import pytest

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.storage.addresses import find_storage, kind_of
from ckptread.storage.local import FileSource, LocalStorage
from ckptread.storage.small_files import read_small_file
from ckptread.storage.source import CloseOnError
from ckptread.storage.windows import WindowSource
from ckptread.storage.writing import open_complete


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run" / "inner").mkdir(parents=True)
    (tmp_path / "run" / "a.bin").write_bytes(bytes(range(100)))
    (tmp_path / "outside.bin").write_bytes(b"secret")
    (tmp_path / "run" / "out").symlink_to(tmp_path / "outside.bin")
    (tmp_path / "run" / "in").symlink_to("a.bin")
    (tmp_path / "run" / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "run" / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "name", "address"),
    [
        ("model.h5", "model.h5", "model.h5"),
        ("runs/model.h5", "model.h5", "runs/model.h5"),
        ("./model.h5", "model.h5", "./model.h5"),
        ("/runs/model.h5", "model.h5", "/runs/model.h5"),
        ("runs/", "runs", "runs"),
        (".", ".", "."),
        ("/", "", "/"),
    ],
)
def test_a_path_is_a_storage_and_a_name(path: str, name: str, address: str) -> None:
    storage, found = find_storage(path)
    assert (found, storage.address(found)) == (name, address)


def test_the_empty_path_is_nothing() -> None:
    assert kind_of("") is None
    with pytest.raises(CheckpointError, match="the path is empty"):
        find_storage("")


def test_kinds_of_names(folder: Path) -> None:
    storage = LocalStorage(str(folder / "run"))
    kinds = {name: storage.kind(name) for name in ("", "inner", "a.bin", "in", "dangling", "pipe", "none", "a\0b")}
    assert kinds == {
        "": "folder", "inner": "folder", "a.bin": "file", "in": "file", "dangling": "other", "pipe": "other",
        "none": None, "a\0b": None,
    }  # fmt: skip


def test_a_folder_is_listed_in_order_and_a_file_is_not(folder: Path) -> None:
    storage = LocalStorage(str(folder))
    assert storage.list("run") == ["a.bin", "dangling", "in", "inner", "out", "pipe"]
    assert storage.list("run/a.bin") == storage.list("none") == []


def test_within_follows_links(folder: Path) -> None:
    storage = LocalStorage(str(folder))
    inside = ("run/a.bin", "run/in", "run/inner", "run/none", "run/inner/../a.bin", str(folder / "run" / "a.bin"))
    outside = ("run/out", "run/../outside.bin", "outside.bin", "run", "running", "/etc/passwd")
    assert all(storage.within("run", name) for name in inside)
    assert not any(storage.within("run", name) for name in outside)


def test_a_stamp_changes_with_the_file(folder: Path) -> None:
    storage = LocalStorage(str(folder / "run"))
    with storage.open("a.bin") as source:
        assert storage.stamp("a.bin") == source.stamp
        (folder / "run" / "a.bin").write_bytes(b"other bytes of another size")
        assert storage.stamp("a.bin") != source.stamp
        with pytest.raises(DamagedFileError, match="it changed while it was read"):
            source.read(0, 4)
    assert storage.stamp("inner") is storage.stamp("pipe") is storage.stamp("none") is None


@pytest.mark.parametrize(
    ("name", "kind"), [("pipe", UnsafeFileError), ("inner", UnsafeFileError), ("none", CheckpointError)]
)
def test_only_regular_files_are_opened(folder: Path, name: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        LocalStorage(str(folder / "run")).open(name)


@pytest.mark.parametrize("force", [False, True])
def test_only_regular_files_are_replaced(tmp_path: Path, force: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match="not a regular file"), open_complete(str(pipe), force) as file:
        file.write(b"1")
    assert pipe.is_fifo()
    regular, link = tmp_path / "regular", tmp_path / "link"
    regular.write_bytes(b"0")
    link.symlink_to(pipe)
    for target in (regular, link):
        with open_complete(str(target), force=True) as file:
            file.write(b"1")
        assert (target.read_bytes(), target.is_symlink()) == (b"1", False)
    assert pipe.is_fifo()


def test_many_ranges_are_read_in_order(folder: Path) -> None:
    with FileSource(str(folder / "run" / "a.bin")) as source:
        window = WindowSource(source, 10, 50, "window")
        assert source.read_many([(5, 2), (0, 3), (99, 1), (7, 0)]) == [b"\5\6", b"\0\1\2", b"c", b""]
        assert window.read_many([(0, 2), (49, 1)]) == [b"\n\v", b";"]
        for ranges in ([(49, 2)], [(0, 1), (-1, 1)]):
            with pytest.raises(DamagedFileError):
                window.read_many(ranges)


def test_a_source_closes_itself_and_is_closed_then(folder: Path) -> None:
    with FileSource(str(folder / "run" / "a.bin")) as source:
        assert source.read(0, 1) == b"\0"
    source.close()
    for read in (lambda: source.read(0, 1), lambda: source.read_into(0, memoryview(bytearray(1)))):
        with pytest.raises(CheckpointError, match="the checkpoint is closed"):
            read()


def test_what_fails_is_closed(folder: Path) -> None:
    source = FileSource(str(folder / "run" / "a.bin"))
    with CloseOnError(source):
        assert source.read(0, 1) == b"\0"
    assert source.read(0, 1) == b"\0"
    with pytest.raises(KeyError), CloseOnError(source):
        raise KeyError
    with pytest.raises(CheckpointError, match="is closed"):
        source.read(0, 1)


def test_a_small_file_is_read_up_to_its_limit(folder: Path) -> None:
    storage = LocalStorage(str(folder / "run"))
    assert read_small_file(storage, "a.bin", 100, "a table") == bytes(range(100))
    with pytest.raises(UnsafeFileError, match="a table of 100 bytes is too large: the limit is 99"):
        read_small_file(storage, "a.bin", 99, "a table")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not list open files")
def test_a_file_that_nobody_closes_is_closed_with_its_source(folder: Path) -> None:
    path = str(folder / "run" / "a.bin")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        FileSource(path).read(0, 1)
    assert len(os.listdir("/proc/self/fd")) == before
