"""The one interface to every format: a :class:`Reader`, and the :class:`Tensor` it returns for each name.

A format implements ``read`` and ``close``; everything else follows from these two and from what opening found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import cached_property
from posixpath import join
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ckptread.errors import CheckpointError, DamagedFileError, UnsupportedError, UsageError
from ckptread.model import ModelFacts
from ckptread.select import find_tensor, match_tensors, matching_tensors
from ckptread.slicing import Selection, normalize, split
from ckptread.storage.addresses import find_storage
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.source import Source, Stamp, closed_error
from ckptread.storage.tensor_bytes import RunningChecksum, TensorBytes, tensor_bytes
from ckptread.tensors import Finding, Region, TensorInfo
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import plural, quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

BLOCK_BYTES = 4 << 20
"""How much is read at once by default: larger blocks do not stay in the processor's cache."""
SPARE_BYTES = 32
"""Room in a buffer for one element of any dtype, where the file claims fewer bytes than that."""


class Remains(Enum):
    """Whether a damaged file is opened, with the tensors that can still be found in it."""

    refused = "refused"
    accepted = "accepted"


class Reader(ABC):
    """An open checkpoint: a mapping of tensors by name, and a context manager that closes itself.

    Several threads may read from one. Pickling and copying keep the path, the options and the state of the files, and
    open the checkpoint again; they raise DamagedFileError where it has changed since.

    >>> import ckptread
    >>> with ckptread.open("fixtures/tf-object/ckpt-1") as checkpoint:
    ...     [kernel.info.name for kernel in checkpoint.select("sequential/*/kernel").values()]
    ['sequential/hidden/kernel', 'sequential/dense/kernel']
    """

    format: str
    """'tf-bundle', 'tf-v1', 'saved-model', 'hdf5', 'keras', 'npz', ..."""
    path: str
    """What was opened, as the user may type it again."""
    backend: str = "native"
    """'native', or 'tensorflow' where TensorFlow reads the values."""
    metadata: Mapping[str, str]
    """What the file records about itself: writer, version, date, model class; may be empty."""
    tensors: Mapping[str, TensorInfo]
    """By key as stored, in the model's own order where the file records it."""
    problems: Sequence[Finding] = ()
    """What is wrong with the file as a whole; may be empty."""
    closed: bool = False
    """Whether ``close`` was called: from then on every read raises CheckpointError."""
    asset_layout: str | None = None
    """How the format arranges assets: two formats with one layout name them alike. None where it has none."""
    reopen: Callable[[], Reader] | None = None
    """Opens the same checkpoint again, with the same options; set by ``ckptread.open``."""

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the file's config records about its model; None where it has none."""
        return None

    @cached_property
    def load_order(self) -> Mapping[str, Sequence[str]]:
        """The keys of each layer's weights, in the order in which Keras loads them by position; empty elsewhere."""
        return {}

    @cached_property
    def assets(self) -> Mapping[str, Callable[[], Source]]:
        """The files that the model needs besides its tensors, such as vocabularies, by name; each call opens one.

        Opening raises CheckpointError for one that is refused.
        """
        return {}

    @abstractmethod
    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of the tensor stored under ``key``, or the part that ``selection`` selects.

        ``selection`` is numpy's basic slicing (integers, slices, an Ellipsis); only the bytes it needs are read.
        ``out`` is an array of the selection's shape and the tensor's dtype to fill and return. A complete tensor is
        checked against the checksum that the file has for it; a part cannot be.

        Raises TensorNotFoundError, DamagedFileError, UnsupportedError, UnsafeFileError, and IndexError as numpy.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the files and processes that are held. Closing twice is fine.

        A format ends its own ``close`` with ``super().close()``.
        """
        self.closed = True

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return what else the format records about how a tensor is stored, by name: layout, filters, attributes."""
        return {}

    def regions(self) -> Iterator[Region]:
        """Yield the runs of bytes that the files are made of, with the checksums that the files have for them.

        A region without a key belongs to the file's own structure, and comes before those of the tensors in it.
        """
        return iter(())

    def open_sources(self) -> Iterable[Source]:
        """Return the open files."""
        return ()

    def source(self, file: str) -> Source | None:
        """Return the open file of this name, which extents refer to; None where only ``read`` gives the values."""
        return next((source for source in self.open_sources() if source.name == file), None)

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the size and version of each file when it was opened, by path."""
        opened = {source.name: source.stamp for source in self.open_sources()}
        if opened:
            return opened
        storage, name = find_storage(self.path)
        return {self.path: storage.stamp(name)}

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that this checkpoint is made of: all in the folder, where it is one. Some may be missing."""
        storage, name = find_storage(self.path)
        found = {self.path, *(storage.address(join(name, each)) for each in storage.list(name))}
        found.update(info.extent.file for info in self.tensors.values() if info.extent is not None)
        with suppress(CheckpointError):  # of a damaged file, those that were found
            found.update(region.file for region in self.regions())
        return frozenset(found)

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor of this key or variable name.

        Raises TensorNotFoundError, a KeyError; TypeError for a name that is not a string.
        """
        return Tensor(self, find_tensor(self.path, self.tensors, name))

    def keys(self) -> KeysView[str]:
        """Return the keys of the tensors, as stored."""
        return self.tensors.keys()

    def items(self) -> ItemsView[str, Tensor]:
        """Return pairs of a key and its tensor; nothing is read until a tensor is sliced."""
        return {key: Tensor(self, info) for key, info in self.tensors.items()}.items()

    def select(self, *patterns: str) -> dict[str, Tensor]:
        """Return the tensors that any of the patterns matches, by key, in the checkpoint's order.

        A pattern is a name, a path above names, or a glob: ``*`` matches within a component, ``**`` across several.
        Raises TensorNotFoundError for a pattern that matches nothing.
        """
        return {info.key: Tensor(self, info) for info in match_tensors(self.path, self.tensors, patterns)}

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, name: object) -> bool:
        """Whether ``[name]`` is a tensor."""
        return isinstance(name, str) and len(matching_tensors(self.tensors, name)) == 1

    def _ipython_key_completions_(self) -> list[str]:
        """What IPython offers behind ``reader["``."""
        return list(dict.fromkeys(name for info in self.tensors.values() for name in (info.name, info.key)))

    def __reduce__(self) -> tuple[Callable[..., Reader], tuple[object, ...]]:
        if self.closed:
            raise closed_error(self.path)
        if self.reopen is None:
            raise TypeError(f"{self!r} cannot be pickled or copied: it was not opened by ckptread.open")
        return reopen_unchanged, (self.reopen, self.stamps())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.format} checkpoint {quoted(self.path)}: {plural(len(self.tensors), 'tensor')}>"


def reopen_unchanged(reopen: Callable[[], Reader], stamps: Mapping[str, Stamp | None]) -> Reader:
    """Open a checkpoint again. Raises DamagedFileError where one of its files is another one now."""
    reader = reopen()
    found = reader.stamps()
    changed = next((file for file in {**stamps, **found} if stamps.get(file) != found.get(file)), None)
    if changed is not None:
        reader.close()
        raise DamagedFileError(changed, "it has changed since the checkpoint was opened", advice="open it again")
    return reader


class Tensor:
    """One tensor of an open checkpoint, read when it is sliced; numpy, dask and xarray take it as it is.

    ``meter`` counts the bytes of each block that is read.
    """

    def __init__(self, reader: Reader, info: TensorInfo, meter: Meter = SILENT) -> None:
        self.reader = reader
        self.info = info
        self._meter = meter

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions; () for a scalar, (0,) where the file gives no shape."""
        return (0,) if self.info.shape is None else self.info.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of what reading gives. Raises UnsupportedError where there is none."""
        try:
            return numpy_dtype(self.info.dtype, self.reader.path)
        except UnsupportedError:
            readable(self.reader, self.info.key)  # where the tensor has a problem, that is the reason
            raise

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
        self._check_open()
        info = self.info
        source = None if info.extent is None else self.reader.source(info.extent.file)
        return None if source is None else tensor_bytes(self.reader.path, info, source, self._meter)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no length")
        return self.shape[0]

    def __getitem__(self, selection: Selection) -> Any:
        """Read the elements of a numpy basic slice, and no others: an array, or a scalar where numpy gives one."""
        values = self.read(selection)
        dots = selection is ... or (isinstance(selection, tuple) and ... in selection)
        return values if dots else values[()]

    def read(self, selection: Selection = ()) -> Array:
        """Read the elements of a numpy basic slice; always an array, of no dimensions for one element."""
        return self.reader.read(self.info.key, selection)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        import numpy as np

        if copy is False:
            raise UsageError("a tensor of a file can only be read as a copy")
        return np.asarray(self.read(), dtype=dtype)

    def blocks(self, max_bytes: int = BLOCK_BYTES, *, out: bytearray | None = None) -> Iterator[Array]:
        """Read the complete tensor in C order, in arrays of at most ``max_bytes`` bytes.

        Concatenated, the raveled blocks are the raveled tensor. Where the file has a checksum for the tensor,
        DamagedFileError is raised after the last block if it does not agree. ``out`` is a buffer, as ``buffer``
        returns it, to read every block into: then a block is valid only until the next one is read. Raises
        UsageError unless ``max_bytes`` is positive.
        """
        if max_bytes <= 0:
            raise UsageError(f"a block of at most {max_bytes} bytes has no elements")
        self._check_open()
        return self._blocks(max_bytes, out)

    def buffer(self, max_bytes: int = BLOCK_BYTES) -> bytearray:
        """Return a buffer that any block of at most ``max_bytes`` bytes fits into, and one element if it takes more."""
        return bytearray(min(max(max_bytes, self.dtype.itemsize), self.nbytes) + SPARE_BYTES)

    def _check_open(self) -> None:
        if self.reader.closed:
            raise closed_error(self.reader.path)

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

    def __reduce__(self) -> tuple[type[Tensor], tuple[Reader, TensorInfo]]:
        return Tensor, (self.reader, self.info)

    def __repr__(self) -> str:
        return f"<tensor {quoted(self.info.name)} {self.info.dtype} {self.info.shape}>"


def readable(reader: Reader, key: str) -> TensorInfo:
    """Return the tensor of a key.

    Raises TensorNotFoundError, UnsupportedError where it cannot be read, CheckpointError once the reader is closed.
    """
    if reader.closed:
        raise closed_error(reader.path)
    info = find_tensor(reader.path, reader.tensors, key)
    if info.problem is not None:
        raise UnsupportedError(reader.path, f"{quoted(info.key)} cannot be read: {info.problem}")
    return info
