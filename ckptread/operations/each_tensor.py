"""One pass over many tensors, in a few threads, with results in order.

What cannot be read is a result like any other: it says why, and hides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from ckptread.errors import CheckpointError
from ckptread.reader import Reader, Tensor
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.threads import run_in_order
from ckptread.tensors import TensorInfo

Value = TypeVar("Value")


SMALL_BYTES = 64 << 10
"""Tensors of a smaller mean size are read by one thread: handing them to others takes longer than reading them."""


class TensorResult(msgspec.Struct, Generic[Value], frozen=True):
    """A tensor, and what came of the work on it."""

    tensor: TensorInfo
    value: Value | None
    """None where the tensor could not be read."""
    problem: str = ""
    """Why it could not be read, or ""."""


def for_each_tensor(
    reader: Reader,
    tensors: Iterable[TensorInfo],
    work: Callable[[Tensor], Value],
    *,
    meter: Meter = SILENT,
    threads: int | None = None,
) -> Iterator[TensorResult[Value]]:
    """Yield ``work(tensor)`` for each of a checkpoint's tensors, in their order, from a few threads.

    A CheckpointError of ``work`` becomes the tensor's problem. ``meter`` counts each block as it is read.
    ``threads`` is how many work on tensors side by side; None is one for small tensors, else as many as are of use.
    """
    tensors = list(tensors)
    if threads is None and sum(info.nbytes for info in tensors) < len(tensors) * SMALL_BYTES:
        threads = 1

    def one_result(info: TensorInfo) -> TensorResult[Value]:
        try:
            return TensorResult(info, work(Tensor(reader, info, meter)))
        except CheckpointError as error:
            return TensorResult(info, None, info.problem or error.problem)

    yield from run_in_order(one_result, tensors, threads=threads)
