"""A checkpoint without a file."""

from typing import ClassVar

from ckptread.reader import Reader
from ckptread.tensors import TensorInfo


class InMemory(Reader):
    """A checkpoint of arrays, to test what is done with values."""

    format = "memory"
    path = "memory"
    metadata: ClassVar = {}

    def __init__(self, **arrays):
        self.arrays = arrays
        self.tensors = {
            k: TensorInfo(
                key=k, shape=a.shape, dtype=a.dtype.str if a.dtype.kind in "SU" else a.dtype.name, nbytes=a.nbytes
            )
            for k, a in arrays.items()
        }

    def read(self, key, selection=(), *, out=None):
        values = self.arrays[key][selection]
        if out is None:
            return values
        out[...] = values
        return out

    def close(self):
        pass
