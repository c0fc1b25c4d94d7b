"""Files that torch.save wrote before PyTorch 1.6, and writes still with ``_use_new_zipfile_serialization=False``.

What it is: pickles one after another (a magic number, a version, the writer's system, the object, the keys of its
storages), then each storage: the number of its elements in 8 bytes, and its bytes.
Specification: ``_legacy_save`` of torch/serialization.py, https://github.com/pytorch/pytorch
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ckptread.errors import DamagedFileError
from ckptread.formats.pytorch.listing import Storages
from ckptread.formats.pytorch.objects import TensorStorage, component, pairs_of, parse_storage
from ckptread.formats.pytorch.reader import ADVICE, PytorchReader
from ckptread.limits import PICKLE_BYTES
from ckptread.reader import Reader, Remains
from ckptread.storage.source import CloseOnError, Source, Storage
from ckptread.storage.windows import WindowSource
from ckptread.tensors import ITEM_BYTES, Finding, Region
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.pickle_machine import PickleMachine
from ckptread.untrusted.pickles import run_pickle

MAGIC = 0x1950A86A20F9469CFC6C
FIRST_BYTES = 256 << 10
"""Enough for the pickles of most checkpoints; eight times as much is read until it is enough."""


def open_pytorch_legacy(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open such a file. Raises CheckpointError."""
    source = storage.open(name)
    with CloseOnError(source):
        return LegacyReader(source)


class LegacyReader(PytorchReader):
    """An open file of pickles and storages."""

    format = "pytorch-legacy"

    def __init__(self, source: Source) -> None:
        pickles = _Pickles(source)
        magic, _, system, root, keys = (pickles.next() for _ in range(5))
        if magic != MAGIC or not isinstance(keys, list):
            raise DamagedFileError(source.name, "its pickles are not those of torch.save", advice=ADVICE)
        self._header = pickles.at
        big = any(component(key) == "little_endian" and value is False for key, value in pairs_of(system))
        self._runs, problems = _find_storages(source, self._header, keys, pickles.storages())
        sources = {key: WindowSource(source, at, nbytes, source.name) for key, (at, nbytes) in self._runs.items()}
        super().__init__(source, root, list(pickles.names), Storages(sources, big=big))
        self.problems += problems

    def regions(self) -> Iterator[Region]:
        """Yield the pickles and the storages: the format has no checksums."""
        yield Region(None, *self._source.locate(0), self._header, name="the pickles")
        for at, nbytes in self._runs.values():
            yield Region(None, *self._source.locate(at), nbytes, read_into=self._source.from_offset(at))


class _Pickles:
    """The pickles at the beginning of a file, one after another."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = b""
        self.at = 0
        self.names: dict[str, None] = {}
        self._references: list[Any] = []

    def next(self) -> Any:
        """Return what the next pickle holds. Raises DamagedFileError."""
        while True:
            machine = PickleMachine(self._data, self.at)
            try:
                value = run_pickle(machine)
                break
            except Malformed as error:
                if machine.at < len(self._data) or not self._read_on():
                    raise DamagedFileError(self._source.name, f"its pickle: {error}", advice=ADVICE) from error
        self.at = machine.at
        self.names.update(machine.names)
        self._references += machine.references
        return value

    def _read_on(self) -> bool:
        """Read more of the file; return whether there was more."""
        most = min(self._source.size, PICKLE_BYTES)
        wanted = min(most, max(FIRST_BYTES, 8 * len(self._data)))
        if wanted == len(self._data):
            return False
        self._data = self._source.read(0, wanted)
        return True

    def storages(self) -> dict[str, TensorStorage]:
        """Return the storages that the pickles refer to, by key."""
        found = {}
        for reference in self._references:
            try:
                storage = parse_storage(reference)
            except Malformed:  # a module's source, which older versions stored
                continue
            found[storage.key] = storage
        return found


def _find_storages(
    source: Source, at: int, keys: list[Any], known: dict[str, TensorStorage]
) -> tuple[dict[str, tuple[int, int]], list[Finding]]:
    """Return where each storage is, and what is wrong with the first that is not where it should be."""
    found: dict[str, tuple[int, int]] = {}
    for key in keys:
        storage = known.get(key) if isinstance(key, str) else None
        if storage is None or at + 8 > source.size:
            return found, [_problem(source, at, "a storage is missing, or of an unknown class")]
        nbytes = int.from_bytes(source.read(at, 8), "little") * ITEM_BYTES[storage.dtype]
        if nbytes > source.size - at - 8:
            return found, [_problem(source, at, f"a storage of {nbytes:,} bytes reaches beyond the end of the file")]
        found[storage.key] = (at + 8, nbytes)
        at += 8 + nbytes
    left = source.size - at
    return found, [_problem(source, at, f"{left:,} bytes follow the last storage")] if left else []


def _problem(source: Source, at: int, message: str) -> Finding:
    file, offset = source.locate(at)
    return Finding(code="pytorch-storage", severity="error", message=message, file=file, offset=offset, advice=ADVICE)
