"""What the tensors of a file may come to in all, against what the file holds: many small bombs add up.

Compressed bytes expand a thousand times, bytes that were never written come from nothing, and tensors may share
theirs. Keras draws the same lines for one archive (4 GiB, and a hundred times its size).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ckptread.limits import FREE_BYTES, MAX_RATIO
from ckptread.tensors import TensorInfo


def most_bytes(stored: int) -> int:
    """Return what a file of ``stored`` bytes may come to in all."""
    return max(FREE_BYTES, MAX_RATIO * stored)


def bomb(stored: int) -> str:
    """Return what is wrong with what goes beyond that."""
    most = most_bytes(stored)
    return f"with those before it, it comes to more than {most:,} bytes, from a file of {stored:,}: a bomb"


def within(tensors: Iterable[TensorInfo], stored: int) -> Iterator[TensorInfo]:
    """Return the tensors of a file of ``stored`` bytes; those that go beyond what it may come to have a problem."""
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
