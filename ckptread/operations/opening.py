"""A checkpoint as callers give it: a path, or a reader that is open already."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ckptread.formats.locate import open_checkpoint
from ckptread.formats.signatures import AMBIGUOUS
from ckptread.reader import Reader, Remains
from ckptread.wording import escape

Checkpoint = str | os.PathLike[str] | Reader
"""A path, which is opened and closed again, or an open reader, which stays open."""


class AmbiguousFileWarning(UserWarning):
    """Other programs may read other values from a file."""


@contextmanager
def opened(checkpoint: Checkpoint, backend: str = "auto", *, warn: bool = True) -> Iterator[Reader]:
    """Have an open reader. ``backend`` counts for a path. Raises CheckpointError as ``ckptread.open`` does.

    ``warn`` is False where the caller shows what is wrong with the file; else an ambiguous one is a Python warning.
    """
    if isinstance(checkpoint, Reader):
        yield checkpoint
        return
    with open_checkpoint(checkpoint, backend=backend) as reader:
        for finding in reader.problems if warn else ():
            if finding.code == AMBIGUOUS:
                warnings.warn(f"{escape(reader.path)}: {finding.message}", AmbiguousFileWarning, stacklevel=4)
        yield reader


@contextmanager
def opened_remains(checkpoint: Checkpoint) -> Iterator[Reader]:
    """Have an open reader, also of what is left of a damaged checkpoint. Raises CheckpointError if nothing is."""
    if isinstance(checkpoint, Reader):
        yield checkpoint
        return
    with open_checkpoint(checkpoint, remains=Remains.accepted) as reader:
        yield reader


def has_recent_file(reader: Reader) -> bool:
    """Whether a file of the checkpoint changed in the last two seconds: somebody may be writing to it."""
    return any(stamp is not None and stamp.is_recent() for stamp in reader.stamps().values())


def as_sequence(checkpoints: Checkpoint | Iterable[Checkpoint]) -> list[Checkpoint]:
    """Return one checkpoint, or several, as a list."""
    return [checkpoints] if isinstance(checkpoints, str | os.PathLike | Reader) else list(checkpoints)


def as_texts(patterns: str | Iterable[str]) -> tuple[str, ...]:
    """Return one pattern, or several, as a tuple."""
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)
