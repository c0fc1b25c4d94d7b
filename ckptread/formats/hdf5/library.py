"""Asks the HDF5 worker about one file, and starts another worker where an earlier question ended it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.index import Hdf5Index
from ckptread.limits import VALUES_BYTES
from ckptread.slicing import Slicing
from ckptread.storage.source import Source
from ckptread.tensors import Finding
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted
from ckptread.worker.parent import Worker, deadline
from ckptread.worker.protocol import (
    Answer,
    DatasetsListed,
    ListDatasets,
    OpenHdf5,
    Question,
    ReadValues,
    Values,
)

MODULE = "ckptread.formats.hdf5.reference.main"

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array


class Hdf5Library:
    """The HDF5 library, run on one file by a worker that starts with the first question.

    ``claims`` is the size that a truncated file records, where what remains of it is wanted; None refuses damage.
    """

    def __init__(self, source: Source, path: str, claims: int | None) -> None:
        self._source = source
        self._path = path
        self._claims = claims
        self._seconds = deadline(source.size)
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def _start(self) -> Worker:
        descriptor, steps = self._source.recipe()
        opening = OpenHdf5(descriptor=descriptor, steps=steps, claims=self._claims)
        return Worker(MODULE, "HDF5", self._path, opening)

    def list_into(self, index: Hdf5Index) -> None:
        """Fill the index. Where the library fails on attributes only, keep the datasets and add a problem."""
        listed = False
        try:
            for reply, raw in self._ask(ListDatasets(attributes=True, orphans=True), listed=True):
                index.add(reply, raw)
                listed = listed or isinstance(reply, DatasetsListed)
        except DamagedFileError as error:
            if not listed:
                raise
            message = f"not all that it holds can be listed: {error.problem}"
            index.problems.append(Finding(code=error.code, severity="error", message=message))

    def read(self, key: str, slicing: Slicing, dtype: np.dtype[Any]) -> Array:
        """Return the values of a dataset in the box around a selection. Raises CheckpointError."""
        from ckptread.formats.hdf5.values import decode

        selection = [(r.start, r.stop, r.step) for r in slicing.ranges]
        raw = self._answer(ReadValues(key=key, selection=selection))
        try:
            return decode(raw, dtype, slicing.box)
        except Malformed as error:
            raise DamagedFileError(self._path, f"the values of {quoted(key)}: {error}") from error

    def _answer(self, question: ReadValues) -> bytes:
        """Return the raw bytes that answer a question about a dataset. Raises CheckpointError."""
        key, pieces = quoted(question.key), bytearray()
        try:
            for reply, raw in self._ask(question):
                self._check_reply(reply)
                pieces += raw
                if len(pieces) > VALUES_BYTES:
                    raise UnsafeFileError(self._path, f"{key} is too large to be read by the HDF5 library")
        except DamagedFileError as error:
            raise DamagedFileError(self._path, f"{key} cannot be read: {error.problem}", advice=error.advice) from error
        return bytes(pieces)

    def _check_reply(self, reply: Answer) -> None:
        if not isinstance(reply, Values):
            raise DamagedFileError(self._path, "the HDF5 worker sent an invalid reply")

    def _ask(self, question: Question, *, listed: bool = False) -> Iterator[tuple[Answer, bytes]]:
        """Ask the worker; another one where there is none, which has ``listed`` the datasets or does so first."""
        with self._lock:
            worker = self._worker
            if worker is None or not worker.alive:
                worker = self._worker = self._start()
                for _ in () if listed else worker.ask(ListDatasets(attributes=False, orphans=True), self._seconds):
                    continue  # the worker finds datasets by the keys that it listed
        yield from worker.ask(question, self._seconds)

    def close(self) -> None:
        """End the worker; the next question starts another."""
        if self._worker is not None:
            self._worker.close()
