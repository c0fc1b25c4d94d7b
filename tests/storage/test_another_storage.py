"""An object store is one more subclass of Storage and Source: every format reads from one that is only in memory."""

import os
import posixpath
from pathlib import Path

import pytest

import ckptread
from ckptread.errors import CheckpointError
from ckptread.formats.locate import locate
from ckptread.reader import Remains
from ckptread.storage.source import Source, Stamp, Storage
from ckptread.testing.conformance import assert_same_bits
from tests.conformance.cases import CASES, each
from tests.conformance.test_conformance import readable


class MemorySource(Source):
    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data, self.size = name, data, len(data)
        self.stamp = Stamp(len(data), "etag")
        self.descriptor = -1

    def read_into(self, offset, buffer):
        self.check_range(offset, buffer.nbytes)
        buffer.cast("B")[:] = self.data[offset : offset + buffer.nbytes]

    def locate(self, offset):
        return self.name, offset

    def whole_file(self):
        return self

    def recipe(self):
        if self.descriptor < 0:  # a worker is handed a copy
            self.descriptor = os.memfd_create("copy")
            os.write(self.descriptor, self.data)
        return self.descriptor, []

    def close(self):
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class MemoryStorage(Storage):
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    @classmethod
    def copy_of(cls, folder: Path) -> "MemoryStorage":
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return cls({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})

    def address(self, name):
        return "memory://" + posixpath.normpath(name)

    def open(self, name):
        if self.kind(name) != "file":
            raise CheckpointError(self.address(name), "there is no such object")
        return MemorySource(self.address(name), self.files[posixpath.normpath(name)])

    def kind(self, name):
        name = posixpath.normpath(name)
        if name in self.files:
            return "file"
        return "folder" if name == "." or any(file.startswith(name + "/") for file in self.files) else None

    def list(self, folder):
        inside = "" if posixpath.normpath(folder) == "." else posixpath.normpath(folder) + "/"
        return sorted({file.removeprefix(inside).split("/")[0] for file in self.files if file.startswith(inside)})

    def within(self, folder, name):
        return not posixpath.relpath(name, folder or ".").startswith("..")

    def stamp(self, name):
        found = self.files.get(posixpath.normpath(name))
        return None if found is None else Stamp(len(found), "etag")

    def is_link(self, name):
        return False


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has files in memory")
@each(CASES)
def test_every_format_reads_from_memory(case):
    located = locate(case.path)
    folder = Path(located.storage.address(located.name)).parent
    with (
        ckptread.open(case.path) as local,
        located.format.open(MemoryStorage.copy_of(folder), located.name, Remains.refused) as reader,
    ):
        assert reader.path.startswith("memory://")
        assert list(reader.tensors) == list(local.tensors)
        assert len(list(reader.regions())) == len(list(local.regions()))
        for tensor in readable(case, reader):
            assert_same_bits(tensor.read(), local[tensor.info.key].read())
