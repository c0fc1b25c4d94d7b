"""A checkpoint written in another format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from ckptread.errors import UsageError
from ckptread.formats.format import Format
from ckptread.formats.registry import ONE_ARRAY, format_to_write
from ckptread.operations.convert.files import (
    NewFile,
    Planned,
    check_free,
    lay_out,
    parse_size,
    size_of,
    write_file,
    write_index,
)
from ckptread.operations.convert.planning import (
    FLOATS,
    NewNames,
    check_names,
    plan_all,
    plan_values,
    read_names,
    tensors_to_write,
)
from ckptread.operations.convert.results import Conversion, ConvertedTensor, OmittedTensor
from ckptread.operations.convert.template import fill_template
from ckptread.operations.digest.digest import digest as digest_of
from ckptread.operations.extract.outgoing import Writing
from ckptread.operations.opening import Checkpoint, as_texts, opened
from ckptread.reader import Reader
from ckptread.storage.progress import Meter, Progress


def convert(
    checkpoint: Checkpoint,
    output: str | os.PathLike[str],
    *,
    like: str | os.PathLike[str] | None = None,
    names: Literal["variable", "key"] = "variable",
    rename: str | Sequence[str] = (),
    map: str | os.PathLike[str] | None = None,  # noqa: A002 - called as on the command line
    role: str | None = None,
    dtype: str | None = None,
    max_shard_size: str | int | None = None,
    skip: bool = False,
    digest: bool = False,
    dry_run: bool = False,
    force: bool = False,
    backend: str = "auto",
    progress: Progress | None = None,
) -> Conversion:
    """Write a checkpoint as ``.safetensors``, ``.npz``, or a folder of ``.npy`` files, as ``ckptread convert`` does.

    ``output`` decides the format by its ending; a path without an ending, or that ends in a slash, is a folder.
    With ``like``, a file that Keras wrote, ``output`` is a copy of that file with these values in it.

    ``names`` are the variables' names or the keys; ``rename`` replaces what a regular expression matches,
    ``PATTERN=REPLACEMENT``; ``map`` is a file of ``diff --save-map``, whose names and moved axes are applied. ``role``
    'model' leaves the optimizer out. ``dtype`` converts all floats. ``max_shard_size`` (bytes, or '5GB') splits a
    .safetensors file, with an index. ``digest`` adds the digest of the checkpoint to the metadata.

    Every file is read back, and its bytes are compared, before it gets its name. What the format cannot hold is in the
    result, and then nothing is written unless ``skip``; ``dry_run`` never writes. Raises CheckpointError where the
    checkpoint cannot be read or a file cannot be written, and UsageError for options that do not go together.

    >>> import ckptread, os, tempfile
    >>> target = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> ckptread.convert("fixtures/keras3/model.keras", target, role="model")
    <Conversion of 'fixtures/keras3/model.keras': 16 tensors, 0 lost>
    """
    target, mapping = os.fspath(output), None if map is None else os.fspath(map)
    if dtype is not None and dtype not in FLOATS:
        raise UsageError(f"floats are converted to {', '.join(FLOATS)}, not to {dtype}")
    if like is not None and (rename or dtype or max_shard_size or digest or names == "key"):
        raise UsageError("--like gives the names and dtypes of the new file: it goes with --map and --role only")
    with opened(checkpoint, backend) as reader:
        if like is not None:
            return fill_template(reader, os.fspath(like), target, mapping, role=role, skip=skip, dry_run=dry_run,
                                 force=force, progress=progress)  # fmt: skip
        new_names = read_names(names, as_texts(rename), mapping)
        row = _row_of(target)
        most = parse_size(max_shard_size) if isinstance(max_shard_size, str) else max_shard_size
        if most is not None and not row.native:
            raise UsageError("--max-shard-size is for .safetensors files")
        found = _plan(reader, target, row, new_names, role, dtype, progress)
        return _write(reader, target, row, *found, most=most, skip=skip, digest=digest, dry_run=dry_run, force=force)


def _row_of(target: str) -> Format:
    """Return the format to write: that of the ending, or of the files in a folder."""
    if target.endswith(("/", os.sep)):
        return ONE_ARRAY
    row = format_to_write(target, native=True) or ONE_ARRAY
    if row.lone and target.endswith(row.endings):
        raise UsageError(f"{target} holds one array: 'ckptread extract' writes it; give a folder/ or another ending")
    return row


def _plan(
    reader: Reader, target: str, row: Format, names: NewNames, role: str | None, dtype: str | None,
    progress: Progress | None,
) -> tuple[list[Planned], list[OmittedTensor]]:  # fmt: skip
    """Return what is to be written, and what cannot be."""
    chosen, second = tensors_to_write(reader, role)
    named = [names.of(info) for info in chosen]
    check_names(target, named)
    how = Writing(dtype=dtype, meter=Meter(progress, sum(info.nbytes for info in chosen)))
    plans, lost = plan_all(named, lambda each: plan_values(reader, each, row, how))
    held, refused = _held(plans, row)
    return held, [*second, *lost, *refused]


def _held(plans: Sequence[Planned], row: Format) -> tuple[list[Planned], list[OmittedTensor]]:
    """Return what the format can hold, and what not: a dry run of writing."""
    if row.dtypes is None:
        return list(plans), []
    held = [plan for plan in plans if plan[1].dtype_name in row.dtypes]
    refused = [(each.tensor, values.dtype_name) for each, values in plans if values.dtype_name not in row.dtypes]
    reasons = [OmittedTensor(tensor=info, reason=f"{row.about} cannot hold {dtype}") for info, dtype in refused]
    return held, reasons


def _write(
    reader: Reader, target: str, row: Format, plans: list[Planned], omitted: list[OmittedTensor], *, most: int | None,
    skip: bool, digest: bool, dry_run: bool, force: bool,
) -> Conversion:  # fmt: skip
    files = lay_out(target.rstrip("/"), row, plans, most)
    whole = digest_of(reader, role="all").whole if digest else None
    metadata = {"ckptread.digest": whole} if whole else {}
    refused = not plans or (not skip and any(not each.harmless for each in omitted))
    if refused or dry_run:
        written = [_would_be(new, plan) for new in files for plan in new.tensors]
        paths = [] if refused else [new.path for new in files]
    else:
        paths = check_free(reader, [new.path for new in files], force)
        written = [each for new in files for each in write_file(new, row, metadata, force=force)]
        if len(files) > 1 and not row.lone:
            paths.append(write_index(target, files, metadata, force=force))
    return Conversion(
        path=reader.path, output=target, tensors=tuple(written), omitted=tuple(omitted), files=tuple(paths),
        nbytes=sum(size_of(values) for _, values in plans), dry_run=dry_run, skip=skip, digest=whole,
    )  # fmt: skip


def _would_be(new: NewFile, plan: Planned) -> ConvertedTensor:
    each, values = plan
    return ConvertedTensor(
        tensor=each.tensor, name=each.name, dtype=values.dtype_name, shape=values.shape, file=new.path
    )
