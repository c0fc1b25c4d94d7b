"""Where ``ckptread extract`` writes to."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Literal

import msgspec

from ckptread.errors import UsageError
from ckptread.formats.format import Format
from ckptread.formats.registry import ONE_ARRAY, SEVERAL, format_to_write
from ckptread.operations.extract.file_names import file_names, spare
from ckptread.reader import Reader
from ckptread.storage.addresses import kind_of
from ckptread.tensors import TensorInfo
from ckptread.wording import escape


class Target(msgspec.Struct, frozen=True):
    """A file, a folder of files, or stdout; and the format of what is written."""

    kind: Literal["file", "folder", "stream"]
    path: str
    format: Format = ONE_ARRAY

    @classmethod
    def of(
        cls, output: str | None, reader: Reader, tensors: Sequence[TensorInfo], *, sliced: bool, several: bool
    ) -> Target:
        """Return the target that ``-o`` means for these tensors; ``several`` is also true of one that a glob matches.

        Raises UsageError where it means none, and CheckpointError for a file of the checkpoint itself.
        """
        if len(tensors) > 1 and sliced:
            raise UsageError(f"--slice is for one tensor, and {len(tensors)} match")
        if several and (output is None or output == "-"):
            match = f"{_matching(tensors)}: write them with" if len(tensors) > 1 else f"{_matching(tensors)}: use"
            raise UsageError(f"{match} -o FOLDER or -o FILE{SEVERAL.endings[0]}")
        if output == "-" and sys.stdout.isatty():
            raise UsageError("binary output is not written to a terminal: redirect it, or give -o FILE")
        if output is None:
            return cls("file", file_names(tensors)[0] + ONE_ARRAY.endings[0])
        return cls("stream", "-") if output == "-" else cls._path(output, reader, tensors, several)

    @classmethod
    def _path(cls, output: str, reader: Reader, tensors: Sequence[TensorInfo], several: bool) -> Target:
        """A path that ends in a slash, or is a folder, is a folder; else its ending decides, else their number."""
        if output.endswith(("/", os.sep)) or kind_of(output) == "folder":
            return cls("folder", output)
        spare(reader, output)
        row = format_to_write(output)
        if row is None:
            return cls("folder" if several else "file", output)
        if several and row.lone:
            one = f"{_matching(tensors)}, and {escape(output)} is one file"
            raise UsageError(f"{one}: give a folder or a {SEVERAL.endings[0]} file")
        return cls("file", output, row)


def _matching(tensors: Sequence[TensorInfo]) -> str:
    return f"{len(tensors)} tensors match" if len(tensors) > 1 else "a pattern can match several tensors"
