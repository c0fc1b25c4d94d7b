"""Where ``ckptread extract`` writes to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import msgspec

from ckptread.errors import UsageError
from ckptread.operations.extract.file_names import file_names
from ckptread.storage.addresses import kind_of
from ckptread.tensors import TensorInfo
from ckptread.wording import escape


class Target(msgspec.Struct, frozen=True):
    """A file, a folder, one .npz for all tensors, or stdout."""

    kind: Literal["file", "folder", "npz", "stream"]
    path: str

    @classmethod
    def of(cls, output: str | None, tensors: Sequence[TensorInfo], *, sliced: bool) -> Target:
        """Return the target that ``-o`` means for these tensors. Raises UsageError where it means none."""
        several = len(tensors) > 1
        if several and sliced:
            raise UsageError(f"--slice is for one tensor, and {len(tensors)} match")
        if several and (output is None or output == "-"):
            raise UsageError(f"{len(tensors)} tensors match: write them with -o FOLDER or -o FILE.npz")
        if output is None:
            return cls("file", file_names(tensors)[0] + ".npy")
        return cls("stream", "-") if output == "-" else cls._path(output, tensors)

    @classmethod
    def _path(cls, output: str, tensors: Sequence[TensorInfo]) -> Target:
        """A path that ends in a slash, or is a folder, is a folder; else its ending decides, else their number."""
        several = len(tensors) > 1
        if output.endswith(("/", os.sep)) or kind_of(output) == "folder":
            return cls("folder", output)
        if output.endswith(".npz"):
            return cls("npz", output)
        if several and output.endswith(".npy"):
            raise UsageError(
                f"{len(tensors)} tensors match, and {escape(output)} is one file: give a folder or a .npz file"
            )
        return cls("folder" if several else "file", output)
