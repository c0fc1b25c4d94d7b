"""The child of ``reference``: runs TensorFlow's own checkpoint reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ckptread.formats.hdf5.values import encode
from ckptread.limits import TENSORFLOW_MEMORY_BYTES
from ckptread.worker.child import Handler, Sent, in_pieces, limit, serve
from ckptread.worker.protocol import ListVariables, OpenCheckpoint, Opening, Question, ReadValues, Variable, Variables

BATCH = 500
"""Variables in one reply."""


class TensorFlowServer:
    """Answers the parent's questions."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._reader = tf.train.load_checkpoint(prefix)
        self._dtypes = self._reader.get_variable_to_dtype_map()

    def __call__(self, question: Question) -> Iterator[Sent]:
        """Answer one question."""
        match question:
            case ListVariables():
                yield from self._list()
            case ReadValues():
                yield from in_pieces(self._read(question))
            case _:
                raise TypeError(f"TensorFlow is not asked {question}")

    def _list(self) -> Iterator[Sent]:
        shapes = sorted(self._reader.get_variable_to_shape_map().items())
        found = [Variable(key, tuple(map(int, shape)), self._dtypes[key].name) for key, shape in shapes]
        for at in range(0, len(found), BATCH):
            yield Variables(variables=found[at : at + BATCH]), b""

    def _read(self, question: ReadValues) -> bytes:
        key = question.key
        values = self._value(key)
        dtype = np.dtype(object) if self._dtypes[key] == tf.string else np.asarray(values).dtype
        array = np.asarray(values, dtype)
        selection: tuple[Any, ...] = (*(slice(*bounds) for bounds in question.selection), ...)
        return encode(_plain(array[selection]))

    def _value(self, key: str) -> Any:
        """Return a tensor; RestoreV2 reads V1's slices and rarer dtypes, which the checkpoint reader refuses."""
        try:
            return self._reader.get_tensor(key)
        except (tf.errors.OpError, ValueError, NotImplementedError):
            restored = tf.raw_ops.RestoreV2(
                prefix=self._prefix, tensor_names=[key], shape_and_slices=[""], dtypes=[self._dtypes[key]]
            )
            return restored[0].numpy()


def _plain(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return plain numbers: TensorFlow gives a quantized number as a record of one field."""
    names = values.dtype.names
    return values[names[0]] if names else values


def start_tensorflow(opening: Opening) -> Handler:
    """Forbid writing files, and open the checkpoint by its name."""
    if not isinstance(opening, OpenCheckpoint):
        raise TypeError("TensorFlow opens checkpoints")
    limit(memory=TENSORFLOW_MEMORY_BYTES, files=True)
    return TensorFlowServer(opening.prefix)


if __name__ == "__main__":
    serve(start_tensorflow)
