"""How a TensorFlow V2 checkpoint stores variants: iterators of tf.data, lists and other objects of TensorFlow's own.

Of each element its length as a varint, its bytes, and a masked CRC-32C of all lengths (as eight bytes), elements and
checksums before it; the entry's own checksum covers all of them
(tensorflow/core/util/tensor_bundle/tensor_bundle.cc, WriteVariantTensor). The elements are checked, never decoded.
"""

from __future__ import annotations

from ckptread.formats.tensorflow.entries import ByteOrder
from ckptread.formats.tensorflow.leveldb_table import crc32c, unmask
from ckptread.untrusted.binary import Malformed, take, varint


def check_variants(data: bytes, count: int, stated: int, byteorder: str) -> None:
    """Check the bytes of ``count`` variants; ``stated`` is the entry's (unmasked) checksum. Raises Malformed."""
    order: ByteOrder = "little" if byteorder == "little" else "big"
    at, state = 0, 0
    for number in range(count):
        start = at
        nbytes, at = varint(data, at)
        element, at = take(data, at, nbytes)
        checksum, at = take(data, at, 4)
        state = crc32c(element, crc32c(nbytes.to_bytes(8, order), state))
        if state != unmask(int.from_bytes(checksum, order)):
            raise Malformed(f"variant {number:,} does not have the checksum that the file states", start)
        state = crc32c(checksum, state)
    if at != len(data):
        raise Malformed(f"{len(data) - at:,} bytes follow the last variant", at)
    if state != stated:
        raise Malformed("the variants do not have the checksum that the index states", 0)
