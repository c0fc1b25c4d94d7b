"""Copies of a variable, as some formats store them, and whether they are still the same as their original.

A copy is another run of bytes than its original, so no verdict on values may pass it over. One that is the same in
every bit has the same verdict as its original, and is left out. One that differs is a tensor of its own, under its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ckptread.errors import CheckpointError
from ckptread.reader import Reader, Tensor
from ckptread.tensors import TensorInfo
from ckptread.values.comparison import compare_values
from ckptread.values.difference import Tolerance
from ckptread.wording import escape


def tensors_to_judge(reader: Reader, tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Leave out aliases, and copies that are the same as their original, where that is in the list.

    A copy that differs stays, and is called by its key. Both are read for this.
    """
    own = {info.key: info for info in _without_aliases(tensors)}
    judged = (_judged(reader, info, own) for info in own.values())
    return [info for info in judged if info is not None]


def _without_aliases(tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Leave out each tensor that is another name of one in the list."""
    listed = list(tensors)
    keys = {t.key for t in listed}
    return [t for t in listed if t.alias_of not in keys]


def _judged(reader: Reader, info: TensorInfo, own: Mapping[str, TensorInfo]) -> TensorInfo | None:
    original = own.get(info.copy_of or "")
    if original is None:
        return info
    return None if is_same(reader, info, original) else msgspec.structs.replace(info, variable=None)


def copies_by_original(reader: Reader) -> dict[str, list[TensorInfo]]:
    """Return the copies in a checkpoint, by the key of their original."""
    found: dict[str, list[TensorInfo]] = {}
    for info in reader.tensors.values():
        if info.copy_of is not None:
            found.setdefault(info.copy_of, []).append(info)
    return found


def is_same(reader: Reader, copy: TensorInfo, original: TensorInfo) -> bool:
    """Whether a copy is the same as its original, bit for bit; False if either cannot be read."""
    if copy.problem is not None or original.problem is not None:
        return False
    if (copy.shape, copy.dtype) != (original.shape, original.dtype):
        return False
    if copy.shape is None:
        return True
    try:
        return compare_values(Tensor(reader, copy), Tensor(reader, original), Tolerance()) is None
    except CheckpointError:
        return False


def copy_notes(judged: Iterable[TensorInfo]) -> Iterator[str]:
    """Name the copies that are among tensors to judge next to their originals: they differ from them."""
    listed = {info.key: info for info in judged}
    for info in listed.values():
        original = listed.get(info.copy_of or "")
        if original is not None:
            yield f"warning: {escape(info.key)} differs from {escape(original.name)}, of which it is a copy"
