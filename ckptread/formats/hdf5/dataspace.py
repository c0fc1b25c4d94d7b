"""The shape of a dataset or an attribute.

Specification: HDF5 File Format Specification 3.0, IV.A.2.b "The Dataspace Message".
"""

from __future__ import annotations

import struct
from struct import Struct

import msgspec

from ckptread.untrusted.binary import Malformed

HEAD_BYTES = {1: 8, 2: 4}
"""By version: version, rank, flags, then reserved bytes, or the kind."""
LIMITED = 1
"""A flag: the largest dimensions follow."""
NULL_KIND = 2
UNLIMITED = (1 << 64) - 1


class Dataspace(msgspec.Struct, frozen=True, gc=False):
    """Dimensions, and how far each may grow."""

    shape: tuple[int, ...] | None
    """None of a null dataspace, which has no elements and no shape."""
    limits: tuple[int, ...]


def read_dataspace(data: bytes, offset: int) -> Dataspace:
    """Read a dataspace message, which begins at ``offset`` of the source. Raises Malformed."""
    if len(data) < 4 or data[0] not in HEAD_BYTES:
        raise Malformed("a dataspace is of an unknown version", offset)
    if data[0] == 2 and data[3] == NULL_KIND:
        return Dataspace(None, ())
    dims = Struct(f"<{data[1]}Q")
    at = HEAD_BYTES[data[0]]
    try:
        shape = dims.unpack_from(data, at)
        return Dataspace(shape, dims.unpack_from(data, at + dims.size) if data[2] & LIMITED else shape)
    except struct.error as error:
        raise Malformed("a dataspace is truncated", offset) from error
