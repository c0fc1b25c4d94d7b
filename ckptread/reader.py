"""The one interface to every format: a :class:`Reader`, and the :class:`Tensor` it hands out.

A format writes ``read`` and ``close``; everything else follows from them and from what opening found.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ckptread.errors import CheckpointError, UnsupportedError
from ckptread.model import ModelFacts
from ckptread.select import find_tensor, matching_tensors
from ckptread.slicing import Selection, normalize, split
from ckptread.storage.checksums import extender
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.source import Source
from ckptread.storage.tensor_bytes import TensorBytes, check_checksum, tensor_bytes
from ckptread.tensors import Extent, Finding, Region, TensorInfo
from ckptread.untrusted.binary import Malformed
from ckptread.wording import escape, plural

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BLOCK_BYTES = 4 << 20
"""How much is read at once where nobody says: larger blocks fall out of the processor's cache."""


class Reader(ABC):
    """An open checkpoint. Use it as a context manager, and index it by tensor."""

    format: str
    """'tf-bundle', 'tf-v1', 'saved-model', 'hdf5', 'keras', 'npz', ..."""
    path: str
    """What was opened, as the user may give it again."""
    backend: str = "native"
    """'native', or 'tensorflow' where TensorFlow reads the values."""
    metadata: Mapping[str, str]
    """What the file says of itself: writer, version, date, model class; may be empty."""
    tensors: Mapping[str, TensorInfo]
    """By key as stored, in the model's own order where the file tells it."""
    problems: Sequence[Finding] = ()
    """What is wrong with the file as a whole; may be empty."""
    regions: Iterable[Region] = ()
    """Runs of bytes with the checksums that the file states for them; may be empty. A region without a key is of the
    file's own structure, may hold those of tensors, and comes before them."""

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the file's config says of its model; None where it holds none."""
        return None

    @abstractmethod
    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of the tensor stored under ``key``, or those that ``selection`` means.

        ``selection`` is numpy's basic slicing (integers, slices, an Ellipsis); only the bytes it needs are read.
        ``out`` is an array of the selection's shape and the tensor's dtype to fill and return. A whole tensor is
        checked against the checksum that the file states for it; a part cannot be.

        Raises TensorNotFoundError, DamagedFileError, UnsupportedError, UnsafeFileError, and IndexError as numpy.
        """

    def source(self, file: str) -> Source | None:
        """Return the open file of this name, which extents point into; None where ``read`` alone gives the values."""
        return None

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that this checkpoint is made of: all in the folder, where it is one. Some may not be there."""
        found = {self.path} | {info.extent.file for info in self.tensors.values() if info.extent is not None}
        if os.path.isdir(self.path):
            found.update(entry.path for entry in os.scandir(self.path))
        with suppress(CheckpointError):  # of a damaged file, those that were found
            found.update(region.file for region in self.regions)
        return frozenset(found)

    @abstractmethod
    def close(self) -> None:
        """Give back the files and processes that are held. Closing twice is fine."""

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor of this key or variable name.

        Raises TensorNotFoundError, a KeyError; TypeError for what is no text.
        """
        return Tensor(self, find_tensor(self.path, self.tensors, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        """Whether ``[name]`` is a tensor."""
        return isinstance(name, str) and len(matching_tensors(self.tensors, name)) == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.format} checkpoint {escape(self.path)!r}: {plural(len(self.tensors), 'tensor')}>"


class Tensor:
    """One tensor of an open checkpoint, read when it is sliced; numpy, dask and xarray take it as it is."""

    def __init__(self, reader: Reader, info: TensorInfo, meter: Meter = SILENT) -> None:
        self.reader = reader
        self.info = info
        self._meter = meter  # counts what blocks() and stored read

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions; () for a scalar, (0,) where the file gives no shape."""
        return (0,) if self.info.shape is None else self.info.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of what reading gives. Raises UnsupportedError where there is none."""
        return numpy_dtype(self.info.dtype, self.reader.path)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.info.size

    @property
    def nbytes(self) -> int:
        """Bytes of the values, uncompressed."""
        return self.info.nbytes

    @property
    def stored(self) -> TensorBytes | None:
        """The values as bytes of a file, which threads may share between them; None where they are not one run."""
        info = self.info
        source = None if info.extent is None else self.reader.source(info.extent.file)
        return None if source is None else tensor_bytes(self.reader.path, info, source, self._meter)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no length")
        return self.shape[0]

    def __getitem__(self, selection: Selection) -> Array:
        """Read the elements that a numpy basic slice means, and no others."""
        return self.reader.read(self.info.key, selection)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        import numpy as np

        if copy is False:
            raise ValueError("a tensor of a file can only be read as a copy")
        return np.asarray(self.reader.read(self.info.key), dtype=dtype)

    def blocks(self, max_bytes: int = BLOCK_BYTES, *, out: bytearray | None = None) -> Iterator[Array]:
        """Read the whole tensor in C order, in arrays of at most ``max_bytes`` bytes.

        Concatenated, the raveled blocks are the raveled tensor. Where the file states a checksum for the tensor,
        DamagedFileError is raised after the last block if it does not agree. ``out`` is a buffer of at least
        ``max_bytes`` to read every block into: then a block is valid only until the next one is read. Raises
        ValueError for no bytes at all.
        """
        if max_bytes <= 0:
            raise ValueError(f"a block of at most {max_bytes} bytes holds nothing")
        return self._blocks(max_bytes, out)

    def _blocks(self, max_bytes: int, out: bytearray | None) -> Iterator[Array]:
        info = self.info
        if info.problem is not None or info.shape is None:
            yield self.reader.read(info.key)
            return
        running = RunningChecksum(self.reader.path, info.key, info.extent)
        for selection in split(info.shape, max(1, self.dtype.itemsize), max_bytes):
            block = self.reader.read(info.key, selection, out=self._place(selection, out))
            running.update(block)
            yield block
            self._meter.add(block.nbytes)
        running.verify()

    def _place(self, selection: Selection, out: bytearray | None) -> Array | None:
        """Return an array of the selection's shape on the buffer ``out``."""
        if out is None or self.dtype.hasobject:
            return None
        import numpy as np

        return np.ndarray(normalize(selection, self.shape).shape, self.dtype, out)

    def __repr__(self) -> str:
        return f"<tensor {escape(self.info.name)!r} {self.info.dtype} {self.info.shape}>"


class RunningChecksum:
    """The checksum of a tensor's extent, taken over its values as they are read, in C order.

    Does nothing where there is no extent, or the file states no checksum for it.
    """

    def __init__(self, path: str, key: str, extent: Extent | None) -> None:
        self._path = path
        self._key = key
        self._extent = extent
        stated = extent.checksum if extent else None
        self._state = stated.state if stated else 0
        self._extend = extender(stated.algorithm) if stated else None

    def update(self, block: Array) -> None:
        """Take the next values in, in the order of the bytes in the file."""
        if self._extend is None or self._extent is None or block.size == 0:
            return
        if self._extent.byteorder == "big":
            block = block.byteswap()
        self._state = self._extend(self._state, block.reshape(-1).view("u1"))

    def verify(self) -> None:
        """Raise DamagedFileError where what was read does not have the stated checksum."""
        if self._extent is not None:
            check_checksum(self._path, self._key, self._extent, self._state)


def readable(reader: Reader, key: str) -> TensorInfo:
    """Return the tensor of a key. Raises TensorNotFoundError, or UnsupportedError where it cannot be read."""
    info = find_tensor(reader.path, reader.tensors, key)
    if info.problem is not None:
        raise UnsupportedError(reader.path, f"{escape(info.key)!r} cannot be read: {info.problem}")
    return info


@lru_cache(maxsize=512)
def numpy_dtype(name: str, path: str = "") -> np.dtype[Any]:
    """Return the numpy dtype that ``name`` means; strings of any length are objects (of bytes).

    Raises UnsupportedError where numpy and ml_dtypes have no such dtype.
    """
    import numpy as np

    plain = {"string": "object", "qint8": "int8", "quint8": "uint8", "qint16": "int16", "quint16": "uint16",
             "qint32": "int32", "quint32": "uint32"}.get(name, name)  # fmt: skip
    try:
        return np.dtype(plain)
    except (TypeError, ValueError, SyntaxError):
        pass
    try:
        extended: np.dtype[Any] = _extended_dtype(plain)
    except (AttributeError, Malformed, TypeError, ValueError, SyntaxError):
        raise UnsupportedError(path, f"numpy has no dtype {escape(name)!r}") from None
    return extended


def _extended_dtype(name: str) -> np.dtype[Any]:
    """Return one of ml_dtypes' dtypes, or a compound one written out as numpy prints it."""
    import numpy as np

    if name.startswith(("[", "{")):
        from ckptread.untrusted.literals import read_literal

        compound: np.dtype[Any] = np.dtype(read_literal(name))
        return compound
    import ml_dtypes

    extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return extended
