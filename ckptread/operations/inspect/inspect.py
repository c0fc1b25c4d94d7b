"""A listing of a checkpoint's tensors, as data. No value is read, except for statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.model import ModelFacts
from ckptread.operations.assets import Asset, list_assets_of
from ckptread.operations.inspect.totals import Totals, total
from ckptread.operations.opening import Checkpoint, opened
from ckptread.operations.selection import select_tensors, trainable_flag
from ckptread.reports.report import Report, Reportable
from ckptread.tensors import Finding, TensorInfo, separator
from ckptread.wording import plural, quoted

if TYPE_CHECKING:
    from ckptread.operations.each_tensor import TensorResult
    from ckptread.operations.inspect.layers import ModelSummary
    from ckptread.reader import Reader
    from ckptread.storage.progress import Progress
    from ckptread.values.running_statistics import Statistics

Names = Literal["variable", "key", "both"]
Sort = Literal["stored", "name", "size"]


class ListingView(msgspec.Struct, frozen=True, kw_only=True):
    """How a listing is shown."""

    tree: bool = False
    depth: int | None = None
    layers: bool = False
    model: bool = False
    names: Names = "variable"
    mark: str = "/"
    """What separates the components of the checkpoint's names."""


class Listing(Reportable, msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The tensors of a checkpoint, or those that were asked for. It is iterable, and has a length."""

    path: str
    format: str
    backend: str
    metadata: Mapping[str, str]
    """What the file says of itself: text by name."""
    problems: tuple[Finding, ...]
    """What is wrong with the file as a whole."""
    tensors: tuple[TensorInfo, ...]
    totals: Totals
    """The totals of these tensors."""
    count: int
    """How many tensors the checkpoint has."""
    statistics: Mapping[str, TensorResult[Statistics]] | None = None
    """With ``stats``: of each tensor, by key. None without."""
    summary: ModelSummary | None = None
    """With ``layers``: the layers of the model, and its totals. None without."""
    model: ModelFacts | None = None
    """With ``model``: what the file's config says of the model. None without, and if the file has no config."""
    assets: tuple[Asset, ...] = ()
    """The files that the model needs besides its tensors, unless a choice of tensors was asked for."""
    notes: tuple[str, ...] = ()
    """Sentences on what was asked for and the file does not record."""
    view: ListingView = ListingView()

    @property
    def complete(self) -> bool:
        """Whether every tensor could be read that had to be read for its statistics."""
        return all(result.value is not None for result in (self.statistics or {}).values())

    def report(self) -> Report:
        """Return what ``ckptread inspect`` prints."""
        from ckptread.operations.inspect.report import listing_report

        return listing_report(self)

    def __iter__(self) -> Iterator[TensorInfo]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __repr__(self) -> str:
        parameters = plural(self.totals.parameters, "parameter")
        return f"<listing of {quoted(self.path)}: {plural(len(self.tensors), 'tensor')}, {parameters}>"


def inspect(
    checkpoint: Checkpoint,
    patterns: Sequence[str] = (),
    *,
    exclude: Sequence[str] = (),
    tree: bool = False,
    depth: int | None = None,
    layers: bool = False,
    model: bool = False,
    stats: bool = False,
    names: Names = "variable",
    role: str | None = None,
    trainable: bool = False,
    frozen: bool = False,
    sort: Sort = "stored",
    backend: str = "auto",
    progress: Progress | None = None,
) -> Listing:
    """Return the listing that ``ckptread inspect`` shows.

    ``checkpoint`` is a path or an open reader. The tensors are those that match any of ``patterns`` (names, paths or
    globs; all, if there are none) and none of ``exclude``, of this ``role``, and with ``trainable`` or ``frozen``,
    as far as the file records it. ``stats`` reads all their values, and calls ``progress(done, total)`` with bytes as
    it does. ``tree``, ``depth``, ``layers``, ``model`` and ``names`` are the views of the command line.

    Raises CheckpointError, TensorNotFoundError for a pattern that matches nothing, UsageError for both flags.

    >>> import ckptread
    >>> listing = ckptread.inspect("fixtures/tf-object/ckpt-1", ["sequential/dense"])
    >>> [(tensor.name, tensor.shape, tensor.dtype) for tensor in listing]
    [('sequential/dense/kernel', (4, 2), 'float32'), ('sequential/dense/bias', (2,), 'float32')]
    >>> listing.totals.parameters
    10
    """
    flag = trainable_flag(trainable, frozen)
    with opened(checkpoint, backend, warn=False) as reader:
        mark = separator(reader.tensors.values())
        view = ListingView(tree=tree, depth=depth, layers=layers, model=model, names=names, mark=mark)
        chosen, notes = select_tensors(reader, patterns, exclude, role, flag)
        tensors = tuple(_sorted(chosen, sort))
        return Listing(
            path=reader.path, format=reader.format, backend=reader.backend, metadata=reader.metadata,
            problems=tuple(reader.problems), tensors=tensors, totals=total(tensors), count=len(reader.tensors),
            statistics=_statistics_of(reader, tensors, progress) if stats else None,
            summary=_summary(reader, tensors, depth) if layers else None,
            model=reader.model if model else None, notes=notes, view=view,
            assets=() if patterns or role or flag is not None else list_assets_of(reader, exclude),
        )  # fmt: skip


_ORDERS: dict[str, Callable[[TensorInfo], Any]] = {"size": lambda tensor: -tensor.nbytes, "name": lambda t: t.name}


def _sorted(tensors: list[TensorInfo], sort: Sort) -> list[TensorInfo]:
    """Return the tensors in this order; by size, the largest first."""
    return sorted(tensors, key=_ORDERS[sort]) if sort in _ORDERS else tensors


def _summary(reader: Reader, tensors: Sequence[TensorInfo], depth: int | None) -> ModelSummary:
    from ckptread.operations.inspect.layers import summarize

    return summarize(reader, tensors=tensors if len(tensors) < len(reader.tensors) else None, depth=depth or 1)


def _statistics_of(
    reader: Reader, tensors: Sequence[TensorInfo], progress: Progress | None
) -> dict[str, TensorResult[Statistics]]:
    """Read every tensor once; an alias, or a copy that is the same, has the statistics of its original."""
    from ckptread.operations.copies import tensors_to_judge
    from ckptread.operations.each_tensor import for_each_tensor
    from ckptread.storage.progress import Meter
    from ckptread.values.statistics import statistics

    own = tensors_to_judge(reader, tensors)
    meter = Meter(progress, sum(tensor.nbytes for tensor in own))
    read = {result.tensor.key: result for result in for_each_tensor(reader, own, statistics, meter=meter)}
    by_key = {tensor.key: tensor for tensor in tensors}
    return {tensor.key: _result_of(tensor, by_key, read) for tensor in tensors}


def _result_of(
    tensor: TensorInfo, by_key: Mapping[str, TensorInfo], read: Mapping[str, TensorResult[Statistics]]
) -> TensorResult[Statistics]:
    """Return the result of a tensor, or that of the one it repeats."""
    first = tensor
    while first.key not in read:
        first = by_key[first.repeats or ""]
    found = read[first.key]
    return found if first is tensor else msgspec.structs.replace(found, tensor=tensor)
