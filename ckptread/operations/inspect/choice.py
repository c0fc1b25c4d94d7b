"""Which tensors a listing has, in which order, and which of them the table shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ckptread.operations.inspect.conditions import STATISTICS, Condition, meets_all
from ckptread.operations.inspect.contents import first_names, own_tensors
from ckptread.operations.inspect.order import Sort, sort_tensors
from ckptread.operations.selection import select_tensors
from ckptread.reader import Reader
from ckptread.tensors import TensorInfo

if TYPE_CHECKING:
    from ckptread.operations.each_tensor import TensorResult
    from ckptread.storage.progress import Progress
    from ckptread.values.running_statistics import Statistics

    Results = Mapping[str, TensorResult[Statistics]]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which tensors were asked for."""

    patterns: Sequence[str] = ()
    exclude: Sequence[str] = ()
    role: str | None = None
    trainable: bool | None = None
    where: Sequence[Condition] = ()
    sort: Sort = "stored"
    limit: int | None = None

    @property
    def needs_values(self) -> bool:
        """Whether a condition or the order is about statistics."""
        return self.sort in STATISTICS or any(condition.needs_values for condition in self.where)

    @property
    def everything(self) -> bool:
        """Whether no tensors were asked for in particular: then the table shows the model's own."""
        return not self.patterns and not self.where and self.role is None and self.trainable is None


class Choice(msgspec.Struct, frozen=True):
    """The tensors that were found, in order, and those of them that the table shows."""

    tensors: list[TensorInfo]
    rows: list[TensorInfo]
    notes: tuple[str, ...]
    statistics: Results


def choose_tensors(reader: Reader, wanted: Wanted, progress: Progress | None = None) -> Choice:
    """Return the tensors that were asked for. Values are read only where a condition or the order needs them."""
    chosen, notes = select_tensors(reader, wanted.patterns, wanted.exclude, wanted.role, wanted.trainable)
    stored = [condition for condition in wanted.where if not condition.needs_values]
    chosen = [tensor for tensor in chosen if meets_all(stored, tensor)] if stored else chosen
    statistics = statistics_of(reader, chosen, progress) if wanted.needs_values else {}
    read = [condition for condition in wanted.where if condition.needs_values]
    if read:
        chosen = [tensor for tensor in chosen if meets_all(read, tensor, statistics[tensor.key].value)]
    tensors = sort_tensors(chosen, wanted.sort, statistics)
    return Choice(tensors, _rows(tensors, wanted), notes, statistics)


def _rows(tensors: list[TensorInfo], wanted: Wanted) -> list[TensorInfo]:
    if wanted.everything:
        return own_tensors(tensors)
    return tensors if wanted.role == "all" else first_names(tensors)


def statistics_of(reader: Reader, tensors: Sequence[TensorInfo], progress: Progress | None) -> Results:
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


def _result_of(tensor: TensorInfo, by_key: Mapping[str, TensorInfo], read: Results) -> TensorResult[Statistics]:
    """Return the result of a tensor, or that of the one it repeats."""
    first = tensor
    while first.key not in read:
        first = by_key[first.repeats or ""]
    found = read[first.key]
    return found if first is tensor else msgspec.structs.replace(found, tensor=tensor)
