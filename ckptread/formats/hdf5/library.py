"""Asks the HDF5 worker about one file, and starts another worker where an earlier question ended it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.worker_index import WorkerIndex
from ckptread.limits import VALUES_BYTES
from ckptread.slicing import Slicing
from ckptread.storage.source import Source
from ckptread.tensors import Finding
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted
from ckptread.worker.parent import Worker, deadline, invalid_reply
from ckptread.worker.protocol import (
    Answer,
    DatasetsListed,
    ListDatasets,
    OpenHdf5,
    Question,
    ReadDataset,
    Values,
)

MODULE = "ckptread.formats.hdf5.reference.main"
IN_SLICES = "read it in slices or blocks"

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
        opening = OpenHdf5(descriptor=descriptor, steps=steps, claims=self._claims, seconds=self._seconds)
        return Worker(MODULE, "HDF5", self._path, opening)

    def list_into(self, index: WorkerIndex) -> None:
        """Fill the index. Where the library fails on attributes only, keep the datasets and add a problem."""
        listed = False
        try:
            for reply, raw in self._ask(ListDatasets()):
                index.add(reply, raw)
                listed = listed or isinstance(reply, DatasetsListed)
        except DamagedFileError as error:
            if not listed:
                raise
            message = f"not all that it holds can be listed: {error.problem}"
            index.problems.append(Finding(code=error.code, severity="error", message=message))

    def read(self, key: str, address: int, slicing: Slicing, dtype: np.dtype[Any]) -> Array:
        """Return the values of the dataset at an address in the box around a selection. Raises CheckpointError."""
        from ckptread.formats.hdf5.values import decode

        selection = [(r.start, r.stop, r.step) for r in slicing.ranges]
        try:
            return decode(self._values(ReadDataset(address=address, selection=selection)), dtype, slicing.box)
        except Malformed as error:
            raise DamagedFileError(self._path, f"the values of {quoted(key)}: {error}") from error
        except CheckpointError as error:
            problem = f"{quoted(key)} cannot be read: {error.problem}"
            raise type(error)(self._path, problem, advice=error.advice) from error

    def _values(self, question: ReadDataset) -> bytes:
        """Return the raw bytes that answer a question about a dataset. Raises CheckpointError."""
        pieces = bytearray()
        for reply, raw in self._ask(question):
            if not isinstance(reply, Values):
                raise invalid_reply(self._path, "HDF5")
            pieces += raw
            if len(pieces) > VALUES_BYTES:
                raise UnsafeFileError(self._path, "it is too large for the HDF5 library", advice=IN_SLICES)
        return bytes(pieces)

    def _ask(self, question: Question) -> Iterator[tuple[Answer, bytes]]:
        """Ask the worker, or another one where there is none."""
        with self._lock:
            if self._worker is None or not self._worker.alive:
                self._worker = self._start()
            worker = self._worker
        yield from worker.ask(question, self._seconds)

    def close(self) -> None:
        """End the worker; the next question starts another."""
        if self._worker is not None:
            self._worker.close()
