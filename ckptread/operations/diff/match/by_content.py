"""Match the tensors of two checkpoints by their values, whatever their names.

One pass over each side computes fingerprints, which only propose pairs; each pair is then compared element by element.
The steps, each for the tensors that are still unmatched: the same values in the same order (of the same dtype and
shape; of another dtype, after exact widening; of another shape); then the same values under a permutation of axes.
Tensors with equal values are paired in order. Values in any other order (gates of a recurrent cell, rows after a
Flatten) are not matched: such tensors stay unpaired, and the reason is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ckptread.errors import CheckpointError
from ckptread.operations.diff.match.compare_layouts import WHOLE_BYTES, Agreement, find_agreement, rearranged
from ckptread.operations.diff.match.fingerprint import Fingerprint, fingerprint, ordered_fingerprint
from ckptread.operations.diff.match.in_order import compatible, pair_in_order
from ckptread.operations.diff.match.layouts import Arrangement, arrangements
from ckptread.operations.each_tensor import for_each_tensor
from ckptread.reader import Reader, Tensor
from ckptread.storage.progress import SILENT, Meter
from ckptread.tensors import TensorInfo
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.values.comparison import compare_values
from ckptread.values.difference import Tolerance
from ckptread.values.numbers import is_numeric

MOST_ATTEMPTS = 100_000
"""Arrangements that are tried in all: 20,000 tensors of five possible ones each. What is left then stays alone."""
FEW = 8
"""Fewer values than this may be the same by chance."""
MOST_LARGE = 64
"""Large tensors that are compared in one group: each attempt reads from the file."""


class ContentMatch(msgspec.Struct, frozen=True, kw_only=True):
    """Two tensors that hold the same values."""

    a: TensorInfo
    b: TensorInfo
    arrangement: Arrangement
    agreement: Agreement
    copies: int
    """How many tensors, on the side that has more, hold exactly these values in this order."""
    constant: bool
    """Whether all values are one and the same."""

    @property
    def chance(self) -> bool:
        """Whether two tensors may well hold these values by chance: few, or one and the same throughout."""
        return self.constant or self.a.size < FEW


class Side(msgspec.Struct, frozen=True):
    """The tensors of one checkpoint that are to be paired, and what a pass over them found."""

    reader: Reader
    tensors: Sequence[TensorInfo]
    prints: dict[str, Fingerprint] = msgspec.field(default_factory=dict)
    problems: dict[str, str] = msgspec.field(default_factory=dict)
    """By key, why a tensor could not be read."""

    def tensor(self, info: TensorInfo) -> Tensor:
        """Return the tensor to read."""
        return Tensor(self.reader, info)


def take_fingerprints(side: Side, sizes: Iterable[int], meter: Meter = SILENT) -> Side:
    """Take the fingerprints of the tensors that have one of these numbers of elements: no other can be matched."""
    wanted = set(sizes)
    tensors = [info for info in side.tensors if info.size in wanted and comparable(info)]
    results = {
        each.tensor.key: each.value for each in for_each_tensor(side.reader, tensors, _try_fingerprint, meter=meter)
    }
    found = {key: value for key, value in results.items() if isinstance(value, Fingerprint)}
    problems = {key: value for key, value in results.items() if isinstance(value, str)}
    return msgspec.structs.replace(side, prints=found, problems=problems)


def _try_fingerprint(tensor: Tensor) -> Fingerprint | str:
    try:
        return fingerprint(tensor)
    except CheckpointError as error:
        return str(error)


def comparable(info: TensorInfo) -> bool:
    """Whether this is a tensor of its own that can be read."""
    return info.problem is None and info.shape is not None and info.repeats is None


def match_values(a: Side, b: Side) -> list[ContentMatch]:
    """Return the pairs that hold the same values, each confirmed element by element.

    An unreadable tensor is in no pair.
    """
    attempts = _Attempts()
    groups_a, groups_b = _groups(a), _groups(b)
    return [
        match
        for key, members in groups_a.items()
        if key in groups_b
        for match in _Group(a, b, attempts).pairs(members, groups_b[key])
    ]


def _groups(side: Side) -> dict[tuple[object, ...], list[TensorInfo]]:
    """The tensors that hold the same values in some order, by what they have in common."""
    groups: dict[tuple[object, ...], list[TensorInfo]] = {}
    for info in side.tensors:
        if info.key in side.prints:
            number = is_numeric(numpy_dtype(info.dtype))
            groups.setdefault((info.size, number, side.prints[info.key].values), []).append(info)
    return groups


class _Attempts:
    """How many arrangements have been tried: hostile files may allow more than anyone can wait for."""

    def __init__(self) -> None:
        self.left = MOST_ATTEMPTS

    def spend(self) -> bool:
        self.left -= 1
        return self.left >= 0


class _Group:
    """Tensors of both sides that hold the same values in some order."""

    def __init__(self, a: Side, b: Side, attempts: _Attempts) -> None:
        self._a, self._b = a, b
        self._attempts = attempts
        self._copies: Counter[tuple[str, int]] = Counter()

    def pairs(self, ones: list[TensorInfo], others: list[TensorInfo]) -> Iterator[ContentMatch]:
        """Yield the pairs, the surest first."""
        self._copies.update(("a", self._a.prints[t.key].ordered) for t in ones)
        self._copies.update(("b", self._b.prints[t.key].ordered) for t in others)
        for exactly in (_dtype_and_shape, _shape_alone, _order_alone):
            found = [m for m in self._in_order(ones, others, exactly) if m is not None]
            yield from found
            ones, others = _without(ones, {m.a.key for m in found}), _without(others, {m.b.key for m in found})
        if ones and others:
            yield from self._permuted(ones, others)

    def _in_order(
        self, ones: list[TensorInfo], others: list[TensorInfo], exactly: Callable[[Side, TensorInfo], object]
    ) -> Iterator[ContentMatch | None]:
        """Pair what holds the same values in the same order, and is alike in what ``exactly`` returns."""
        for one, other in pair_in_order(
            ones,
            others,
            lambda t: (self._a.prints[t.key].ordered, exactly(self._a, t)),
            lambda t: (self._b.prints[t.key].ordered, exactly(self._b, t)),
        ):
            unmoved = [each for each in arrangements(known_shape(one), known_shape(other)) if not each.permutes]
            yield self._confirm(one, other, unmoved[0]) if unmoved else None

    def _confirm(self, one: TensorInfo, other: TensorInfo, arrangement: Arrangement) -> ContentMatch | None:
        try:
            agreement = _agreement(self._a.tensor(one), self._b.tensor(other), arrangement)
        except CheckpointError as error:
            self._a.problems[one.key] = str(error)
            return None
        if agreement is None:
            return None
        a, b = self._a.prints[one.key], self._b.prints[other.key]
        copies = max(self._copies["a", a.ordered], self._copies["b", b.ordered])
        return ContentMatch(
            a=one, b=other, arrangement=arrangement, agreement=agreement, copies=copies, constant=a.constant
        )

    def _permuted(self, ones: list[TensorInfo], others: list[TensorInfo]) -> Iterator[ContentMatch]:
        """Pair what holds the same values under a permutation of axes."""
        waiting = _Waiting(self._b, others)
        large = 0
        for one in ones:
            large += one.nbytes > WHOLE_BYTES
            if large > MOST_LARGE:
                continue
            for other, arrangement in self._proposals(one, waiting):
                match = self._confirm(one, other, arrangement)
                if match is not None:
                    waiting.take(other)
                    yield match
                    break

    def _proposals(self, one: TensorInfo, waiting: _Waiting) -> Iterator[tuple[TensorInfo, Arrangement]]:
        """Yield what may be the same: by its ordered fingerprint, or, for a large tensor, by its shape."""
        small = one.nbytes <= WHOLE_BYTES
        values = None
        for shape in waiting.shapes():
            for arrangement in arrangements(known_shape(one), shape):
                if not self._attempts.spend():
                    return
                if small:
                    values = self._a.tensor(one).read() if values is None else values
                    found = waiting.holding(shape, ordered_fingerprint(rearranged(values, arrangement)))
                else:
                    found = waiting.of_shape(shape)[:MOST_LARGE]
                yield from ((other, arrangement) for other in found if compatible(one, other))


def _agreement(a: Tensor, b: Tensor, arrangement: Arrangement) -> Agreement | None:
    """Whether B holds A's values under this arrangement; in the same order, they are usually the same bytes."""
    if not arrangement.permutes and a.info.dtype == b.info.dtype and a.stored is not None and b.stored is not None:
        differs = compare_values(a, b, Tolerance())
        if differs is None:
            return "bits"
    return find_agreement(a, b, arrangement)


class _Waiting:
    """The tensors of B that are not paired yet."""

    def __init__(self, side: Side, tensors: list[TensorInfo]) -> None:
        self._side = side
        self._by_shape: dict[tuple[int, ...], dict[int, list[TensorInfo]]] = {}
        for info in tensors:
            self._by_shape.setdefault(known_shape(info), {}).setdefault(side.prints[info.key].ordered, []).append(info)

    def shapes(self) -> list[tuple[int, ...]]:
        return list(self._by_shape)

    def holding(self, shape: tuple[int, ...], order: int) -> list[TensorInfo]:
        return self._by_shape[shape].get(order, [])[:MOST_LARGE]

    def of_shape(self, shape: tuple[int, ...]) -> list[TensorInfo]:
        return [info for infos in self._by_shape[shape].values() for info in infos]

    def take(self, info: TensorInfo) -> None:
        self._by_shape[known_shape(info)][self._side.prints[info.key].ordered].remove(info)


def known_shape(info: TensorInfo) -> tuple[int, ...]:
    """Return the shape of a tensor that has one."""
    return info.shape or ()


def _dtype_and_shape(_side: Side, info: TensorInfo) -> object:
    return info.dtype, info.shape


def _shape_alone(side: Side, info: TensorInfo) -> object:
    return info.shape, _kind(side, info)


def _order_alone(side: Side, info: TensorInfo) -> object:
    return _kind(side, info)


def _kind(side: Side, info: TensorInfo) -> object:
    """Do not match tiny or constant tensors across int and float dtypes: 0 is not 0.0."""
    if not side.prints[info.key].constant and info.size >= FEW:
        return None
    return numpy_dtype(info.dtype).kind in "biu"


def _without(infos: list[TensorInfo], keys: set[str]) -> list[TensorInfo]:
    return [info for info in infos if info.key not in keys]
