"""Zip archives of torch.save, as PyTorch has written them since 1.6.

What it is: NAME/data.pkl, NAME/data/KEY for each storage, stored, and NAME/byteorder, in a zip archive.
Specification: torch/serialization.py and caffe2/serialize/inline_container.cc of https://github.com/pytorch/pytorch
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.pytorch.listing import Storages
from ckptread.formats.pytorch.reader import ADVICE, PytorchReader
from ckptread.formats.weight_map import WeightMapReader
from ckptread.formats.zip.archive import ZipArchive
from ckptread.limits import PICKLE_BYTES
from ckptread.reader import Reader, Remains
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.tensors import Region
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.pickle_machine import PickleMachine
from ckptread.untrusted.pickles import run_pickle

PICKLE = "data.pkl"


def open_pytorch(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open an archive of torch.save. Raises CheckpointError."""
    source = storage.open(name)
    with CloseOnError(source):
        return ArchiveReader(source, remains)


def open_pytorch_shards(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open a checkpoint of several files by its index. Raises CheckpointError."""
    return WeightMapReader(storage, name, "pytorch-shards", open_pytorch)


class ArchiveReader(PytorchReader):
    """An open archive of torch.save."""

    def __init__(self, source: Source, remains: Remains) -> None:
        self._archive = ZipArchive(source, remains)
        folder = _folder(self._archive, source.name)
        machine = PickleMachine(_read_member(self._archive, f"{folder}{PICKLE}", source.name))
        try:
            root = run_pickle(machine)
        except Malformed as error:
            raise DamagedFileError(source.name, f"its {PICKLE}: {error}", advice=ADVICE) from error
        super().__init__(source, root, list(machine.names), _storages(self._archive, folder, source.name))
        self.problems += self._archive.problems

    def regions(self) -> Iterator[Region]:
        """Yield the members, each with the tensor that it is where it is one."""
        whole = {info.extent.offset: info.key for info in self.tensors.values() if info.extent and not info.alias_of}
        for region, member in self._archive.located():
            yield region.belonging_to(whole.get(member.offset))


def _folder(archive: ZipArchive, path: str) -> str:
    """Return the folder of the archive that has all its members, with a "/" at its end."""
    found = [name for name in archive.members if name.rpartition("/")[2] == PICKLE and name.count("/") <= 1]
    if len(found) != 1:
        raise DamagedFileError(path, f"it has {len(found)} members called {PICKLE}", advice=ADVICE)
    return found[0].removesuffix(PICKLE)


def _read_member(archive: ZipArchive, name: str, path: str) -> bytes:
    """Return all bytes of a member, once their checksum agrees."""
    member = archive.members[name]
    if member.nbytes > PICKLE_BYTES:
        raise UnsafeFileError(
            path, f"its {name} of {member.nbytes:,} bytes is too large: the limit is {PICKLE_BYTES:,}"
        )
    data = archive.source(name).read(0, member.nbytes)
    if zlib.crc32(data) != member.crc32:
        raise DamagedFileError(
            path, f"the bytes of its {name} do not have the CRC-32 that the archive records", advice=ADVICE
        )
    return data


def _storages(archive: ZipArchive, folder: str, path: str) -> Storages:
    """Return the storages by key: those that the archive refuses are missing."""
    sources: dict[str, Source] = {}
    prefix = f"{folder}data/"
    for name, member in archive.members.items():
        if name.startswith(prefix) and member.problem is None:
            sources[name.removeprefix(prefix)] = archive.source(name)
    order = f"{folder}byteorder"
    try:
        big = order in archive.members and _read_member(archive, order, path) == b"big"
    except CheckpointError:
        big = False
    return Storages(sources, big=big)
