"""Take a path or an open reader: a path is opened and closed again, a reader is used and left open."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from ckptread.formats.locate import open_checkpoint
from ckptread.reader import Reader

CheckpointLike = str | os.PathLike[str] | Reader
"""What every verb of the library takes: the path of a checkpoint, or a reader that is open already."""


def open_or_borrow(checkpoint: CheckpointLike, *, backend: str = "auto") -> AbstractContextManager[Reader]:
    """Return a context manager that gives a reader. It closes what it opened, and leaves a reader as it is.

    Raises CheckpointError as ``ckptread.open`` does.
    """
    if isinstance(checkpoint, Reader):
        return nullcontext(checkpoint)
    return open_checkpoint(os.fspath(checkpoint), backend=backend)
