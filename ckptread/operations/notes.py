"""Sentences on what was asked for and the files do not record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ckptread.reader import Reader
from ckptread.select import records_roles
from ckptread.tensors import TensorInfo
from ckptread.wording import escape, plural


def role_notes(readers: Iterable[Reader], role: str | None) -> Iterator[str]:
    """Name the files that record no roles, where a role was asked for: there all tensors count as the model's."""
    silent = [reader.path for reader in readers if role not in {None, "all"} and not records_roles(reader.tensors)]
    for path in dict.fromkeys(silent):
        yield f"note: {escape(path)} records no roles: all tensors count as the model's"


def trainable_notes(tensors: Iterable[TensorInfo], trainable: bool | None) -> Iterator[str]:
    """Count the model's own tensors of unknown trainability, where --trainable or --frozen was asked for."""
    own = [tensor for tensor in tensors if tensor.role in {"model", None}]
    count = 0 if trainable is None else sum(tensor.trainable is None for tensor in own)
    if count:
        left_out, they = plural(count, "tensor", "are", "is"), "it is" if count == 1 else "they are"
        yield f"note: {left_out} left out: the file does not record whether {they} trainable"
