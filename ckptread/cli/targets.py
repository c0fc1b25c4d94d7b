"""Where ``ckptread extract`` writes to, as the user said it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from ckptread.output import file_names
from ckptread.records import dataclass
from ckptread.tensors import TensorInfo


@dataclass(frozen=True)
class Target:
    """A file, a folder, one .npz for all, or stdout."""

    kind: Literal["file", "folder", "npz", "stream"]
    path: str

    @classmethod
    def of(cls, output: str | None, tensors: Sequence[TensorInfo], *, sliced: bool) -> Target:
        """Return the target that ``-o`` means for these tensors. Raises ValueError where it means none."""
        several = len(tensors) > 1
        if several and sliced:
            raise ValueError(f"--slice is for one tensor, and {len(tensors)} are meant")
        if output == "-":
            if several:
                raise ValueError(f"'-o -' takes one tensor, and {len(tensors)} are meant")
            return cls("stream", "-")
        if output is None:
            if several:
                raise ValueError(f"{len(tensors)} tensors are meant: say where to with -o FOLDER or -o FILE.npz")
            return cls("file", file_names(tensors)[0] + ".npy")
        if output.endswith(".npz") and not sliced:
            return cls("npz", output)
        if several:
            return cls("folder", output)
        folder = os.path.isdir(output) or output.endswith(("/", os.sep))
        if folder:
            return (
                cls("folder", output)
                if not sliced
                else cls("file", os.path.join(output, file_names(tensors)[0] + ".npy"))
            )
        return cls("file", output)
