"""The child of tf_checkpoint.py: runs TensorFlow's own checkpoint reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ckptread.formats.hdf5.values import encode
from ckptread.worker.child import Handler, limit, serve
from ckptread.worker.parent import Message, Reply

MEMORY = 32 << 30
"""Of address space, which TensorFlow takes much of; its promise is only that the parent lives."""
BATCH = 500
PIECE_BYTES = 16 << 20


class TensorFlowServer:
    """What answers the parent's questions."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._reader = tf.train.load_checkpoint(prefix)
        self._dtypes = self._reader.get_variable_to_dtype_map()

    def __call__(self, message: Message) -> Iterator[Reply]:
        """Answer one question: what there is, or the values of a part of a tensor."""
        yield from self._index() if message["ask"] == "index" else self._read(message)

    def _index(self) -> Iterator[Reply]:
        shapes = sorted(self._reader.get_variable_to_shape_map().items())
        rows = [[key, list(map(int, shape)), self._dtypes[key].name] for key, shape in shapes]
        for at in range(0, len(rows), BATCH):
            yield {"rows": rows[at : at + BATCH]}, b""

    def _read(self, message: Message) -> Iterator[Reply]:
        key = message["key"]
        values = self._value(key)
        dtype = np.dtype(object) if self._dtypes[key] == tf.string else np.asarray(values).dtype
        array = np.asarray(values, dtype)
        selection: tuple[Any, ...] = (*(slice(*bounds) for bounds in message["selection"]), ...)
        raw = encode(_plain(array[selection]))
        for at in range(0, len(raw), PIECE_BYTES):
            yield {}, raw[at : at + PIECE_BYTES]

    def _value(self, key: str) -> Any:
        """Return a tensor: of V1's slices and rarer dtypes, the checkpoint reader knows only the names."""
        try:
            return self._reader.get_tensor(key)
        except (tf.errors.OpError, ValueError, NotImplementedError):
            restored = tf.raw_ops.RestoreV2(
                prefix=self._prefix, tensor_names=[key], shape_and_slices=[""], dtypes=[self._dtypes[key]]
            )
            return restored[0].numpy()


def _plain(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A quantized number is a record of one field, to TensorFlow."""
    names = values.dtype.names
    return values[names[0]] if names else values


def start_tensorflow(first: Message) -> Handler:
    """Give up writing files, and open the checkpoint by its name."""
    limit(memory=MEMORY, files=True)
    return TensorFlowServer(first["prefix"])


if __name__ == "__main__":
    serve(start_tensorflow)
