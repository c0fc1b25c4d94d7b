"""The filters of HDF5 that are undone here, and the numbers of those that are known.

Specification: HDF5 File Format, IV.A.2.l "The Data Storage - Filter Pipeline Message"; the Fletcher-32 of H5checksum.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ckptread.untrusted.binary import Malformed

if TYPE_CHECKING:
    import numpy as np

DEFLATE, SHUFFLE, FLETCHER32, SZIP, NBIT, SCALEOFFSET = 1, 2, 3, 4, 5, 6
LZF = 32000
"""A filter of h5py's own."""


def unshuffle(data: bytes, itemsize: int) -> bytes:
    """Return the bytes of each element side by side again; an incomplete element stays at the end."""
    import numpy as np

    count = len(data) // itemsize
    if itemsize < 2 or count < 2:
        return data
    whole = count * itemsize
    octets = np.frombuffer(data, np.uint8, whole).reshape(itemsize, count)
    return octets.T.tobytes() + data[whole:]


def fletcher32(data: bytes) -> int:
    """Return HDF5's Fletcher-32: over big-endian 16-bit words, an odd byte padded; sums folded to 16 bits."""
    import numpy as np

    padded = data + b"\0" if len(data) % 2 else data
    words = np.frombuffer(padded, ">u2").astype(np.uint64)
    low = high = 0
    for at in range(0, words.size, 1 << 16):
        piece = words[at : at + (1 << 16)]
        weights = np.arange(piece.size, 0, -1, dtype=np.uint64)
        high = (high + low * piece.size + int((piece * weights).sum())) % 65535
        low = (low + int(piece.sum())) % 65535
    return _folded(high, words) << 16 | _folded(low, words)


def _folded(total: int, words: np.ndarray[Any, Any]) -> int:
    """Return a sum as HDF5 folds it, which keeps 0 and 65535 apart: only all-zero data has the sum 0."""
    return 65535 if total == 0 and words.any() else total


# LZF (lzf_d.c of LibLZF): a byte below 32 says how many bytes follow as they are, less one. Any other begins a
# repetition: its upper three bits are the length less two, and where these are all set, the next byte is added; its
# lower five bits and the byte behind them are the distance less one.
LITERAL = 32
LONG = 7


def decompress_lzf(data: bytes, most: int) -> bytes:
    """Return what a chunk expands to. Raises Malformed where it is cut, or expands to more than ``most`` bytes."""
    found = bytearray()
    at = 0
    try:
        while at < len(data) and len(found) <= most:
            at = _copy_run(data, at, found) if data[at] < LITERAL else _repeat_run(data, at, found)
    except IndexError:
        raise Malformed("it is not a complete LZF stream", at) from None
    if len(found) > most:
        raise Malformed(f"it expands to more than {most:,} bytes", at)
    return bytes(found)


def _copy_run(data: bytes, at: int, found: bytearray) -> int:
    end = at + data[at] + 2
    if end > len(data):
        raise IndexError
    found += data[at + 1 : end]
    return end


def _repeat_run(data: bytes, at: int, found: bytearray) -> int:
    length, distance = data[at] >> 5, (data[at] & 0x1F) << 8
    if length == LONG:
        at += 1
        length += data[at]
    _repeat(found, distance + data[at + 1] + 1, length + 2)
    return at + 2


def _repeat(found: bytearray, distance: int, length: int) -> None:
    """Append ``length`` bytes that begin ``distance`` bytes before the end; they may overlap what they append."""
    start = len(found) - distance
    if start < 0:
        raise IndexError
    piece = bytes(found[start : start + length])
    found += (piece * -(-length // len(piece)))[:length]
