"""Exact quantiles of one tensor's finite values, in a few passes over its blocks and little memory.

Values become unsigned integers that are sorted alike; each pass counts 16 of their bits, from the highest, among those
values whose bits above are the ones that are looked for. This is radix selection.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ckptread.reader import Tensor
from ckptread.values.numbers import is_numeric

if TYPE_CHECKING:
    from ckptread.tensors import Array

DIGIT = 16
"""Bits that one pass counts."""
BLOCK_BYTES = 1 << 20
"""Large enough that the counts, 512 KiB, are not most of the work."""


def quantiles(tensor: Tensor, finite: int, shares: Sequence[float]) -> list[float] | None:
    """Return the quantiles of a tensor's ``finite`` finite values, as numpy interpolates them.

    None for what has none: no finite values, complex numbers, text. Raises CheckpointError as reading does.
    """
    if not finite or not is_numeric(tensor.dtype) or tensor.dtype.kind == "c" or tensor.dtype.itemsize > 8:
        return None
    places = [share * (finite - 1) for share in shares]
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    found = dict(zip(ranks, _select(tensor, ranks), strict=True))
    return [_between(found[math.floor(place)], found[math.ceil(place)], place % 1) for place in places]


def _between(low: float, high: float, share: float) -> float:
    return float(low) if share == 0 or low == high else (1 - share) * low + share * high


def _select(tensor: Tensor, ranks: Iterable[int]) -> list[float]:
    """Return the values that have these ranks among all finite ones."""
    sought = [(0, rank) for rank in ranks]  # the bits that are known, and the rank among the values that have them
    kind = _kind(tensor.dtype)
    for shift in range(max(8 * kind.itemsize, DIGIT) - DIGIT, -1, -DIGIT):
        counts = _count(tensor, {known for known, _ in sought}, shift)
        sought = [_descend(known, rank, counts[known]) for known, rank in sought]
    return [_value(known, kind) for known, _ in sought]


def _count(tensor: Tensor, known: set[int], shift: int) -> dict[int, Array]:
    """Count the next bits of the values that have the known ones above them."""
    import numpy as np

    counts = {bits: np.zeros(1 << DIGIT, np.int64) for bits in known}
    for block in tensor.blocks(BLOCK_BYTES, out=tensor.buffer(BLOCK_BYTES)):
        keys = _keys(block.reshape(-1))
        digits, highest = (keys >> shift).astype(np.uint16), shift + DIGIT >= 8 * keys.itemsize
        above = None if highest else keys >> (shift + DIGIT)
        for bits in known:
            counts[bits] += np.bincount(digits if above is None else digits[above == bits], minlength=1 << DIGIT)
    return counts


def _descend(known: int, rank: int, counts: Array) -> tuple[int, int]:
    import numpy as np

    total = np.cumsum(counts)
    digit = int(np.searchsorted(total, rank, side="right"))
    return (known << DIGIT) | digit, rank - (int(total[digit - 1]) if digit else 0)


def _kind(dtype: Any) -> Any:
    """Return the numpy dtype whose values stand for those of a tensor: floats of other kinds are widened."""
    import numpy as np

    if dtype.kind in "iuf":
        return dtype.newbyteorder("=")
    return np.dtype(np.uint8) if dtype.kind == "b" else np.dtype(np.float32)


def _keys(values: Array) -> Array:
    """Return the finite values as unsigned integers in the same order."""
    import numpy as np

    kind = _kind(values.dtype)
    values = values.astype(kind, copy=False)
    if kind.kind == "f" and not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    bits = values.view(f"u{kind.itemsize}")
    sign = bits.dtype.type(1 << (8 * kind.itemsize - 1))
    if kind.kind == "f":  # all bits of a negative one are turned, and the sign of the others
        bits = bits ^ ((bits.view(f"i{kind.itemsize}") >> (8 * kind.itemsize - 1)).view(bits.dtype) | sign)
    elif kind.kind == "i":
        bits = bits ^ sign
    return bits


def _value(key: int, kind: Any) -> float:
    """Return the value of an integer that ``_keys`` made."""
    import numpy as np

    sign, mask = 1 << (8 * kind.itemsize - 1), (1 << 8 * kind.itemsize) - 1
    if kind.kind == "i":
        key ^= sign
    if kind.kind == "f":
        key = key ^ sign if key & sign else ~key & mask
    found: float = np.array(key, f"u{kind.itemsize}").view(kind).item()
    return found
