"""Tensors written out as .npy and .npz files.

A tensor is written block by block, and its checksum verified before the file gets its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from ckptread.errors import CheckpointError
from ckptread.operations.extract.conversion_plan import Conversion, Plan, plan_of
from ckptread.operations.extract.file_names import file_names, member_names, spare
from ckptread.operations.extract.npy_copy import Copy
from ckptread.operations.extract.written import SkippedTensor, WrittenTensor
from ckptread.reader import Reader, Tensor
from ckptread.slicing import Selection
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.writing import make_folder, open_complete
from ckptread.tensors import TensorInfo

if TYPE_CHECKING:
    from zipfile import ZipFile


def to_file(
    tensor: Tensor,
    target: str,
    *,
    selection: Selection = (),
    conversion: Conversion | None = None,
    force: bool = False,
    meter: Meter = SILENT,
) -> WrittenTensor:
    """Write one tensor to the .npy file ``target``. An existing file is kept unless ``force``.

    Raises CheckpointError as reading does, and where the target exists, is the checkpoint's own or cannot be written.
    """
    spare(tensor.reader, target)
    plan = plan_of(tensor, selection, conversion or Conversion())
    with open_complete(target, force) as file:
        plan.write(file, meter)
    return _written(tensor.info, target, plan)


def to_stream(
    tensor: Tensor, stream: IO[bytes], *, selection: Selection = (), conversion: Conversion | None = None
) -> WrittenTensor:
    """Write one tensor as .npy to an open stream: the bytes go before the checksum's verdict."""
    plan = plan_of(tensor, selection, conversion or Conversion())
    plan.write(stream)
    return _written(tensor.info, "-", plan)


def _written(tensor: TensorInfo, path: str, plan: Plan | Copy) -> WrittenTensor:
    return WrittenTensor(tensor=tensor, path=path, dtype=plan.dtype_name, shape=plan.shape, note=plan.note)


def write_or_skip(
    tensor: Tensor,
    target: str,
    *,
    selection: Selection = (),
    conversion: Conversion,
    force: bool,
    meter: Meter,
) -> WrittenTensor | SkippedTensor:
    """Write one of several tensors to its file. Raises CheckpointError only where the target is the trouble."""
    try:
        return to_file(tensor, target, selection=selection, conversion=conversion, force=force, meter=meter)
    except CheckpointError as error:
        if error.path == target:  # the disk is full, or the file is there
            raise
        return SkippedTensor(tensor.info, error)


def to_folder(
    reader: Reader,
    tensors: Sequence[TensorInfo],
    folder: str,
    *,
    selection: Selection = (),
    conversion: Conversion | None = None,
    force: bool = False,
    meter: Meter = SILENT,
) -> Iterator[WrittenTensor | SkippedTensor]:
    """Write each tensor to a .npy file of its own in ``folder``, which is made if need be.

    What cannot be written is skipped. Raises CheckpointError where the folder, or a file in it, cannot be.
    """
    make_folder(folder)
    how = conversion or Conversion()
    for tensor, name in zip(tensors, file_names(tensors), strict=True):
        target = os.path.join(folder, name + ".npy")
        yield write_or_skip(
            Tensor(reader, tensor), target, selection=selection, conversion=how, force=force, meter=meter
        )


def to_npz(
    reader: Reader,
    tensors: Sequence[TensorInfo],
    target: str,
    *,
    selection: Selection = (),
    conversion: Conversion | None = None,
    force: bool = False,
    meter: Meter = SILENT,
) -> Iterator[WrittenTensor | SkippedTensor]:
    """Write all tensors to one uncompressed .npz file, under safe forms of their names.

    What cannot be written is skipped. Raises CheckpointError where that is all, or the file cannot be written.
    """
    import zipfile

    spare(reader, target)
    with open_complete(target, force) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for tensor, name in zip(tensors, member_names(tensors), strict=True):
            try:
                plan = plan_of(Tensor(reader, tensor), selection, conversion or Conversion())
                _add(archive, name, plan, meter)
            except CheckpointError as error:
                yield SkippedTensor(tensor, error)
            else:
                yield _written(tensor, f"{target}[{name}]", plan)
        if tensors and not archive.filelist:
            raise CheckpointError(target, "nothing is left to write, and the file is not made")


def _add(archive: ZipFile, name: str, plan: Plan | Copy, meter: Meter) -> None:
    """Write one member, or none where reading it fails: what was written of it is taken back."""
    import zipfile

    member = zipfile.ZipInfo(name + ".npy")  # its date is 1980: the same tensors, the same bytes
    start = archive.start_dir
    try:
        with archive.open(member, "w", force_zip64=True) as stream:
            plan.write(stream, meter)
    except CheckpointError:
        archive.filelist.remove(member)
        del archive.NameToInfo[member.filename]
        archive.start_dir = start  # where the next member goes, or the directory
        if archive.fp is not None:
            archive.fp.truncate(start)
        raise
