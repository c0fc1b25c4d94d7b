"""One pass over many tensors, in a few threads, with results in order.

What cannot be read is a result like any other: it says why, and hides nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ckptread.errors import CheckpointError
from ckptread.reader import BLOCK_BYTES, Reader, Tensor
from ckptread.storage.tensor_bytes import TensorBytes
from ckptread.storage.threads import run_in_order
from ckptread.tensors import TensorInfo

if TYPE_CHECKING:
    import numpy as np

Figure = TypeVar("Figure")
Progress = Callable[[int], None]
"""Called with the number of bytes that were read since the last call."""


class TensorResult(msgspec.Struct, Generic[Figure], frozen=True):
    """A tensor, and what came of the work on it."""

    tensor: TensorInfo
    figure: Figure | None
    """None where the tensor could not be read."""
    problem: str = ""
    """Why it could not be read, or ""."""


def survey(
    reader: Reader,
    tensors: Iterable[TensorInfo],
    work: Callable[[Tensor], Figure],
    *,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[TensorResult[Figure]]:
    """Yield ``work(tensor)`` for each of a checkpoint's tensors, in their order, from a few threads.

    A CheckpointError of ``work`` becomes the tensor's problem. ``progress`` hears of each block as it is read.
    ``threads`` is how many work on tensors side by side; None is as many as are of use.
    """
    heard = _one_at_a_time(progress)

    def surveyed(info: TensorInfo) -> TensorResult[Figure]:
        try:
            return TensorResult(info, work(_Heard(reader, info, heard)))
        except CheckpointError as error:
            return TensorResult(info, None, info.problem or error.problem)

    yield from run_in_order(surveyed, tensors, threads=threads)


def _one_at_a_time(progress: Progress | None) -> Progress:
    """Return a progress that threads may call."""
    if progress is None:
        return lambda _nbytes: None
    lock = threading.Lock()

    def heard(nbytes: int) -> None:
        with lock:
            progress(nbytes)

    return heard


class _Heard(Tensor):
    """A tensor that tells of each block that was read of it."""

    def __init__(self, reader: Reader, info: TensorInfo, heard: Progress) -> None:
        super().__init__(reader, info)
        self._heard = heard

    def blocks(self, max_bytes: int = BLOCK_BYTES, *, out: bytearray | None = None) -> Iterator[np.ndarray[Any, Any]]:
        for block in super().blocks(max_bytes, out=out):
            yield block
            self._heard(block.nbytes)

    @property
    def stored(self) -> TensorBytes | None:
        found = super().stored
        return None if found is None else _HeardBytes(found, self._heard)


class _HeardBytes(TensorBytes):
    """The bytes of a tensor, which tell of each part that was read of them."""

    def __init__(self, found: TensorBytes, heard: Progress) -> None:
        vars(self).update(vars(found))
        self._heard = heard

    def read(self, at: int, nbytes: int) -> bytes:
        data = super().read(at, nbytes)
        self._heard(nbytes)
        return data
