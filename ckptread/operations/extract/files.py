"""Tensors written to files, each block by block: a file gets its name once the checksums are verified."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO

from ckptread.errors import CheckpointError, UnsupportedError
from ckptread.formats.format import Add, Format, Outgoing
from ckptread.formats.registry import ONE_ARRAY, SEVERAL
from ckptread.operations.extract.file_names import file_names, member_names, spare
from ckptread.operations.extract.outgoing import Writing, plan_of
from ckptread.operations.extract.written import SkippedTensor, WrittenTensor
from ckptread.reader import Reader, Tensor
from ckptread.storage.writing import make_folder, open_complete
from ckptread.tensors import TensorInfo

PLAINLY = Writing()


def to_file(tensor: Tensor, target: str, how: Writing = PLAINLY, row: Format = ONE_ARRAY) -> WrittenTensor:
    """Write one tensor to the file ``target``. An existing file is kept unless ``how.force``.

    Raises CheckpointError as reading does, and where the target exists, is the checkpoint's own or cannot be written.
    """
    spare(tensor.reader, target)
    plan = plan_of(tensor, how)
    with open_complete(target, how.force) as file, _begin(row, file) as add:
        add(tensor.info.name, plan)
    return _written(tensor.info, target, plan)


def to_stream(tensor: Tensor, stream: IO[bytes], how: Writing = PLAINLY, row: Format = ONE_ARRAY) -> WrittenTensor:
    """Write one tensor to an open stream: the bytes go before the checksum's verdict."""
    plan = plan_of(tensor, how)
    with _begin(row, stream) as add:
        add(tensor.info.name, plan)
    return _written(tensor.info, "-", plan)


def write_or_skip(tensor: Tensor, target: str, how: Writing, row: Format = ONE_ARRAY) -> WrittenTensor | SkippedTensor:
    """Write one of several tensors to its file. Raises CheckpointError only where the target is the trouble."""
    try:
        return to_file(tensor, target, how, row)
    except CheckpointError as error:
        if error.path == target:  # the disk is full, or the file is there
            raise
        return SkippedTensor(tensor.info, error)


def to_folder(
    reader: Reader, tensors: Sequence[TensorInfo], folder: str, how: Writing = PLAINLY, row: Format = ONE_ARRAY
) -> Iterator[WrittenTensor | SkippedTensor]:
    """Write each tensor to a file of its own in ``folder``, which is made if need be.

    What cannot be written is skipped. Raises CheckpointError where the folder, or a file in it, cannot be.
    """
    make_folder(folder)
    for tensor, name in zip(tensors, file_names(tensors), strict=True):
        yield write_or_skip(Tensor(reader, tensor), os.path.join(folder, name + row.endings[0]), how, row)


def to_archive(
    reader: Reader, tensors: Sequence[TensorInfo], target: str, how: Writing = PLAINLY, row: Format = SEVERAL
) -> Iterator[WrittenTensor | SkippedTensor]:
    """Write all tensors to one file, under safe forms of their names.

    What cannot be written is skipped. Raises CheckpointError where that is all, or the file cannot be written.
    """
    spare(reader, target)
    with open_complete(target, how.force) as file, _begin(row, file) as add:
        empty = bool(tensors)
        for tensor, name in zip(tensors, member_names(tensors), strict=True):
            result = _add_or_skip(add, Tensor(reader, tensor), name, f"{target}[{name}]", how)
            empty = empty and result.error is not None
            yield result
        if empty:
            raise CheckpointError(target, "nothing is left to write, and the file is not made")


def _add_or_skip(add: Add, tensor: Tensor, name: str, path: str, how: Writing) -> WrittenTensor | SkippedTensor:
    try:
        plan = plan_of(tensor, how)
        add(name, plan)
    except CheckpointError as error:
        return SkippedTensor(tensor.info, error)
    return _written(tensor.info, path, plan)


def _begin(row: Format, stream: IO[bytes]) -> AbstractContextManager[Add]:
    """Begin a file in an open stream. Raises UnsupportedError for a format that is only read."""
    if row.write is None:
        raise UnsupportedError("", f"{row.about} are only read")
    return row.write(stream, {})


def _written(tensor: TensorInfo, path: str, plan: Outgoing) -> WrittenTensor:
    return WrittenTensor(tensor=tensor, path=path, dtype=plan.dtype_name, shape=plan.shape, note=plan.note)
