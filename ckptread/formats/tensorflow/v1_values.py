"""The values of a tensor in a V1 checkpoint: one field of a TensorProto.

Floats, complex numbers and booleans are packed as they are in memory: such a field is one run of bytes, and is
read like one. Integers and halves are packed as varints, strings stand one by one: these are decoded.
Specification: tensorflow/core/framework/tensor.proto, util/saved_tensor_slice_util.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ckptread.formats.tensorflow.leveldb_table import Value
from ckptread.formats.tensorflow.messages import TENSOR_VALUE_FIELDS
from ckptread.storage.source import Source
from ckptread.tensors import ITEM_BYTES
from ckptread.untrusted.binary import DELIMITED, FIXED32, FIXED64, VARINT, Malformed, varint

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

FLAT = frozenset({"float32", "float64", "complex64", "complex128", "bool"})
"""The dtypes whose packed field is the array's own bytes."""
HEAD_BYTES = 20
"""A field's tag and its length, ten bytes each at the most."""
PIECE_BYTES = 1 << 20
"""How much of a varint field is decoded at once: it takes some twenty times as much in the meantime."""

Span = tuple[int, int, int]
"""A field's wire type, and where its value begins and ends."""


def values_of(value: Value, dtype: str) -> list[Span]:
    """Return the spans of the fields that hold the values in an entry's SavedTensorSlices. Raises Malformed."""
    span = (DELIMITED, value.at, value.at + value.nbytes)
    for number in (2, 3):  # SavedTensorSlices.data, SavedSlice.data
        inner = [found for found in _fields(value.source, span, number) if found[0] == DELIMITED]
        if len(inner) != 1:
            raise Malformed("it holds no tensor", span[1])
        span = inner[0]
    return list(_fields(value.source, span, TENSOR_VALUE_FIELDS.get(dtype, 0)))


def flat_span(spans: list[Span], dtype: str, count: int) -> Span | None:
    """Return the one run of bytes that holds ``count`` values, or None where they must be decoded."""
    if dtype not in FLAT or len(spans) != 1:
        return None
    wire, start, end = spans[0]
    return spans[0] if wire == DELIMITED and end - start == count * ITEM_BYTES[dtype] else None


def decode_values(source: Source, spans: list[Span], dtype: np.dtype[Any], count: int) -> Array:
    """Return ``count`` values of the numpy ``dtype``, decoded. Raises Malformed where there are more or fewer."""
    import numpy as np

    if sum(end - start for _, start, end in spans) < (0 if dtype.hasobject else count):
        raise Malformed(f"{count:,} values cannot fit in what is stored", spans[0][1] if spans else 0)
    if dtype.hasobject:
        strings = [source.read(start, end - start) for _, start, end in spans]
        result = np.empty(len(strings), object)
        result[:] = strings
    elif (dtype.kind in "fc" and dtype.itemsize > 2) or dtype.kind == "b":
        result = _decode_flat(source, spans, dtype)
    else:
        parts = [part for span in spans for part in _decode_varints(source, span)]
        numbers = np.concatenate(parts) if parts else np.empty(0, np.uint64)
        result = numbers.astype(f"u{dtype.itemsize}").view(dtype)  # the low bytes of two's complement
    if result.size != count:
        raise Malformed(f"{result.size:,} values are stored where {count:,} belong", spans[0][1] if spans else 0)
    return result


def _fields(source: Source, span: Span, number: int) -> Iterator[Span]:
    """Yield the occurrences of one field of a message, without reading what lies between."""
    _, at, end = span
    while at < end:
        head = source.read(at, min(HEAD_BYTES, end - at))
        tag, head_at = varint(head, 0)
        wire, start = tag & 7, at + head_at
        if wire == VARINT:
            at = at + varint(head, head_at)[1]
        elif wire == DELIMITED:
            nbytes, head_at = varint(head, head_at)
            start, at = at + head_at, at + head_at + nbytes
        elif wire in (FIXED32, FIXED64):
            at = start + (4 if wire == FIXED32 else 8)
        else:
            raise Malformed(f"there is no wire type {wire}", at)
        if at > end:
            raise Malformed("a field runs past its end", start)
        if tag >> 3 == number:
            yield wire, start, at


def _decode_flat(source: Source, spans: list[Span], dtype: np.dtype[Any]) -> Array:
    """Read numbers of a fixed size that stand one by one, or in several packed runs."""
    import numpy as np

    if dtype.kind == "b":
        parts = [part for span in spans for part in _decode_varints(source, span)]
        return np.concatenate(parts).astype(bool) if parts else np.empty(0, bool)
    data = b"".join(source.read(start, end - start) for _, start, end in spans)
    if len(data) % dtype.itemsize:
        raise Malformed("a number is truncated", spans[-1][1])
    return np.frombuffer(data, dtype)


def _decode_varints(source: Source, span: Span) -> Iterator[Array]:
    """Yield the varints of a span as uint64, a piece at a time."""
    _, at, end = span
    while at < end:
        data = source.read(at, min(PIECE_BYTES, end - at))
        values, used = _decode_piece(data)
        if not used:
            raise Malformed("a number is truncated", at)
        yield values
        at += used


def _decode_piece(data: bytes) -> tuple[Array, int]:
    """Return the whole varints of ``data``, and how many bytes they take."""
    import numpy as np

    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    lengths = ends - starts + 1
    if lengths.size and lengths.max() > 10:
        raise Malformed("a number is longer than 64 bits", int(starts[lengths.argmax()]))
    values = np.zeros(ends.size, np.uint64)
    for place in range(int(lengths.max()) if lengths.size else 0):
        inside = lengths > place
        septets = octets[starts[inside] + place].astype(np.uint64) & np.uint64(0x7F)
        values[inside] |= septets << np.uint64(7 * place)
    return values, int(ends[-1]) + 1 if ends.size else 0
