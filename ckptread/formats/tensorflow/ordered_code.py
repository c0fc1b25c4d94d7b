"""The keys under which a TensorFlow checkpoint keeps the slices of a partitioned variable.

A slice's key is the number 0, the variable's name, the rank, and each axis' start and length, in an encoding
that sorts as its values do (tensorflow/core/lib/strings/ordered_code.cc and
util/saved_tensor_slice_util.cc, EncodeTensorNameSlice).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

SLICE_PREFIX = b"\x00"
"""What every slice's key begins with: the number 0. A name given by TensorFlow never does."""

_HEADERS = (0, 0x8000, 0xC000, 0xE000, 0xF000, 0xF800, 0xFC00, 0xFE00, 0xFF00, 0xFF80, 0xFFC0)
"""Leading bits that tell how many bytes a signed number takes (kLengthToHeaderBits)."""


def slice_key(name: bytes, extents: Sequence[tuple[int, int]]) -> bytes:
    """Return the key of the slice of ``name`` with this (start, length) on each axis; length -1 is a whole axis."""
    parts = [_number(0), _string(name), _number(len(extents))]
    parts += [_signed(value) for extent in extents for value in extent]
    return b"".join(parts)


def _number(value: int) -> bytes:
    """One byte that counts the bytes of the number, then the number, big-endian."""
    nbytes = (value.bit_length() + 7) // 8
    return bytes([nbytes]) + value.to_bytes(nbytes, "big")


def _string(value: bytes) -> bytes:
    """The bytes, with 00 and ff escaped, and an end mark."""
    return b"".join(map(_escaped, value)) + b"\x00\x01"


def _escaped(byte: int) -> bytes:
    return {0x00: b"\x00\xff", 0xFF: b"\xff\x00"}.get(byte) or bytes([byte])


@lru_cache(maxsize=4096)
def _signed(value: int) -> bytes:
    """Big-endian two's complement under a header that tells its length: n bytes hold 7n-1 bits and a sign."""
    bits = (~value if value < 0 else value).bit_length()
    nbytes = next(n for n in range(1, 11) if bits <= 7 * n - 1 or n == 10)
    if nbytes == 1:
        return bytes([(0x80 ^ value) & 0xFF])
    raw = bytearray(value.to_bytes(nbytes, "big", signed=True))
    raw[0] ^= _HEADERS[nbytes] >> 8
    raw[1] ^= _HEADERS[nbytes] & 0xFF
    return bytes(raw)
