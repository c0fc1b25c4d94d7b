"""Tensors written out as .npy and .npz files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ckptread.errors import TensorNotFoundError, UsageError
from ckptread.operations.extract.files import to_archive, to_file, to_folder, to_stream
from ckptread.operations.extract.outgoing import Writing
from ckptread.operations.extract.target import Target
from ckptread.operations.extract.written import Extraction, SkippedTensor, WrittenTensor
from ckptread.operations.opening import Checkpoint, opened
from ckptread.operations.selection import without_bookkeeping
from ckptread.select import is_glob, match_tensors
from ckptread.storage.progress import Meter, Progress

if TYPE_CHECKING:
    from ckptread.reader import Reader
    from ckptread.slicing import Selection
    from ckptread.tensors import TensorInfo

NOT_NUMBERS = {"string", "variant", "resource"}
"""The dtypes of bookkeeping that is not a counter: object graphs and iterators."""
Result = WrittenTensor | SkippedTensor


def extract(
    checkpoint: Checkpoint,
    names: str | Sequence[str],
    output: str | os.PathLike[str] | None = None,
    *,
    slice: Selection | None = None,  # noqa: A002 - called as on the command line
    dtype: str | None = None,
    raw: bool = False,
    force: bool = False,
    backend: str = "auto",
    progress: Progress | None = None,
    each: Callable[[Result], object] | None = None,
) -> Extraction:
    """Write tensors to .npy files, or to one .npz file, as ``ckptread extract`` does.

    ``checkpoint`` is a path or an open reader, ``names`` a name, path or glob, or several. ``output`` is a .npy file
    for one tensor, a folder or a .npz file for several, "-" for stdout; None is ``NAME.npy`` in the working directory.
    ``slice`` writes a part of one tensor, ``dtype`` converts the values to a numpy dtype, ``raw`` keeps the bits of
    what .npy cannot hold, ``force`` replaces files. ``progress(done, total)`` is called with bytes of values;
    ``each`` with every result, as soon as it is written.

    Of several tensors, those that cannot be written are skipped. Raises CheckpointError where the target cannot be
    written, or a single tensor cannot be read; UsageError for options that do not go together, and for the ending of a
    file that ckptread does not write.

    >>> import ckptread, os, tempfile
    >>> target = os.path.join(tempfile.mkdtemp(), "kernel.npy")
    >>> ckptread.extract("fixtures/tf-object/ckpt-1", "sequential/dense/kernel", target)
    <extraction: 1 tensor written, 0 skipped>
    """
    if raw and dtype is not None:
        raise UsageError("--raw keeps the bits and --dtype converts the values: give one of them")
    path = None if output is None else os.fspath(output)
    with opened(checkpoint, backend) as reader:
        wanted = [names] if isinstance(names, str) else list(names)
        tensors = _matching(reader, wanted)
        target = Target.of(
            path, reader, tensors, sliced=slice is not None, several=len(tensors) > 1 or _is_pattern(reader, wanted)
        )
        meter = Meter(progress, sum(tensor.nbytes for tensor in tensors))
        part = () if slice is None else slice
        how = Writing(selection=part, dtype=dtype, raw=raw, force=force, meter=meter)
        done = []
        for result in _write(reader, tensors, target, how):
            done.append(result)
            if each is not None:
                each(result)
    return Extraction(tuple(done))


def _matching(reader: Reader, names: Sequence[str]) -> list[TensorInfo]:
    """Return the tensors that match; object graphs and iterators that only a glob matches are left out.

    The name of one tensor is that one, even if it is also a path to others.
    """
    if len(names) == 1 and not is_glob(names[0]):
        try:
            return [reader[names[0]].info]
        except TensorNotFoundError:
            pass
    matching = match_tensors(reader.path, reader.tensors, names)
    wanted = {info.key for info in without_bookkeeping(reader, matching, names)}
    return [info for info in matching if info.key in wanted or info.dtype not in NOT_NUMBERS] or matching


def _is_pattern(reader: Reader, names: Sequence[str]) -> bool:
    """Whether these can match several tensors: a glob that is not itself a tensor's name, as one with brackets is."""
    known = {name for info in reader.tensors.values() for name in (info.key, info.name)}
    return any(is_glob(name) and name not in known for name in names)


def _write(reader: Reader, tensors: Sequence[TensorInfo], target: Target, how: Writing) -> Iterator[Result]:
    if target.kind == "folder":
        yield from to_folder(reader, tensors, target.path, how, target.format)
    elif not target.format.lone:
        yield from to_archive(reader, tensors, target.path, how, target.format)
    elif target.kind == "file":
        yield to_file(reader[tensors[0].key], target.path, how, target.format)
    else:
        import sys

        yield to_stream(reader[tensors[0].key], sys.stdout.buffer, how, target.format)
