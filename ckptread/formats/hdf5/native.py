"""A file read natively: its index."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TypeVar

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5.description import describe
from ckptread.formats.hdf5.drivers import check_driver, read_driver
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.formats.hdf5.listing import Listed, Lister, Noted
from ckptread.formats.hdf5.objects import DatasetObject, LostObject, ObjectReader
from ckptread.formats.hdf5.rounds import Parser, Rounds
from ckptread.formats.hdf5.superblock import Unsupported, extra_bytes, find_head, read_superblock, truncation_error
from ckptread.limits import MAX_ORPHANS
from ckptread.storage.source import Source
from ckptread.tensors import Finding, TensorInfo, trouble
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted

Result = TypeVar("Result")


class NativeFile:
    """An open file, read by our own code."""

    def __init__(self, source: Source, path: str, *, remains: bool = False) -> None:
        """Read the superblock and every object; with ``remains``, all that is left of a damaged file.

        Raises CheckpointError, and Unsupported for what only HDF5 reads.
        """
        self._remains = remains
        self._ends: list[Finding] = []
        """What is wrong with where the file ends."""
        self.datasets: dict[str, DatasetObject] = {}
        """By key."""
        self._path = path
        self._source = source
        self._rounds = Rounds(source)
        self._lock = threading.Lock()
        self.head = self.run(read_superblock(source.size, self._rounds.at_hand))
        self._check_parts()
        self._objects = ObjectReader(self.head, self._rounds, remains=remains)
        self.run(self._objects.read(self.head.root))
        if not remains:
            self._check_objects()

    @property
    def rounds(self) -> int:
        """How many rounds of reading it took so far."""
        return self._rounds.count

    def run(self, parser: Parser[Result], what: str = "") -> Result:
        """Run a parser over the file. Raises DamagedFileError, which says ``what`` it was about."""
        try:
            with self._lock:
                return self._rounds.run(parser)
        except Malformed as error:
            raise self.damaged(error, what) from error

    def damaged(self, error: Malformed, what: str = "") -> DamagedFileError:
        """Return the error of malformed bytes; ``what`` is where they were met."""
        file, offset = self._source.locate(error.at)
        return DamagedFileError(file, f"{what}{error.problem}", offset=offset, code="hdf5-structure")

    def _check_parts(self) -> None:
        """Raise where the file is one of several, or is truncated and only complete ones are wanted."""
        with suppress(DamagedFileError, Unsupported):
            check_driver(self._path, self.run(read_driver(self.head)))
        head = self.run(find_head(self._source.size))
        cut = truncation_error(self._source, head)
        if cut is not None and not self._remains:
            raise cut
        ends = (None if cut is None else trouble(cut), extra_bytes(self._source, head))
        self._ends = [each for each in ends if each is not None]

    def _check_objects(self) -> None:
        """Raise where nothing can be listed; Unsupported where the library may read what is not read here."""
        root = self._objects.found[self.head.root]
        if isinstance(root, LostObject) and not root.unsupported:
            raise DamagedFileError(self._path, root.problem, offset=root.offset, code="hdf5-structure")
        if any(isinstance(each, LostObject) and each.unsupported for each in self._objects.found.values()):
            raise Unsupported("it has structures that only the HDF5 library reads")

    def index(self) -> Hdf5Index:
        """Return all that the file lists. Raises UnsafeFileError where that is too much."""
        index = Hdf5Index(self._source, self._path)
        index.problems += self._ends
        if self.head.open_for_writing:
            message = "its writer never closed it: the HDF5 library refuses it, and what it wrote last may be missing"
            advice = "extract its tensors, or mark it as closed with 'h5clear -s'"
            index.add_problem("hdf5-open-for-writing", "warning", message, None, advice)
        lister = Lister(self._path, self.head, self._objects.found)
        self.path_of = lister.path_of
        for entry in lister.entries():
            self._add(index, entry)
        if self._remains and lister.names_lost:
            for entry in lister.orphans(self._read_orphans()):
                self._add(index, entry)
        for key, group in lister.groups:
            index.add_attributes(key, group.attributes.values)
            for name in group.attributes.unreadable:
                message = f"the attribute {quoted(name)} of {quoted(key or '/')} cannot be read"
                index.add_problem("hdf5-attribute", "warning", message, key or None)
        return index

    def _read_orphans(self) -> list[int]:
        """Read what may be objects that no group lists; return their addresses."""
        from ckptread.formats.hdf5.orphans import object_addresses

        addresses = sorted(set(object_addresses(self._source, self.head.base)))[:MAX_ORPHANS]
        for address in addresses:
            if address not in self._objects.found:
                self.run(self._objects.read(address))
        return addresses

    def _add(self, index: Hdf5Index, entry: Listed | Noted) -> None:
        if isinstance(entry, Noted):
            index.add_problem(entry.code, entry.severity, entry.message, entry.key or None)
            return
        if entry.dataset is None:
            info = TensorInfo(
                key=entry.key, shape=None, dtype="unknown", nbytes=0, problem=entry.problem,
                unsupported=entry.unsupported,
            )  # fmt: skip
            index.add_dataset(info, None)
            return
        info, layout = describe(entry.key, entry.dataset, self.head, self._source, entry.alias_of)
        index.add_dataset(info, entry.dataset.address, layout)
        self.datasets.setdefault(entry.key, entry.dataset)
        if entry.dataset.null_references:
            count = f"{entry.dataset.null_references:,} of the references of {quoted(entry.key)} lead nowhere"
            index.add_problem("hdf5-reference", "warning", count, entry.key)
