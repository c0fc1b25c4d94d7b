"""What the HDF5 worker lists. Its replies are trusted no more than the file."""

from __future__ import annotations

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.limits import LISTING_BYTES, MAX_ENTRIES
from ckptread.tensors import TensorInfo, shape_problem
from ckptread.worker.parent import invalid_reply
from ckptread.worker.protocol import (
    Answer,
    Attribute,
    DatasetsListed,
    Entries,
    Entry,
    FoundAttributes,
    FoundDataset,
    FoundProblem,
    LongText,
)

ENTRY_BYTES = 200


class WorkerIndex(Hdf5Index):
    """An index that is filled from the worker's replies."""

    nbytes: int = 0
    """About what the listing takes in memory."""

    def add(self, reply: Answer, raw: bytes) -> None:
        """Add what one reply lists. Raises DamagedFileError where it cannot be true, or is too much."""
        if isinstance(reply, LongText):
            self._add_attributes(reply.group, {reply.name: raw.decode("utf-8", "surrogateescape")})
        elif isinstance(reply, Entries):
            for entry in reply.entries:
                self._add_entry(entry)
        elif not isinstance(reply, DatasetsListed):
            raise invalid_reply(self.path, "HDF5")
        if len(self.tensors) > MAX_ENTRIES or self.nbytes > LISTING_BYTES:
            raise DamagedFileError(self.path, "the HDF5 worker lists more than a checkpoint may hold")

    def _add_entry(self, entry: Entry) -> None:
        if isinstance(entry, FoundAttributes):
            self._add_attributes(entry.group, entry.attributes)
        elif isinstance(entry, FoundProblem):
            self._count(entry.key, entry.message)
            self.add_problem(entry.code, entry.severity, entry.message, entry.key or None)
        else:
            self._count(entry.key, entry.dtype, entry.problem, entry.alias_of)
            self.add_dataset(_info(entry), entry.address)

    def _add_attributes(self, group: str, attributes: dict[str, Attribute]) -> None:
        self._count(group)
        self.nbytes += sum(ENTRY_BYTES + _attribute_bytes(value) for value in attributes.values())
        self.add_attributes(group, attributes)

    def _count(self, *texts: str | None) -> None:
        self.nbytes += ENTRY_BYTES + sum(len(text or "") for text in texts)


def _info(entry: FoundDataset) -> TensorInfo:
    return TensorInfo(
        key=entry.key, shape=entry.shape, dtype=entry.dtype, nbytes=entry.nbytes, alias_of=entry.alias_of,
        problem=entry.problem or shape_problem(entry.shape or ()), unsupported=entry.unsupported,
        is_text=entry.is_text,
    )  # fmt: skip


def _attribute_bytes(value: Attribute) -> int:
    """Return about what an attribute takes in memory."""
    return sum(60 + len(item) for item in value) if isinstance(value, list) else len(str(value))
