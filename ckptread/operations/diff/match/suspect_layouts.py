"""Square kernels whose axes lie otherwise than those of their siblings: transposed once too often, or not at all.

Siblings are pairs whose names end alike (``kernel`` here, ``weight`` there) and that have as many axes. What tells a
framework's layout are the kernels that fit in one way only; where none does, the way that most of them lie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

import msgspec

from ckptread.operations.diff.match.by_content import ContentMatch, known_shape
from ckptread.operations.diff.match.in_order import last_name
from ckptread.operations.diff.match.layouts import Arrangement, arrangements

AgreesUnder = Callable[[ContentMatch, Arrangement], bool]
Way = tuple[int, ...]

MOST_KINDS = 64
"""Of more kinds of siblings, nothing is concluded: real models have a handful."""


class MarkedMatch(msgspec.Struct, frozen=True):
    """A match, and the layout of its siblings where its own is another."""

    match: ContentMatch
    expected: Arrangement | None = None
    siblings: int = 0
    """How many siblings have the expected layout."""


class _Kind(msgspec.Struct, frozen=True):
    """What a match says of the layout: how its axes lie, of the ways in which they could."""

    taken: Way
    possible: frozenset[Way]


def mark_suspects(matches: Sequence[ContentMatch], agree: AgreesUnder) -> list[MarkedMatch]:
    """Return every match, those that lie otherwise than their siblings marked.

    Where the values also agree in the siblings' way (a symmetric kernel, all zeros), that way is taken instead.
    """
    views = (_LongAxes(), _AllAxes())
    families = [_families(matches, view) for view in views]
    return [_mark(match, list(zip(views, families, strict=True)), agree) for match in matches]


def _mark(
    match: ContentMatch, families: list[tuple[_LongAxes, dict[Hashable, Counter[_Kind]]]], agree: AgreesUnder
) -> MarkedMatch:
    for view, family in families:
        ways = view.ways(match)
        own = view.kind(match, ways)
        siblings = Counter(family.get(view.family(match), {}))
        if own is not None and view.tells(match):
            siblings[own] -= 1
        if own is None or not +siblings or len(siblings) > MOST_KINDS:
            continue
        expected, count = _expected(own, +siblings)
        if expected == own.taken:
            return MarkedMatch(match)
        if agree(match, ways[expected]):
            return MarkedMatch(msgspec.structs.replace(match, arrangement=ways[expected]))
        return MarkedMatch(match, ways[expected], count)
    return MarkedMatch(match)


def _expected(own: _Kind, siblings: Counter[_Kind]) -> tuple[Way, int]:
    """Return the way that siblings say this match should lie, and how many say so; its own where they do not."""
    counted: Counter[Way] = Counter()
    for kind, count in siblings.items():
        if kind.taken in own.possible:
            counted[kind.taken] += count
    sure = {kind.taken for kind in siblings if kind.taken in own.possible and own.taken not in kind.possible}
    if len(sure) == 1:
        (only,) = sure
        return only, counted[only]
    counted[own.taken] += 1
    return max(counted.items(), key=lambda item: (item[1], item[0] == own.taken))


class _LongAxes:
    """Siblings have as many axes that are not 1: a Dense kernel, and that of a convolution of one pixel."""

    def family(self, match: ContentMatch) -> Hashable:
        """What siblings have in common."""
        return (*_names(match), *(sum(dim != 1 for dim in known_shape(info)) for info in (match.a, match.b)))

    def way(self, _match: ContentMatch, arrangement: Arrangement) -> Way | None:
        """How the axes lie under this arrangement; None where that does not count."""
        return arrangement.order if len(arrangement.order) > 1 else None

    def tells(self, match: ContentMatch) -> bool:
        """Whether its siblings learn from this match: not where its values agree in any way."""
        return not match.constant

    def ways(self, match: ContentMatch) -> dict[Way, Arrangement]:
        """Every way that the shapes allow."""
        found: dict[Way, Arrangement] = {}
        for each in arrangements(known_shape(match.a), known_shape(match.b)):
            way = self.way(match, each)
            if way is not None:
                found.setdefault(way, each)
        return found

    def kind(self, match: ContentMatch, ways: Iterable[Way]) -> _Kind | None:
        """What this match says; None where it says nothing."""
        taken = self.way(match, match.arrangement)
        return None if taken is None else _Kind(taken, frozenset(ways))


class _AllAxes(_LongAxes):
    """Siblings have as many axes: a convolution of one pixel, and larger ones."""

    def family(self, match: ContentMatch) -> Hashable:
        return (*_names(match), len(known_shape(match.a)), len(known_shape(match.b)))

    def way(self, match: ContentMatch, arrangement: Arrangement) -> Way | None:
        complete = arrangement.shape == known_shape(match.a) and arrangement.turned == known_shape(match.b)
        return arrangement.axes if complete else None

    def tells(self, match: ContentMatch) -> bool:
        return not match.constant and 1 not in known_shape(match.a)


def _families(matches: Sequence[ContentMatch], view: _LongAxes) -> dict[Hashable, Counter[_Kind]]:
    families: dict[Hashable, Counter[_Kind]] = {}
    for match in matches:
        kind = view.kind(match, view.ways(match)) if view.tells(match) else None
        if kind is not None:
            families.setdefault(view.family(match), Counter())[kind] += 1
    return families


def _names(match: ContentMatch) -> tuple[str, str]:
    return last_name(match.a), last_name(match.b)
