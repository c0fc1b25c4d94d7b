"""The child of hdf5.py: the only code that runs the HDF5 library.

It is handed the open file, reads through a window on that descriptor, and can open no other: external links and
storage, virtual datasets and plugins lead nowhere. It tells what the file holds, and reads only those values that
none but the library can decode.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5d

from ckptread.errors import DamagedFileError, TensorNotFoundError, UnsafeFileError
from ckptread.formats.hdf5.reference.chunks import stored_chunks, verify_chunks
from ckptread.formats.hdf5.reference.walk import LinkWalk
from ckptread.formats.hdf5.superblock import mended_head
from ckptread.formats.hdf5.values import encode
from ckptread.storage.inflate import rebuild_source
from ckptread.storage.source import Source
from ckptread.worker.child import Handler, limit, serve
from ckptread.worker.parent import Message, Reply

MEMORY = 512 << 20
BATCH = 200
"""Datasets told in one message."""
MAX_VALUE_BYTES = 128 << 20
"""The most that is read here at once: the library wants it all in memory."""
PIECE_BYTES = 16 << 20
LONG_TEXT = 16 << 10


class Stream(io.RawIOBase):
    """A source as the file object that h5py reads from.

    One that was cut short is as long as it ``claims``: the library then reads what is there, and what is missing is
    an error of its own, never zeros.
    """

    def __init__(self, source: Source, claims: int | None = None) -> None:
        self._source = source
        self._remains = claims is not None
        self._size = max(source.size, claims or 0)
        self._head = mended_head(source) if self._remains else None
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return where it stands."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stand elsewhere: from the beginning, from here, or from the end."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer, or raise: what is left as it was would be old memory."""
        view = memoryview(buffer).cast("B")
        try:
            self._source.read_into(self._at, view)
        except DamagedFileError as error:
            if not self._remains:
                raise
            # Which the library passes on as its own, of one object.
            raise OSError(f"a part of its description, at byte {self._at:,}, is missing or damaged") from error
        if self._head is not None:
            self._head.lay_over(self._at, view)
        self._at += view.nbytes
        return view.nbytes


class H5pyServer:
    """What answers the parent's questions."""

    def __init__(self, source: Source, claims: int | None = None) -> None:
        self._source = source
        self._file = h5py.File(Stream(source, claims), "r")
        self._verified: set[str] = set()
        self._walk = LinkWalk(self._file, remains=claims is not None)

    def __call__(self, message: Message) -> Iterator[Reply]:
        """Answer one question."""
        questions = {"index": self.index, "chunks": self.chunks, "compact": self.compact, "read": self.read}
        yield from questions[message["ask"]](message)

    def index(self, message: Message) -> Iterator[Reply]:
        """Tell what the file holds: first its datasets, then, where they are asked for, its groups' attributes.

        What no group leads to comes last: of a damaged file, all that is told before stands.
        """
        strays = [self._walk.strays(self._source)] if message["strays"] else []
        for entries in (self._walk.entries(), *strays):
            yield from _told(entries)
            if message["attributes"]:
                yield {"entries": [], "listed": True}, b""
                yield from _told(self._walk.attributes())

    def chunks(self, message: Message) -> Iterator[Reply]:
        """Tell where the chunks of a dataset lie: rows of its position, filter mask, offset and stored bytes."""
        found = [
            (*chunk.position, chunk.filter_mask, chunk.offset, chunk.nbytes)
            for chunk in stored_chunks(self._dataset(message).id)
        ]
        raw = np.array(found, "<u8").tobytes()
        for at in range(0, len(raw), PIECE_BYTES):
            yield {}, raw[at : at + PIECE_BYTES]

    def compact(self, message: Message) -> Iterator[Reply]:
        """Send the bytes of a dataset that lies in its own description."""
        yield {}, self._dataset(message)[()].tobytes()

    def read(self, message: Message) -> Iterator[Reply]:
        """Send the values of a part of a dataset."""
        dataset = self._dataset(message)
        selection = tuple(slice(start, stop, step) for start, stop, step in message["selection"])
        count = np.prod([len(range(*part.indices(dim))) for part, dim in zip(selection, dataset.shape, strict=True)])
        if int(count) * dataset.dtype.itemsize > MAX_VALUE_BYTES:
            raise UnsafeFileError("", f"{int(count):,} elements are too many to be read at once")
        if message["key"] not in self._verified:
            verify_chunks(dataset)
            self._verified.add(message["key"])
        raw = encode(np.asarray(dataset[selection or ()], dataset.dtype))
        if len(raw) > MAX_VALUE_BYTES:
            raise UnsafeFileError("", f"its values take {len(raw):,} bytes, too many to be read at once")
        for at in range(0, len(raw), PIECE_BYTES):
            yield {}, raw[at : at + PIECE_BYTES]

    def _dataset(self, message: Message) -> h5py.Dataset:
        place = self._walk.places.get(message["key"])
        if place is None:
            raise TensorNotFoundError("", "there is no such dataset")
        return h5py.Dataset(h5d.open(*place))


def _told(entries: Iterator[Message]) -> Iterator[Reply]:
    """Send entries, many in a message; a long text goes on its own, as raw bytes."""
    batch: list[Message] = []
    for entry in entries:
        for name, value in _long_texts(entry.get("attributes", {})):
            raw = value.encode("utf-8", "surrogateescape")
            yield {"entries": [{"group": entry["group"], "text": name}]}, raw
        batch.append(entry)
        if len(batch) >= BATCH:
            yield {"entries": batch}, b""
            batch = []
    yield {"entries": batch}, b""


def _long_texts(attributes: dict[str, Any]) -> list[tuple[str, str]]:
    """Take the long texts (a model's whole configuration) out of a group's attributes: they go on their own."""
    long = [name for name, value in attributes.items() if isinstance(value, str) and len(value) > LONG_TEXT]
    return [(name, attributes.pop(name)) for name in long]


def start_h5py(first: Message) -> Handler:
    """Give up everything but the file, and open it."""
    source = rebuild_source(first["descriptor"], first["steps"], "the file")
    for encoding in ("ascii", "utf-8", "latin-1"):
        codecs.lookup(encoding)  # which Python imports when first used: no file can be opened then
    limit(memory=MEMORY)
    return H5pyServer(source, first.get("claims"))


if __name__ == "__main__":
    serve(start_h5py)
