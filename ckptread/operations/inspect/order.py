"""In which order a listing has its tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ckptread.operations.inspect.conditions import STATISTICS
from ckptread.tensors import TensorInfo

if TYPE_CHECKING:
    from ckptread.operations.each_tensor import TensorResult
    from ckptread.values.running_statistics import Statistics

Sort = Literal["stored", "name", "size", "nan", "std", "l2"]
DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return what to sort a name by, so that ``layer_2`` comes before ``layer_10``.

    >>> sorted(["layer_10", "layer_2", "layer"], key=natural_key)
    ['layer', 'layer_2', 'layer_10']
    """
    parts = DIGITS.split(name)
    return [(len(part.lstrip("0")), part.lstrip("0")) if at % 2 else (0, part) for at, part in enumerate(parts)]


def sort_tensors(
    tensors: Iterable[TensorInfo], sort: Sort, statistics: Mapping[str, TensorResult[Statistics]]
) -> list[TensorInfo]:
    """Return tensors in this order; by size and by statistics, the largest first, and NaN before all numbers."""
    if sort == "stored":
        return list(tensors)
    orders: dict[str, Callable[[TensorInfo], Any]] = {
        "name": lambda tensor: natural_key(tensor.name),
        "size": lambda tensor: -tensor.nbytes,
    }
    return sorted(tensors, key=orders.get(sort, lambda tensor: _rank(statistics.get(tensor.key), sort)))


def _rank(result: TensorResult[Statistics] | None, sort: Sort) -> float:
    value = getattr(result.value if result else None, STATISTICS[sort], None)
    if value is None:
        return math.inf
    return -math.inf if math.isnan(value) else -value
