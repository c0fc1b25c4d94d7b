"""Which tensors of an open checkpoint a caller asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ckptread.errors import UsageError
from ckptread.operations.notes import role_notes, trainable_notes
from ckptread.reader import Reader
from ckptread.select import filter_tensors, is_glob, match_tensors, matching_tensors
from ckptread.tensors import TensorInfo


def select_tensors(
    reader: Reader,
    patterns: Sequence[str] = (),
    exclude: Sequence[str] = (),
    role: str | None = None,
    trainable: bool | None = None,
) -> tuple[list[TensorInfo], tuple[str, ...]]:
    """Return the tensors that were asked for, in the checkpoint's order, and notes on what the file does not record.

    Raises TensorNotFoundError for a pattern that matches nothing.
    """
    matching = match_tensors(reader.path, reader.tensors, patterns, exclude)
    of_role = filter_tensors(reader.tensors, matching, role)
    notes = (*role_notes([reader], role), *trainable_notes(of_role, trainable))
    return filter_tensors(reader.tensors, of_role, None, trainable), notes


def without_bookkeeping(
    reader: Reader, tensors: Iterable[TensorInfo], patterns: Iterable[str] = (), role: str | None = None
) -> list[TensorInfo]:
    """Leave out bookkeeping (object graphs, iterators, counters), unless a name, a path or the role asks for it."""
    if role in {"bookkeeping", "all"}:
        return list(tensors)
    names = [pattern for pattern in patterns if not is_glob(pattern)]
    named = {tensor.key for name in names for tensor in matching_tensors(reader.tensors, name)}
    return [tensor for tensor in tensors if tensor.role != "bookkeeping" or tensor.key in named]


def trainable_flag(trainable: bool, frozen: bool) -> bool | None:
    """Return the flag that ``trainable`` and ``frozen`` ask for together: None for neither. UsageError for both."""
    if trainable and frozen:
        raise UsageError("trainable and frozen do not go together: give one of them")
    return trainable if trainable or frozen else None
