"""The weights of a model at each step: norms, changes since the step before, and NaN.

Two checkpoints are open at a time, and a block of each tensor is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.errors import CheckpointError, TensorNotFoundError
from ckptread.operations.copies import copy_notes, tensors_to_judge
from ckptread.operations.diff.match.by_name import align
from ckptread.operations.each_tensor import TensorResult, for_each_tensor
from ckptread.operations.history.steps import Step
from ckptread.operations.opening import opened
from ckptread.reader import BLOCK_BYTES, Reader, Tensor
from ckptread.select import filter_tensors, match_tensors
from ckptread.tensors import TensorInfo
from ckptread.values.difference import relative
from ckptread.values.numbers import is_numeric
from ckptread.values.running_statistics import Statistics
from ckptread.values.statistics import pieces, statistics
from ckptread.values.widening import PIECE, as_float, exact_float, product_sum

if TYPE_CHECKING:
    from ckptread.tensors import Array

By = Literal["layer", "tensor", "all"]
ALL = "(all)"
"""The one group, where everything is taken together."""


class Followed(msgspec.Struct, frozen=True):
    """Which tensors are followed, and which of them together."""

    role: str = "model"
    """'all' takes tensors of every role, and so does 'model' where the file records no roles."""
    by: By = "layer"
    patterns: tuple[str, ...] = ()
    """A group for each of these in place of ``by``."""
    exclude: tuple[str, ...] = ()


class GroupStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors that are followed together, at one step."""

    name: str
    tensors: int
    parameters: int
    l2: float | None
    """L2 norm of all finite values; None where there are none."""
    distance: float | None
    """L2 norm of the difference to the step before, over what is finite in both; None where nothing is comparable."""
    change: float | None
    """``distance`` by the L2 norm of the step before; infinite where that is zero and this is not."""
    nans: int | None
    """None where there is no number that could be one."""
    infs: int | None
    reshaped: int = 0
    """Tensors of another shape than at the step before: then there is no distance, and no change."""


class StepStatistics(msgspec.Struct, frozen=True):
    """One step of a run."""

    step: Step
    groups: tuple[GroupStatistics, ...] = ()
    problem: str = ""
    """Why the checkpoint could not be opened, or ""."""
    unreadable: tuple[TensorResult[Any], ...] = ()
    """The tensors that could not be read; the statistics are of the others."""
    unjudged: tuple[TensorInfo, ...] = ()
    """The tensors with values that cannot be judged: opaque bytes, references and dates."""
    notes: tuple[str, ...] = ()
    """What a user should know of the tensors."""

    @property
    def nans(self) -> int:
        """How many values are NaN."""
        return sum(group.nans or 0 for group in self.groups)


class _Read(msgspec.Struct, frozen=True):
    """The statistics of a tensor, and the distance from the step before."""

    statistics: Statistics
    distance: float | None


class _Before(msgspec.Struct):
    """The step before: the last one that could be opened."""

    reader: Reader
    tensors: Sequence[TensorInfo]
    norms: Mapping[str, float] = msgspec.field(default_factory=dict)
    """By key, of the tensors that could be read."""


def follow_steps(
    steps: Sequence[Step],
    followed: Followed | None = None,
    *,
    readers: Mapping[str, Reader] | None = None,
    backend: str = "auto",
) -> Iterator[StepStatistics]:
    """Yield the statistics of each step in order; a step that cannot be opened is a result with a problem.

    A step is compared with the last one before it that could be opened. Readers that are open already stay open.
    """
    with ExitStack() as stack:
        known, before = readers or {}, None
        for step in steps:
            try:
                reader = stack.enter_context(opened(known.get(step.path, step.path), backend))
            except CheckpointError as error:
                yield StepStatistics(step, problem=str(error))
                continue
            step_statistics, now = _measure_step(step, reader, before, followed or Followed())
            if before is not None and before.reader.path not in known:
                before.reader.close()
            before = now
            yield step_statistics


def _measure_step(
    step: Step, reader: Reader, before: _Before | None, followed: Followed
) -> tuple[StepStatistics, _Before]:
    groups = _groups(reader, followed)
    tensors = list({t.key: t for members in groups.values() for t in members}.values())
    paired = _pairs(before, tensors)
    earlier = {t.key: paired[t.key] for t in tensors if t.key in paired and paired[t.key].info.shape == t.shape}

    def read(tensor: Tensor) -> _Read:
        return _Read(statistics(tensor), _distance(earlier.get(tensor.info.key), tensor))

    found = {entry.tensor.key: entry for entry in for_each_tensor(reader, tensors, read)}
    norms = {key: entry.value.statistics.l2 or 0.0 for key, entry in found.items() if entry.value is not None}
    past = {} if before is None else {key: before.norms[t.info.key] for key, t in earlier.items()}
    step_statistics = [
        _without_change(_sum_up(name, [found[t.key] for t in members if t.key in found], past), members, paired)
        for name, members in groups.items()
    ]
    unreadable = tuple(entry for entry in found.values() if entry.value is None)
    unjudged = tuple(entry.tensor for entry in found.values() if entry.value and entry.value.statistics.unjudged)
    measured = StepStatistics(
        step, tuple(step_statistics), unreadable=unreadable, unjudged=unjudged, notes=tuple(copy_notes(tensors))
    )
    return measured, _Before(reader, tensors, norms)


def _groups(reader: Reader, followed: Followed) -> dict[str, list[TensorInfo]]:
    """Return the tensors that are followed, by group."""
    if followed.patterns:
        return {pattern: _kept(reader, [pattern], followed) for pattern in followed.patterns}
    groups: dict[str, list[TensorInfo]] = {}
    for tensor in _kept(reader, [], followed):
        groups.setdefault(_group(tensor, followed.by), []).append(tensor)
    return groups


def _kept(reader: Reader, patterns: Sequence[str], followed: Followed) -> list[TensorInfo]:
    """Return the tensors that a pattern matches in this step, which may be none."""
    try:
        matching = match_tensors(reader.path, reader.tensors, patterns, followed.exclude)
    except TensorNotFoundError:
        return []
    return tensors_to_judge(reader, filter_tensors(reader.tensors, matching, followed.role))


def _group(tensor: TensorInfo, by: By) -> str:
    if by == "all":
        return ALL
    if by == "tensor":
        return tensor.name
    return tensor.layer or tensor.place


def _pairs(before: _Before | None, tensors: Sequence[TensorInfo]) -> dict[str, Tensor]:
    """Return, by key, the tensor of the step before that each is now, of those that could be read."""
    if before is None:
        return {}
    found = {
        pair.b.key: Tensor(before.reader, pair.a)
        for pair in align(list(before.tensors), list(tensors))
        if pair.a is not None and pair.b is not None and pair.a.key in before.norms
    }
    originals = {t.key: t.copy_of for t in tensors if t.copy_of in found}  # a copy may not have differed before
    return {**{key: found[first] for key, first in originals.items() if first is not None}, **found}


def _distance(before: Tensor | None, now: Tensor) -> float | None:
    """Return ‖now - before‖ over the elements that are finite in both; None for what is not a number."""
    if before is None or not is_numeric(before.dtype) or not is_numeric(now.dtype):
        return None
    return math.sqrt(math.fsum(_squares(*pair) for pair in _side_by_side(before, now)))


def _side_by_side(before: Tensor, now: Tensor) -> Iterator[tuple[Array, Array]]:
    """Yield the same elements of two tensors of one shape."""
    if before.dtype.itemsize == now.dtype.itemsize and before.stored is not None and now.stored is not None:
        return zip(pieces(before), pieces(now), strict=True)
    elements = max(1, BLOCK_BYTES // max(before.dtype.itemsize, now.dtype.itemsize))
    sizes = [(side, elements * side.dtype.itemsize) for side in (before, now)]
    one, other = (side.blocks(nbytes, out=side.buffer(nbytes)) for side, nbytes in sizes)
    return zip(one, other, strict=True)


def _squares(before: Array, now: Array) -> float:
    """Return the sum of the squares of a difference, in pieces that stay in the processor's cache."""
    import numpy as np

    one, other = before.reshape(-1), now.reshape(-1)
    found = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for at in range(0, one.size, PIECE):
            difference = as_float(exact_float(other[at : at + PIECE]) - exact_float(one[at : at + PIECE]))
            square = product_sum(difference, difference)
            if not math.isfinite(square):
                difference = difference[np.isfinite(difference)]
                square = product_sum(difference, difference)
            found += square
    return found


def _sum_up(name: str, members: Sequence[TensorResult[_Read]], past: Mapping[str, float]) -> GroupStatistics:
    """Sum up the statistics of a group's tensors."""
    known = [(entry.tensor, entry.value) for entry in members if entry.value is not None]
    norms = [read.statistics.l2 for _, read in known if read.statistics.l2 is not None]
    moved = [(past[t.key], read.distance) for t, read in known if read.distance is not None]
    distance = math.hypot(*(far for _, far in moved)) if moved else None
    return GroupStatistics(
        name=name,
        tensors=len(members),
        parameters=sum(entry.tensor.size for entry in members),
        l2=math.hypot(*norms) if norms else None,
        distance=distance,
        change=None if distance is None else relative(distance, math.hypot(*(norm for norm, _ in moved))),
        nans=_sum_known(read.statistics.nans for _, read in known),
        infs=_sum_known(read.statistics.infs for _, read in known),
    )


def _sum_known(counts: Iterable[int | None]) -> int | None:
    """Return the sum of the counts that were made; None if there are none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _without_change(
    step_statistics: GroupStatistics, members: Sequence[TensorInfo], paired: Mapping[str, Tensor]
) -> GroupStatistics:
    """Drop the change of a group where a tensor was reshaped: the change of the others alone would be misleading."""
    reshaped = sum(t.key in paired and paired[t.key].info.shape != t.shape for t in members)
    return (
        msgspec.structs.replace(step_statistics, distance=None, change=None, reshaped=reshaped)
        if reshaped
        else step_statistics
    )
