"""Asks the HDF5 worker about one file, and starts another worker where an earlier question ended it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.early_start import MODULE
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.limits import VALUES_BYTES
from ckptread.storage.source import Source
from ckptread.tensors import Finding
from ckptread.wording import escape
from ckptread.worker.parent import Worker, deadline
from ckptread.worker.protocol import (
    Answer,
    DatasetsListed,
    ListDatasets,
    LocateChunks,
    OpenHdf5,
    Question,
    ReadCompact,
    ReadValues,
    Values,
)


class Hdf5Library:
    """The HDF5 library, run on one file by a worker that starts at once.

    ``claims`` is the size that a truncated file records, where what remains of it is wanted; None refuses damage.
    """

    def __init__(self, source: Source, path: str, claims: int | None) -> None:
        self._source = source
        self._path = path
        self._claims = claims
        self._seconds = deadline(source.size)
        self._orphans = True  # are listed too, unless the library fails on them
        self._lock = threading.Lock()
        self._worker = self._start()

    def _start(self) -> Worker:
        descriptor, steps = self._source.recipe()
        opening = OpenHdf5(descriptor=descriptor, steps=steps, claims=self._claims)
        return Worker(MODULE, "HDF5", self._path, opening)

    def list_into(self, index: Hdf5Index) -> None:
        """Fill the index. Where the library fails on attributes only, keep the datasets and add a problem."""
        listed = False
        try:
            for reply, raw in self._worker.ask(ListDatasets(attributes=True, orphans=True), self._seconds):
                index.add(reply, raw)
                listed = listed or isinstance(reply, DatasetsListed)
        except DamagedFileError as error:
            if not listed:
                raise
            self._orphans = False
            message = f"not all that it holds can be listed: {error.problem}"
            index.problems.append(Finding(code=error.code, severity="error", message=message))

    def answer(self, question: LocateChunks | ReadCompact | ReadValues) -> bytes:
        """Return the raw bytes that answer a question about a dataset. Raises CheckpointError."""
        key, pieces = escape(question.key), bytearray()
        try:
            for reply, raw in self._ask(question):
                if not isinstance(reply, Values):
                    raise self._worker.invalid_reply()
                pieces += raw
                if len(pieces) > VALUES_BYTES:
                    raise UnsafeFileError(self._path, f"{key!r} is too large to be read by the HDF5 library")
        except DamagedFileError as error:
            raise DamagedFileError(
                self._path, f"{key!r} cannot be read: {error.problem}", advice=error.advice
            ) from error
        return bytes(pieces)

    def _ask(self, question: Question) -> Iterator[tuple[Answer, bytes]]:
        with self._lock:
            if not self._worker.alive:
                self._worker = self._start()
                for _ in self._worker.ask(ListDatasets(attributes=False, orphans=self._orphans), self._seconds):
                    continue  # the worker finds datasets by the keys that it listed
        yield from self._worker.ask(question, self._seconds)

    def close(self) -> None:
        """End the worker; the next question starts another."""
        self._worker.close()
