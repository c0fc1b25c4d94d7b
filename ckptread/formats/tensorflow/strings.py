"""How a TensorFlow V2 checkpoint stores a tensor of strings.

The strings' lengths as varints, a masked CRC-32C of the lengths, then the strings' bytes, back to back; the
entry's own checksum covers the lengths (as fixed numbers), that checksum, and the bytes
(tensorflow/core/util/tensor_bundle/tensor_bundle.cc, WriteStringTensor).
"""

from __future__ import annotations

from struct import Struct

from ckptread.formats.tensorflow.leveldb_table import crc32c, unmask
from ckptread.untrusted.binary import Malformed, take, varint


def decode_strings(data: bytes, count: int, stated: int, byteorder: str) -> list[bytes]:
    """Return the ``count`` strings of an entry's bytes; ``stated`` is the entry's (unmasked) checksum.

    Raises Malformed where lengths, checksums or sizes do not agree.
    """
    if count > len(data):
        raise Malformed(f"{count:,} strings cannot fit in {len(data):,} bytes", 0)
    lengths, at = [], 0
    for _ in range(count):
        nbytes, at = varint(data, at)
        lengths.append(nbytes)
    lengths_checksum, body_at = take(data, at, 4)
    fixed = b"".join(_fixed(nbytes, byteorder) for nbytes in lengths)
    state = crc32c(fixed)
    order = "<I" if byteorder == "little" else ">I"
    if state != unmask(Struct(order).unpack(lengths_checksum)[0]):
        raise Malformed("the strings' lengths do not have the checksum that the file states", at)
    if body_at + sum(lengths) != len(data):
        raise Malformed(f"{sum(lengths):,} bytes of strings are stated, {len(data) - body_at:,} are there", at)
    if crc32c(data[body_at:], crc32c(lengths_checksum, state)) != stated:
        raise Malformed("the strings do not have the checksum that the file states", body_at)
    strings = []
    for nbytes in lengths:
        string, body_at = take(data, body_at, nbytes)
        strings.append(string)
    return strings


def _fixed(nbytes: int, byteorder: str) -> bytes:
    """A length as the checksum takes it in: in four bytes, or in eight where it needs them."""
    order = "<" if byteorder == "little" else ">"
    return Struct(order + ("I" if nbytes <= 0xFFFFFFFF else "Q")).pack(nbytes)
