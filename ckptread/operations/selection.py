"""Which tensors of an open checkpoint a caller asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ckptread.errors import UsageError
from ckptread.operations.notes import role_notes, trainable_notes
from ckptread.reader import Reader
from ckptread.select import filter_tensors, match_tensors
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


def trainable_flag(trainable: bool, frozen: bool) -> bool | None:
    """Return the flag that ``trainable`` and ``frozen`` ask for together: None for neither. UsageError for both."""
    if trainable and frozen:
        raise UsageError("trainable and frozen do not go together: give one of them")
    return trainable if trainable or frozen else None
