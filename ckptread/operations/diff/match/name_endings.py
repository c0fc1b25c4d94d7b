"""Names that end alike, paired by the longest ending that is one name's alone on both sides.

An ending is of whole components. Names are laid out by their components from the last to the first, and sorted: those
with one ending then lie side by side, and each ending that matters lies between two neighbours. So the work grows with
the text of the names, not with their number times their length: a name may have 30,000 components.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import msgspec

Named = tuple[str, Hashable]
"""A name, and what else has to be the same for a pair: the role."""


class _Names(msgspec.Struct):
    """The names of one side that share an ending and are in no pair."""

    count: int = 0
    one: int = -1
    """The number of one of them; which one, where it is the only one."""

    def add(self, other: _Names) -> None:
        self.one = other.one if other.count else self.one
        self.count += other.count


class _Ending(msgspec.Struct):
    """An ending of some characters, and the names of both sides that have it."""

    length: int
    a: _Names
    b: _Names

    def add(self, other: _Ending) -> None:
        self.a.add(other.a)
        self.b.add(other.b)


def pair_endings(a: Sequence[Named], b: Sequence[Named]) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions in A and in B, of the longest common endings first in each branch of names."""
    laid = sorted([(_reversed(name), 0, at) for at, (name, _) in enumerate(a)]
                  + [(_reversed(name), 1, at) for at, (name, _) in enumerate(b)])  # fmt: skip
    open_endings: list[_Ending] = [_Ending(0, _Names(), _Names())]
    before = ""
    for text, side, at in [*laid, ("", 0, -1)]:
        shared = _shared(before, text)
        yield from _close(open_endings, shared, a, b)
        if at >= 0:
            own, none = _Names(1, at), _Names()
            _put(open_endings, _Ending(len(text), *((none, own) if side else (own, none))))
        before = text


def _close(endings: list[_Ending], shared: int, a: Sequence[Named], b: Sequence[Named]) -> Iterator[tuple[int, int]]:
    """Settle the endings that are longer than what the next name shares: no further name has them."""
    while endings[-1].length > shared:
        ending = endings.pop()
        if ending.a.count == ending.b.count == 1 and a[ending.a.one][1] == b[ending.b.one][1]:
            yield ending.a.one, ending.b.one
            ending.a, ending.b = _Names(), _Names()
        if endings[-1].length <= shared:
            ending.length = shared
            _put(endings, ending)
        else:
            endings[-1].add(ending)


def _put(endings: list[_Ending], ending: _Ending) -> None:
    """Put an ending on top of the shorter ones, or to one of its own length."""
    if endings[-1].length == ending.length:
        endings[-1].add(ending)
    else:
        endings.append(ending)


def _reversed(name: str) -> str:
    """Return a name's components, the last first, each with a slash behind it."""
    return "/".join(reversed(name.split("/"))) + "/"


def _shared(one: str, other: str) -> int:
    """Return how many characters two names laid out begin with alike, in whole components."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # comparing slices is a hundred times as fast as going through characters
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return one.rfind("/", 0, low) + 1
