"""How many bytes the tensors of a file may total, in proportion to its size: many small bombs add up.

Compressed bytes expand a thousand times, bytes that were never written take no space, and tensors may share bytes.
Keras has the same limits for one archive (4 GiB, and a hundred times its size).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptread.limits import FREE_BYTES, MAX_RATIO
from ckptread.tensors import TensorInfo


def most_bytes(stored: int) -> int:
    """Return how many bytes the tensors of a file of ``stored`` bytes may total."""
    return max(FREE_BYTES, MAX_RATIO * stored)


def bomb(stored: int) -> str:
    """Return the problem of a tensor beyond that."""
    most = most_bytes(stored)
    return f"with the tensors before it, it totals more than {most:,} bytes, in a file of {stored:,}: a bomb"


def within(tensors: Iterable[TensorInfo], stored: int) -> Iterator[TensorInfo]:
    """Yield the tensors of a file of ``stored`` bytes; those beyond its limit get a problem instead of an extent."""
    most, claimed = most_bytes(stored), 0
    for info in tensors:
        if info.problem is not None or info.alias_of is not None:
            yield info
            continue
        if claimed + info.nbytes <= most:
            claimed += info.nbytes
            yield info
            continue
        yield msgspec.structs.replace(info, problem=bomb(stored), extent=None)
