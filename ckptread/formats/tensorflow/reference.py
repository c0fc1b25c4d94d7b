"""TensorFlow checkpoints through ``tf.train.load_checkpoint``: the reference.

It reads V1 and V2 checkpoints and the variables of SavedModels, in a worker: TensorFlow aborts the process on some
damaged files, and takes three seconds and half a gigabyte to start. It opens files by name, any that the checkpoint
points to: what the native readers guarantee does not hold for it.
Specification: https://www.tensorflow.org/api_docs/python/tf/train/load_checkpoint.
Read here: what TensorFlow returns. Not read: where the bytes are, which it does not report.
"""

from __future__ import annotations

import os
from functools import cached_property
from posixpath import join
from typing import TYPE_CHECKING

from ckptread.errors import CheckpointError, DamagedFileError, UnsupportedError
from ckptread.formats.tensorflow.evidence import (
    DESCRIPTION_FILES,
    VARIABLES,
    gather_tensorflow_evidence,
    name_tensors,
)
from ckptread.limits import MAX_ENTRIES, TENSORFLOW_SECONDS, TENSORFLOW_STRINGS_BYTES
from ckptread.names.tensorflow.describe import OBJECT_GRAPH_KEY
from ckptread.reader import Reader, readable
from ckptread.slicing import Selection, Slicing, normalize
from ckptread.storage.addresses import find_storage
from ckptread.storage.source import CloseOnError
from ckptread.tensors import ITEM_BYTES, TensorInfo, element_count, shape_problem
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import quoted
from ckptread.worker.parent import Worker
from ckptread.worker.protocol import ListVariables, OpenCheckpoint, Question, ReadValues, Values, Variable, Variables

if TYPE_CHECKING:
    from ckptread.tensors import Array

MODULE = "ckptread.formats.tensorflow.reference_worker"
LIBRARY = "TensorFlow"
NEEDS = 'pip install "ckptread[tensorflow]"'


class TfCheckpointReader(Reader):
    """A TensorFlow checkpoint, read by TensorFlow. ``format`` is that of the native reader of the same path."""

    backend = "tensorflow"

    def __init__(self, path: str, format: str) -> None:  # noqa: A002 - the reader's attribute
        from importlib.util import find_spec

        if find_spec("tensorflow") is None:
            raise UnsupportedError(path, "the TensorFlow backend is not installed", advice=f"install it with: {NEEDS}")
        self.path = path
        self.format = format
        self.metadata = {"writer": "TensorFlow"}
        prefix = os.path.join(path, "variables", "variables") if format == "saved-model" else path
        self._prefix = prefix
        self._worker = Worker(MODULE, LIBRARY, path, OpenCheckpoint(prefix=prefix))
        with CloseOnError(self._worker):
            self.tensors = self._list()
            graph = self._object_graph()
        storage, name = find_storage(path)
        beside = {field: join(name, file) for field, file in DESCRIPTION_FILES.items()}
        beside["meta_graph"] = (join(name, VARIABLES) if format == "saved-model" else name) + ".meta"
        evidence = gather_tensorflow_evidence(graph, storage, beside, None)
        self.tensors, self.problems = name_tensors(self.tensors, evidence)

    def _list(self) -> dict[str, TensorInfo]:
        found: list[TensorInfo] = []
        for reply, _ in self._worker.ask(ListVariables(), TENSORFLOW_SECONDS):
            if not isinstance(reply, Variables) or not reply.variables or len(found) > MAX_ENTRIES:
                raise self._worker.invalid_reply()
            found += map(_describe, reply.variables)
        return {info.key: info for info in found}

    def _object_graph(self) -> bytes | None:
        try:
            graph = self.read(OBJECT_GRAPH_KEY)[()] if OBJECT_GRAPH_KEY in self.tensors else None
        except CheckpointError:
            return None  # its shard may be missing: list the rest
        return graph if isinstance(graph, bytes) else None

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the part that ``selection`` selects; TensorFlow reads all of it."""
        info = readable(self, key)
        slicing = normalize(selection, info.shape or ())
        values = slicing.finish(self._values(info, slicing))
        if out is None:
            return values
        out[...] = values
        return out

    def _values(self, info: TensorInfo, slicing: Slicing) -> Array:
        from ckptread.formats.hdf5.values import decode

        question = ReadValues(key=info.key, selection=[(r.start, r.stop, r.step) for r in slicing.ranges])
        dtype = numpy_dtype(info.dtype, self.path)
        most = TENSORFLOW_STRINGS_BYTES if dtype.hasobject else element_count(slicing.box) * dtype.itemsize
        try:
            return decode(self._answer(question, most), dtype, slicing.box)
        except Malformed as error:
            raise DamagedFileError(self.path, f"the values of {quoted(info.key)}: {error}") from error

    def _answer(self, question: Question, most: int) -> bytes:
        """Return the raw bytes of an answer, at most ``most``."""
        pieces = bytearray()
        for reply, raw in self._worker.ask(question, TENSORFLOW_SECONDS):
            pieces += raw
            if not isinstance(reply, Values) or not raw or len(pieces) > most:
                raise self._worker.invalid_reply()
        return bytes(pieces)

    @cached_property
    def files(self) -> frozenset[str]:
        """The files of this checkpoint: TensorFlow reads those whose names begin with its prefix."""
        from glob import escape as literally
        from glob import iglob

        return super().files | set(iglob(literally(self._prefix) + ".*"))

    def close(self) -> None:
        """End TensorFlow."""
        self._worker.close()
        super().close()


def _describe(variable: Variable) -> TensorInfo:
    problem = shape_problem(variable.shape)
    nbytes = 0 if problem else ITEM_BYTES.get(variable.dtype, 0) * element_count(variable.shape)
    return TensorInfo(key=variable.key, shape=variable.shape, dtype=variable.dtype, nbytes=nbytes, problem=problem)
