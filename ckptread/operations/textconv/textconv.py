"""A checkpoint as stable text: nothing in it depends on where the file is, or when it was saved."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from ckptread.errors import CheckpointError
from ckptread.formats.locate import open_in
from ckptread.operations.assets import Asset, digest_assets
from ckptread.operations.copies import tensors_to_judge
from ckptread.operations.digest.digest import digest_tensor
from ckptread.operations.each_tensor import TensorResult, for_each_tensor
from ckptread.operations.inspect.totals import Totals, total
from ckptread.operations.opening import Checkpoint
from ckptread.reader import Reader, Tensor
from ckptread.reports.report import Report, Reportable
from ckptread.storage.addresses import kind_of
from ckptread.storage.local import UnnamedStorage
from ckptread.storage.progress import Meter, Progress
from ckptread.tensors import Finding
from ckptread.values.running_statistics import Statistics
from ckptread.values.statistics import statistics

STABLE = ("writer", "model_class", "model_name")
"""The metadata that do not change with every save."""


class TensorText(msgspec.Struct, frozen=True):
    """What the text of a tensor is made of."""

    sha256: str
    statistics: Statistics


class CheckpointText(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """What the text of a checkpoint is made of. ``str`` of it is the text."""

    format: str
    """"" if the file cannot be read."""
    problem: str = ""
    """Why the file cannot be read, or ""."""
    metadata: Mapping[str, str] = {}
    totals: Totals | None = None
    problems: tuple[Finding, ...] = ()
    tensors: tuple[TensorResult[TensorText], ...] = ()
    """An alias, or a copy that is the same as its original, has neither a value nor a problem."""
    assets: tuple[Asset, ...] = ()
    """The files that the model needs besides its tensors, with their digests."""

    def report(self) -> Report:
        """Return what ``ckptread textconv`` prints."""
        from ckptread.operations.textconv.report import TextReport

        return TextReport(self)

    def __str__(self) -> str:
        from ckptread.operations.textconv.report import text_lines

        return "\n".join(text_lines(self)) + "\n"


def textconv(checkpoint: Checkpoint, *, progress: Progress | None = None) -> CheckpointText:
    """Return a checkpoint as stable text, for ``git diff``: every tensor with its statistics and its digest.

    Assets have digests too. ``checkpoint`` is a path or an open reader. A file that cannot be read is text that says
    so: a failure would end the git command. ``progress(done, total)`` is called with bytes. Raises CheckpointError if
    there is no such file.

    >>> import ckptread
    >>> str(ckptread.textconv("fixtures/tf-object/ckpt-1.index")).splitlines()[:2]
    ['tf-bundle, TensorFlow', '17 tensors, 83 parameters']
    """
    if isinstance(checkpoint, Reader):
        return _text_of(checkpoint, progress)
    path = os.fsdecode(checkpoint)
    if not path:
        raise CheckpointError(path, "the path is empty", advice="give a file or a folder")
    folder, file = os.path.split(path)
    try:
        with open_in(UnnamedStorage(folder, file), file) as reader:
            return _text_of(reader, progress)
    except CheckpointError as error:
        if kind_of(path) != "file":
            raise CheckpointError(path, error.problem, advice=error.advice) from error
        return CheckpointText(format="", problem=error.problem + (f"; {error.advice}" if error.advice else ""))


def _text_of(reader: Reader, progress: Progress | None) -> CheckpointText:
    tensors = list(reader.tensors.values())
    own = tensors_to_judge(reader, tensors)
    meter = Meter(progress, sum(info.nbytes for info in own))
    read = {result.tensor.key: result for result in for_each_tensor(reader, own, _tensor_text, meter=meter)}
    return CheckpointText(
        format=reader.format,
        metadata={key: reader.metadata[key] for key in STABLE if key in reader.metadata},
        totals=total(tensors),
        problems=tuple(reader.problems),
        tensors=tuple(read.get(info.key) or TensorResult(info, None) for info in tensors),
        assets=digest_assets(reader, reader.assets, meter),
    )


def _tensor_text(tensor: Tensor) -> TensorText:
    return TensorText(digest_tensor(tensor), statistics(tensor))
