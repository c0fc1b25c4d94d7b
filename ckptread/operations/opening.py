"""A checkpoint as callers give it: a path, or a reader that is open already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ckptread.formats.locate import open_checkpoint
from ckptread.reader import Reader

Checkpoint = str | os.PathLike[str] | Reader
"""A path, which is opened and closed again, or an open reader, which stays open."""


@contextmanager
def opened(checkpoint: Checkpoint, backend: str = "auto") -> Iterator[Reader]:
    """Have an open reader. ``backend`` counts for a path. Raises CheckpointError as ``ckptread.open`` does."""
    if isinstance(checkpoint, Reader):
        yield checkpoint
        return
    with open_checkpoint(checkpoint, backend=backend) as reader:
        yield reader
