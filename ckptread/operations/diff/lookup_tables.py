"""Compare tensors of TensorFlow's lookup tables by their keys: a table has no order of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.limits import VALUES_BYTES
from ckptread.reader import Tensor
from ckptread.values.comparison import change_between, compare_blocks
from ckptread.values.difference import Change, Tolerance
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.tensors import Array

Row = tuple[Any, Any, int]
"""The key of a row, its values as something that can be ordered, and its number."""


class RowChange(msgspec.Struct, frozen=True):
    """How the rows of two tables differ."""

    change: Change | None
    """Of the rows whose key both have; None if they are the same."""
    reason: str
    """Which keys only one side has; "" for none."""


def compare_rows(a: Tensor, b: Tensor, tolerance: Tolerance) -> RowChange | None:
    """Compare the rows of one key; None for tensors that are not of tables, or too large for it. Raises as reading."""
    keys = [_keys_of(tensor) for tensor in (a, b)]
    if keys[0] is None or keys[1] is None or a.shape[1:] != b.shape[1:]:
        return None
    values = [a.read(), b.read()]
    rows = [_sorted_rows(of, held) for of, held in zip(keys, values, strict=True) if of is not None]
    shared = list(_merge(*rows))
    one, other = (_take(held, [pair[side] for pair in shared]) for side, held in enumerate(values))
    sums = compare_blocks(lambda: iter([(one, other)]), tolerance) if shared else None
    return RowChange(change_between(a, b, sums, tolerance), _reason(len(rows[0]), len(rows[1]), len(shared)))


def _keys_of(tensor: Tensor) -> list[Any] | None:
    info, reader = tensor.info, tensor.reader
    keys = None if info.table_keys is None else reader.tensors.get(info.table_keys)
    if keys is None or max(keys.nbytes, info.nbytes) > VALUES_BYTES or not tensor.shape:
        return None
    return _as_rows(Tensor(reader, keys).read())


def _as_rows(values: Array) -> list[Any]:
    """Return something that can be compared and ordered for each row: strings, or the bytes of numbers."""
    import numpy as np

    if values.dtype.hasobject:
        return values.reshape(len(values), -1).tolist()
    packed = np.ascontiguousarray(values).reshape(len(values), -1)
    return [row.tobytes() for row in packed]


def _sorted_rows(keys: Sequence[Any], values: Array) -> list[Row]:
    return sorted(zip(keys, _as_rows(values), range(len(keys)), strict=True))


def _merge(a: Sequence[Row], b: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of the rows that have one key, in the order of the keys."""
    at = 0
    for key, _, number in a:
        while at < len(b) and b[at][0] < key:
            at += 1
        if at < len(b) and b[at][0] == key:
            yield number, b[at][2]
            at += 1


def _take(values: Array, rows: list[int]) -> Array:
    taken: Array = values[rows]
    return taken


def _reason(count_a: int, count_b: int, shared: int) -> str:
    parts = [f"{plural(count - shared, 'key')} only in {side}"
             for count, side in ((count_a, "A"), (count_b, "B")) if count > shared]  # fmt: skip
    return ", ".join(parts)
