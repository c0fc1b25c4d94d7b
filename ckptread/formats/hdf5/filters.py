"""The filters of HDF5 that are undone here, and the numbers of those that are known.

Specification: HDF5 File Format, IV.A.2.l "The Data Storage - Filter Pipeline Message"; the Fletcher-32 of H5checksum.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
