"""A listing of a checkpoint's tensors, as data. No value is read, except for statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import msgspec

from ckptread.model import ModelFacts
from ckptread.operations.assets import Asset, list_assets_of
from ckptread.operations.inspect.choice import Choice, Wanted, choose_tensors, statistics_of
from ckptread.operations.inspect.conditions import parse_conditions
from ckptread.operations.inspect.contents import Part, parts_by_role
from ckptread.operations.inspect.order import Sort
from ckptread.operations.inspect.scalars import Scalar, read_scalars
from ckptread.operations.inspect.totals import Totals, total
from ckptread.operations.opening import Checkpoint, as_texts, opened
from ckptread.operations.selection import trainable_flag
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


class ListingView(msgspec.Struct, frozen=True, kw_only=True):
    """How a listing is shown."""

    tree: bool = False
    depth: int | None = None
    layers: bool = False
    model: bool = False
    names: Names = "variable"
    group: tuple[str, ...] = ()
    collapse: bool = False
    mark: str = "/"
    """What separates the components of the checkpoint's names."""
    aliases: bool = False
    """Whether aliases and copies have rows of their own."""


class Listing(Reportable, msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
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
    """The totals of all tensors that were asked for, whatever ``limit``."""
    count: int
    """How many tensors the checkpoint has."""
    rows: tuple[TensorInfo, ...] = ()
    """Those that the table shows: the model's own, each once, unless others were asked for."""
    row_count: int = 0
    """How many rows there are without ``limit``."""
    matched: tuple[TensorInfo, ...] = ()
    """All that were asked for, without ``limit``."""
    checkpoint: Mapping[str, TensorInfo] = {}
    """All tensors of the checkpoint, by key."""
    values: Mapping[str, Scalar] = {}
    """The values of scalars of the optimizer, of metrics and of bookkeeping, by key: at most 64, of local files."""
    statistics: Mapping[str, TensorResult[Statistics]] | None = None
    """With ``stats``: of each tensor, by key. None without."""
    summary: ModelSummary | None = None
    """With ``layers``: the layers of the model, and its totals. None without."""
    model: ModelFacts | None = None
    """What the file's config says of the model. None if the file has none."""
    assets: tuple[Asset, ...] = ()
    """The files that the model needs besides its tensors, unless a choice of tensors was asked for."""
    notes: tuple[str, ...] = ()
    """Sentences on what was asked for and the file does not record."""
    view: ListingView = ListingView()

    @cached_property
    def parts(self) -> list[Part]:
        """The totals of all tensors that were asked for, by role."""
        return parts_by_role(self.checkpoint, self.matched)

    @cached_property
    def contents(self) -> list[Part]:
        """The totals of the complete checkpoint, by role."""
        if len(self.matched) == self.count:
            return self.parts
        return parts_by_role(self.checkpoint, self.checkpoint.values())

    @property
    def complete(self) -> bool:
        """Whether every tensor could be read that had to be read for its statistics."""
        return all(result.value is not None for result in (self.statistics or {}).values())

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, or 2 where a tensor could not be read for its statistics."""
        return 0 if self.complete else 2

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
    where: Sequence[str] = (),
    sort: Sort = "stored",
    limit: int | None = None,
    group: str | Sequence[str] = (),
    collapse: bool = False,
    backend: str = "auto",
    progress: Progress | None = None,
) -> Listing:
    """Return the listing that ``ckptread inspect`` shows.

    ``checkpoint`` is a path or an open reader. The tensors are those that match any of ``patterns`` (names, paths or
    globs; all, if there are none) and none of ``exclude``, of this ``role``, and with ``trainable`` or ``frozen``,
    as far as the file records it, that meet every condition of ``where``, such as ``"size>1M"``; of these, in the order
    of ``sort``, the first ``limit``. ``stats`` reads all their values, and calls ``progress(done, total)`` with bytes
    as it does; so do conditions and orders that are about values. ``tree``, ``depth``, ``group``,
    ``collapse``, ``layers``, ``model`` and ``names`` are the views of the command line.

    Raises CheckpointError, TensorNotFoundError for a pattern that matches nothing, UsageError for both flags and for a
    condition that is none.

    >>> import ckptread
    >>> listing = ckptread.inspect("fixtures/tf-object/ckpt-1", ["sequential/dense"])
    >>> [(tensor.name, tensor.shape, tensor.dtype) for tensor in listing]
    [('sequential/dense/kernel', (4, 2), 'float32'), ('sequential/dense/bias', (2,), 'float32')]
    >>> listing.totals.parameters
    10
    """
    wanted = Wanted(
        patterns=patterns, exclude=exclude, role=role, trainable=trainable_flag(trainable, frozen),
        where=parse_conditions(where), sort=sort, limit=limit,
    )  # fmt: skip
    view = ListingView(
        tree=tree, depth=depth, layers=layers, model=model, names=names, group=as_texts(group), collapse=collapse,
        aliases=role == "all",
    )  # fmt: skip
    with opened(checkpoint, backend, warn=False) as reader:
        choice = choose_tensors(reader, wanted, progress)
        view = msgspec.structs.replace(view, mark=separator(reader.tensors.values()))
        found = _listing(reader, choice, wanted, view)
        return msgspec.structs.replace(
            found,
            statistics=_statistics(reader, found, choice, progress) if stats or wanted.needs_values else None,
            summary=_summary(reader, choice.tensors, depth) if layers else None,
        )


def _listing(reader: Reader, choice: Choice, wanted: Wanted, view: ListingView) -> Listing:
    """Return a listing, as far as the index has it."""
    tensors = choice.tensors
    return Listing(
        path=reader.path, format=reader.format, backend=reader.backend, metadata=reader.metadata,
        problems=tuple(reader.problems), tensors=tuple(tensors[: wanted.limit]), totals=total(tensors),
        count=len(reader.tensors), rows=tuple(choice.rows[: wanted.limit]), row_count=len(choice.rows),
        matched=tuple(tensors), checkpoint=reader.tensors, values=read_scalars(reader, tensors),
        model=reader.model, notes=choice.notes, view=view,
        assets=list_assets_of(reader, wanted.exclude) if wanted.everything else (),
    )  # fmt: skip


def _statistics(
    reader: Reader, found: Listing, choice: Choice, progress: Progress | None
) -> Mapping[str, TensorResult[Statistics]]:
    """Return the statistics of the tensors that are listed: those that are known, or else they are read now."""
    listed = {tensor.key: tensor for tensor in (*found.tensors, *found.rows)}
    if choice.statistics:
        return {key: choice.statistics[key] for key in listed}
    return statistics_of(reader, list(listed.values()), progress)


def _summary(reader: Reader, tensors: Sequence[TensorInfo], depth: int | None) -> ModelSummary:
    from ckptread.operations.inspect.layers import summarize

    return summarize(reader, tensors=tensors if len(tensors) < len(reader.tensors) else None, depth=depth or 1)
