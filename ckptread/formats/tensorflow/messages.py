"""The protocol buffer messages of TensorFlow checkpoints, as tables of the fields that are read.

Field numbers are those of tensorflow/core: protobuf/tensor_bundle.proto, protobuf/saved_tensor_slice.proto and
framework/{types,tensor_shape,tensor_slice,tensor,versions}.proto.
"""

from __future__ import annotations

from typing import Any

from ckptread.names.tensorflow.messages import SHAPE
from ckptread.untrusted.binary import (
    Message,
    bytes_field,
    fixed32_field,
    int_field,
    message_field,
    text_field,
)

DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64",
    9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16",
    16: "quint16", 17: "uint16", 18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32",
    23: "uint64", 24: "float8_e5m2", 25: "float8_e4m3fn", 26: "float8_e4m3fnuz", 27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz", 29: "int4", 30: "uint4", 31: "int2", 32: "uint2", 33: "float4_e2m1fn",
}  # fmt: skip
"""types.proto's DataType, by numpy's and ml_dtypes' names."""

VERSION = Message({1: int_field("producer"), 2: int_field("min_consumer")})
BUNDLE_VERSION = 1
"""The version of the format that TensorFlow reads, since 2016; it refuses a file that asks for a later reader."""
EXTENT = Message({1: int_field("start"), 2: int_field("length")})
SLICE = Message({1: message_field("extents", EXTENT, repeated=True)})

BUNDLE_HEADER = Message({1: int_field("num_shards"), 2: int_field("endianness"), 3: message_field("version", VERSION)})
BUNDLE_ENTRY = Message(
    {
        1: int_field("dtype"),
        2: message_field("shape", SHAPE),
        3: int_field("shard_id"),
        4: int_field("offset"),
        5: int_field("size"),
        6: fixed32_field("crc32c"),
        7: message_field("slices", SLICE, repeated=True),
    }
)

SAVED_SLICE_META = Message(
    {
        1: text_field("name"),
        2: message_field("shape", SHAPE),
        3: int_field("dtype"),
        4: message_field("slices", SLICE, repeated=True),
    }
)
SAVED_TENSOR_SLICES_META = Message(
    {1: message_field("tensors", SAVED_SLICE_META, repeated=True), 2: message_field("versions", VERSION)}
)
SAVED_TENSOR_SLICES = Message({1: message_field("meta", SAVED_TENSOR_SLICES_META), 2: bytes_field("data")})

TENSOR_VALUE_FIELDS = {
    "float32": 5, "float64": 6, "int32": 7, "uint8": 7, "int16": 7, "int8": 7, "uint16": 7, "qint8": 7,
    "quint8": 7, "qint16": 7, "quint16": 7, "qint32": 7, "string": 8, "complex64": 9, "int64": 10, "bool": 11,
    "complex128": 12, "float16": 13, "bfloat16": 13, "uint32": 16, "uint64": 17,
}  # fmt: skip
"""The field of TensorProto that a V1 checkpoint keeps the values of a dtype in."""

FULL = -1
"""A slice's length along an axis that it takes whole (TensorSlice::kFullExtent)."""


def message_shape(message: dict[str, Any]) -> tuple[int, ...]:
    """Return the dimensions of a decoded SHAPE."""
    return tuple(dim.get("size", 0) for dim in message.get("dims", ()))


def slice_of(message: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """Return (start, length) per axis of a decoded SLICE; the length FULL for an axis taken whole."""
    return tuple((extent.get("start", 0), extent.get("length", FULL)) for extent in message["extents"])
