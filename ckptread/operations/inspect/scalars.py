"""The values of scalars of the optimizer, metrics and bookkeeping, such as the number of steps, without numpy."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import islice

from ckptread.errors import CheckpointError
from ckptread.reader import Reader
from ckptread.tensors import ITEM_BYTES, TensorInfo

Scalar = int | float | bool
MOST_SCALARS = 64
ROLES = {"optimizer", "metric", "bookkeeping"}
CODES = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q",
    "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
"""What the module struct calls each dtype."""


def read_scalars(reader: Reader, tensors: Iterable[TensorInfo]) -> dict[str, Scalar]:
    """Return the values of the first scalars by key, of local files: each is read once.

    What cannot be read has no value here: ``show`` says why.
    """
    by_file: dict[str, list[TensorInfo]] = {}
    for tensor in islice((each for each in tensors if each.shape == () and _is_known(each)), MOST_SCALARS):
        by_file.setdefault(tensor.extent.file if tensor.extent else "", []).append(tensor)
    return {key: value for file, found in by_file.items() for key, value in _read(reader, file, found)}


def _is_known(tensor: TensorInfo) -> bool:
    return (
        tensor.role in ROLES and tensor.extent is not None and tensor.problem is None
        and (tensor.dtype in CODES or tensor.dtype == "bfloat16") and tensor.extent.nbytes == ITEM_BYTES[tensor.dtype]
    )  # fmt: skip


def _read(reader: Reader, file: str, tensors: list[TensorInfo]) -> Iterator[tuple[str, Scalar]]:
    extents = [tensor.extent for tensor in tensors if tensor.extent is not None]
    try:
        source = reader.source(file)
        if source is None or source.whole_file().distant:
            return
        stored = source.read_many([(each.offset, each.nbytes) for each in extents])
    except CheckpointError:
        return
    for tensor, extent, data in zip(tensors, extents, stored, strict=True):
        yield tensor.key, decode_scalar(tensor.dtype, data, extent.byteorder)


def decode_scalar(dtype: str, data: bytes, byteorder: str) -> Scalar:
    r"""Return the number that a few bytes hold.

    >>> decode_scalar("int64", bytes([208, 7, 0, 0, 0, 0, 0, 0]), "little"), decode_scalar("bfloat16", b"?\xc0", "big")
    (2000, 1.5)
    """
    order = ">" if byteorder == "big" else "<"
    if dtype == "bfloat16":  # the first half of a float32
        dtype, data = "float32", data + bytes(2) if order == ">" else bytes(2) + data
    value: Scalar = struct.unpack(order + CODES[dtype], data)[0]
    return value
