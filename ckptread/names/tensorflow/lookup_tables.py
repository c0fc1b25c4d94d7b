"""Finds the tensors of lookup tables: a table is saved as its keys and its values, whose rows are in no order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ckptread.tensors import TensorInfo

KEYS, VALUES = "-keys", "-values"
"""The endings of the keys in the checkpoint, in TensorFlow 1 and 2."""
KEY_DTYPES = {"string", "int32", "int64"}


def mark_tables(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Return the tensors, each of a table with the key of the tensor that has the keys of its rows."""
    tables = dict(_tables({info.key: info for info in tensors if info.key.endswith((KEYS, VALUES))}))
    if not tables:
        return list(tensors)
    return [msgspec.structs.replace(t, table_keys=tables[t.key]) if t.key in tables else t for t in tensors]


def _tables(ending: dict[str, TensorInfo]) -> Iterator[tuple[str, str]]:
    """Yield the keys of each table's two tensors, with that of its keys."""
    for key, keys in ending.items():
        values = ending.get(key.removesuffix(KEYS) + VALUES) if key.endswith(KEYS) else None
        if (
            values is not None
            and keys.dtype in KEY_DTYPES
            and keys.shape
            and keys.shape[:1] == (values.shape or ())[:1]
        ):
            yield from ((each.key, key) for each in (keys, values))
