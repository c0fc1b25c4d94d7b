"""The HDF5 worker's entry point: answers questions by running the HDF5 library on one file.

It is handed the open file and can open no other: external links and storage, virtual datasets and plugins lead
nowhere. It reads values that no code but the library can decode, and lists the file where h5py is the backend.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.reference.addresses import dataset_at
from ckptread.formats.hdf5.reference.chunks import verify_chunks
from ckptread.formats.hdf5.reference.describe import flat_array, small_float
from ckptread.formats.hdf5.reference.walk import LinkWalk
from ckptread.formats.hdf5.superblock import repaired_superblock
from ckptread.formats.hdf5.values import encode
from ckptread.limits import MEMORY_BYTES, VALUES_BYTES
from ckptread.storage.inflate import rebuild_source
from ckptread.storage.source import Source
from ckptread.worker.child import Handler, Sent, in_pieces, limit, serve
from ckptread.worker.protocol import (
    DatasetsListed,
    Entries,
    Entry,
    FoundAttributes,
    ListDatasets,
    LongText,
    OpenHdf5,
    Opening,
    Question,
    ReadDataset,
)

BATCH = 200
"""Entries in one message."""
LONG_TEXT = 16 << 10
"""A longer attribute goes as raw bytes, in a message of its own."""


class Stream(io.RawIOBase):
    """A source as the file object that h5py reads from.

    A truncated one appears as long as it ``claims``: the library then reads what is there, and what is missing is
    an error, never zeros.
    """

    def __init__(self, source: Source, claims: int | None = None) -> None:
        self._source = source
        self._remains = claims is not None
        self._size = max(source.size, claims or 0)
        self._head = repaired_superblock(source) if self._remains else None
        self._at = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move: relative to the beginning, the position, or the end."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer, or raise: the library would take stale memory for the rest."""
        view = memoryview(buffer).cast("B")
        try:
            self._source.read_into(self._at, view)
        except DamagedFileError as error:
            if not self._remains:
                raise
            # libhdf5 turns this into an error for that one object.
            raise OSError(f"part of its header, at byte {self._at:,}, is missing or damaged") from error
        if self._head is not None:
            self._head.lay_over(self._at, view)
        self._at += view.nbytes
        return view.nbytes


class H5pyServer:
    """Answers the parent's questions."""

    def __init__(self, source: Source, claims: int | None = None) -> None:
        self._source = source
        self._file = h5py.File(Stream(source, claims), "r")
        self._verified: set[int] = set()

    def __call__(self, question: Question) -> Iterator[Sent]:
        """Answer one question."""
        match question:
            case ListDatasets():
                yield from self._list()
            case ReadDataset():
                yield from in_pieces(self._values(question))
            case _:
                raise TypeError(f"HDF5 is not asked {question}")

    def _list(self) -> Iterator[Sent]:
        """List the datasets, and then the groups' attributes."""
        walk = LinkWalk(self._file)
        yield from _in_batches(walk.entries())
        yield DatasetsListed(), b""
        yield from _in_batches(walk.attributes())

    def _values(self, question: ReadDataset) -> bytes:
        """Return the encoded values of part of a dataset."""
        dataset = dataset_at(self._file, question.address)
        selection = tuple(slice(*bounds) for bounds in question.selection)
        own, inner = selection[: len(dataset.shape)], selection[len(dataset.shape) :]  # the axes of an array type
        count = np.prod([len(range(*part.indices(dim))) for part, dim in zip(own, dataset.shape, strict=True)])
        if int(count) * dataset.dtype.itemsize > VALUES_BYTES:
            raise UnsafeFileError("", f"{int(count):,} elements are too many to be read at once")
        if question.address not in self._verified:
            verify_chunks(self._source, dataset)
            self._verified.add(question.address)
        part: Any = (..., *inner)
        raw = encode(_elements(dataset, own)[part])
        if len(raw) > VALUES_BYTES:
            raise UnsafeFileError("", f"its values take {len(raw):,} bytes, too many to be read at once")
        return raw


def _elements(dataset: h5py.Dataset, selection: tuple[slice, ...]) -> np.ndarray[Any, Any]:
    """Return part of a dataset, in the file's byte order."""
    kind = dataset.dtype
    if small_float(dataset.id.get_type()) == "bfloat16":  # h5py reads it as the float32 of which it is the upper half
        wide = np.asarray(dataset[selection or ()], "<f4")
        return (wide.view("<u4") >> 16).astype("<u2")
    if dataset.shape or kind.subdtype is not None:
        return np.asarray(dataset[selection or ()], flat_array(kind)[0])
    scalar = np.empty((), kind)  # h5py's own scalars are in native order, without trailing zeros, and lists are arrays
    if dataset.size:
        dataset.read_direct(scalar)
    return scalar


def _in_batches(entries: Iterator[Entry]) -> Iterator[Sent]:
    """Yield entries, many in a message, and long texts, one in a message."""
    batch: list[Entry] = []
    for entry in entries:
        if isinstance(entry, FoundAttributes):
            yield from _long_texts(entry)
            entry = _without_long_texts(entry)  # noqa: PLW2901
        batch.append(entry)
        if len(batch) >= BATCH:
            yield Entries(entries=batch), b""
            batch = []
    yield Entries(entries=batch), b""


def _long_texts(entry: FoundAttributes) -> Iterator[Sent]:
    """Yield the long texts of a group (a model's configuration), as raw bytes."""
    for name, value in entry.attributes.items():
        if _is_long(value):
            raw = str(value).encode("utf-8", "surrogateescape")
            yield LongText(group=entry.group, name=name, nbytes=len(raw)), raw


def _without_long_texts(entry: FoundAttributes) -> FoundAttributes:
    short = {name: value for name, value in entry.attributes.items() if not _is_long(value)}
    return FoundAttributes(group=entry.group, attributes=short)


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > LONG_TEXT


def start_h5py(opening: Opening) -> Handler:
    """Give up everything except the file, and open it."""
    if not isinstance(opening, OpenHdf5):
        raise TypeError("the HDF5 worker opens HDF5 files")
    source = rebuild_source(opening.descriptor, opening.steps, "the file")
    for encoding in ("ascii", "utf-8", "latin-1"):
        codecs.lookup(encoding)  # Python imports these when first used, and no file can be opened then
    limit(memory=MEMORY_BYTES)
    return H5pyServer(source, opening.claims)


if __name__ == "__main__":
    serve(start_h5py)
