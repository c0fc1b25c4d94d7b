"""What an HDF5 file lists, from our own code or from the worker, whose replies are trusted no more than the file."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5.dataset_layout import UNREADABLE, DatasetLayout
from ckptread.limits import LISTING_BYTES, MAX_ENTRIES, MAX_KEY_BYTES
from ckptread.storage.source import Source
from ckptread.tensors import Finding, Severity, TensorInfo, shape_problem
from ckptread.wording import quoted
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

Attributes = dict[str, dict[str, Attribute]]
"""By group, then by name."""

ENTRY_BYTES = 200


class Hdf5Index(msgspec.Struct):
    """All that is known about a file without reading its values."""

    source: Source
    path: str
    tensors: dict[str, TensorInfo] = msgspec.field(default_factory=dict)
    layouts: dict[str, DatasetLayout] = msgspec.field(default_factory=dict)
    addresses: dict[str, int] = msgspec.field(default_factory=dict)
    """Where each dataset is described in the file, by key: how the worker is asked for its values."""
    attributes: Attributes = msgspec.field(default_factory=dict)
    problems: list[Finding] = msgspec.field(default_factory=list)
    _nbytes: int = 0
    """About what the listing takes in memory."""

    def add(self, reply: Answer, raw: bytes) -> None:
        """Add what one reply of the worker lists. Raises DamagedFileError where it cannot be true, or is too much."""
        if isinstance(reply, LongText):
            self.add_attributes(reply.group, {reply.name: raw.decode("utf-8", "surrogateescape")})
        elif isinstance(reply, Entries):
            for entry in reply.entries:
                self._add_entry(entry)
        elif not isinstance(reply, DatasetsListed):
            raise invalid_reply(self.path, "HDF5")
        if len(self.tensors) > MAX_ENTRIES or self._nbytes > LISTING_BYTES:
            raise DamagedFileError(self.path, "the HDF5 worker lists more than a checkpoint may hold")

    def _add_entry(self, entry: Entry) -> None:
        if isinstance(entry, FoundAttributes):
            self.add_attributes(entry.group, entry.attributes)
        elif isinstance(entry, FoundProblem):
            self._count(entry.key, entry.message)
            self.add_problem(entry.code, entry.severity, entry.message, entry.key or None)
        else:
            self._count(entry.key, entry.dtype, entry.problem, entry.alias_of)
            self.add_dataset(entry)

    def add_attributes(self, group: str, attributes: Mapping[str, Attribute]) -> None:
        """Add attributes of a group."""
        self._count(group)
        self._nbytes += sum(ENTRY_BYTES + _attribute_bytes(value) for value in attributes.values())
        self.attributes.setdefault(group, {}).update(attributes)

    def _count(self, *texts: str | None) -> None:
        self._nbytes += ENTRY_BYTES + sum(len(text or "") for text in texts)

    def add_problem(self, code: str, severity: Severity, message: str, key: str | None, advice: str = "") -> None:
        """Add something to report about the object at ``key``, or about the file."""
        self.problems.append(
            Finding(code=code, severity=severity, message=message, key=key, file=self.path, advice=advice)
        )

    def add_dataset(self, entry: FoundDataset, layout: DatasetLayout = UNREADABLE) -> None:
        """Add a dataset; of two with one name, the first."""
        key, nbytes = entry.key, entry.nbytes
        if key in self.tensors:
            self.add_problem(
                "hdf5-duplicate-name", "error", f"two datasets are called {quoted(key)}; the first one is taken", key
            )
            return
        problem = self._problem(entry)
        in_place = problem is None and layout.kind == "contiguous" and not layout.encoded and self.source.addressable
        self.layouts[key] = layout
        if entry.address is not None:
            self.addresses[key] = entry.address
        self.tensors[key] = TensorInfo(
            key=key,
            shape=entry.shape,
            dtype=entry.dtype,
            nbytes=nbytes,
            extent=self.source.extent(layout.offset, nbytes) if in_place else None,
            problem=problem,
            alias_of=entry.alias_of,
            unsupported=entry.unsupported,
        )

    def _problem(self, entry: FoundDataset) -> str | None:
        """Return why a dataset cannot be read: what the worker reports, or what is wrong with its report."""
        if len(entry.key) > MAX_KEY_BYTES:
            return f"its path takes {len(entry.key):,} characters"
        if entry.problem is not None:
            return entry.problem
        if entry.shape is not None and (problem := shape_problem(entry.shape)) is not None:
            return problem
        return None


def _attribute_bytes(value: Attribute) -> int:
    """Return about what an attribute takes in memory."""
    return sum(60 + len(item) for item in value) if isinstance(value, list) else len(str(value))
