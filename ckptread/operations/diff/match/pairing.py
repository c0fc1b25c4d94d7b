"""Pairing the tensors of two checkpoints in the way that the user asked for.

``key`` and ``variable`` go by names, ``content`` by values, ``auto`` by names first, and by values for what is left.
A saved mapping says itself what belongs together; what it does not mention goes by names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import msgspec

from ckptread.errors import CheckpointError, TensorNotFoundError, UsageError
from ckptread.operations.diff.match.by_checksum import match_checksums
from ckptread.operations.diff.match.by_content import (
    ContentMatch,
    Side,
    comparable,
    known_shape,
    match_values,
    take_fingerprints,
)
from ckptread.operations.diff.match.by_name import align
from ckptread.operations.diff.match.compare_layouts import find_agreement
from ckptread.operations.diff.match.in_order import compatible, last_name
from ckptread.operations.diff.match.layouts import Arrangement, plain
from ckptread.operations.diff.match.pairs import Certainty, Pair
from ckptread.operations.diff.match.saved_mapping import SavedMapping, load_mapping
from ckptread.operations.diff.match.suspect_layouts import MarkedMatch, mark_suspects
from ckptread.operations.diff.match.within_layers import pair_within_layers
from ckptread.reader import Reader
from ckptread.select import find_tensor
from ckptread.storage.addresses import find_storage
from ckptread.storage.progress import SILENT, Meter
from ckptread.tensors import TensorInfo
from ckptread.wording import escape, quoted

Way = Literal["auto", "key", "variable", "content"]
WAYS: tuple[Way, ...] = ("auto", "key", "variable", "content")
Matching = Way | SavedMapping
"""A way of matching, or a mapping that was saved."""


def pair_tensors(a: Reader, b: Reader, how: Matching = "auto", meter: Meter = SILENT) -> list[Pair]:
    """Pair all tensors of two checkpoints, in the order of A; what is only in B comes last.

    ``meter`` counts the bytes that are read to look for partners. By key and by variable nothing is read.
    """
    all_a, all_b = list(a.tensors.values()), list(b.tensors.values())
    if isinstance(how, SavedMapping):
        return _pair_by_mapping(all_a, all_b, how)
    if how == "content":
        return _pair_by_content(a, b, _pair_valueless(all_a, all_b), True, meter)
    pairs = align(all_a, all_b, by="names" if how == "auto" else how)
    return _pair_by_content(a, b, pairs, False, meter) if how == "auto" else pairs


def _pair_valueless(a: list[TensorInfo], b: list[TensorInfo]) -> list[Pair]:
    """Return every tensor unpaired, except those without values to match: they are paired by names."""
    named = align([t for t in a if not comparable(t)], [t for t in b if not comparable(t)])
    return [*named, *(Pair(a=t, b=None) for t in a if comparable(t)), *(Pair(a=None, b=t) for t in b if comparable(t))]


def read_matching(match: str | os.PathLike[str]) -> Matching:
    """Return the way of this name, or the mapping that is saved in this file.

    Raises UsageError if it is neither, CheckpointError if the file is not a mapping.
    """
    known = next((way for way in WAYS if way == match), None)
    if known is not None:
        return known
    path = os.fspath(match)
    storage, name = find_storage(path)
    if storage.kind(name) is None:
        ways = ", ".join(WAYS)
        raise UsageError(f"{quoted(path)} is neither a way of matching ({ways}) nor a file")
    return load_mapping(path)


def two_tensors(a: Reader, b: Reader, names: Sequence[str]) -> Pair | None:
    """Return the tensor of A and the one of B that two names mean; None where these are not two such names."""
    if len(names) != 2:
        return None
    try:
        return Pair(a=find_tensor(a.path, a.tensors, names[0]), b=find_tensor(b.path, b.tensors, names[1]), by="given")
    except TensorNotFoundError:
        return None


def _pair_by_mapping(a: list[TensorInfo], b: list[TensorInfo], mapping: SavedMapping) -> list[Pair]:
    """Return the pairs of the mapping; the tensors that it does not mention are paired by names."""
    of_a, of_b = {t.key: t for t in a}, {t.key: t for t in b}
    stated = {
        entry.a: Pair(a=of_a[entry.a], b=of_b[entry.b], by="map", arrangement=entry.arrangement)
        for entry in mapping.pairs
        if entry.a in of_a and entry.b in of_b
    }
    known_a = {entry.a for entry in mapping.pairs} | mapping.only_a
    known_b = {entry.b for entry in mapping.pairs} | mapping.only_b
    rest = align([t for t in a if t.key not in known_a], [t for t in b if t.key not in known_b])
    alone = [Pair(a=t, b=None) for t in a if t.key in known_a and t.key not in stated]
    taken = {pair.b.key for pair in stated.values() if pair.b}
    alone += [Pair(a=None, b=t) for t in b if t.key in known_b and t.key not in taken]
    return _in_order(a, [*stated.values(), *rest, *(pair for pair in alone if not _second_name(pair))])


def _second_name(pair: Pair) -> bool:
    info = pair.a or pair.b
    return info is not None and info.repeats is not None


def _in_order(a: Sequence[TensorInfo], pairs: Sequence[Pair]) -> list[Pair]:
    place = {info.key: number for number, info in enumerate(a)}
    return sorted(pairs, key=lambda pair: place[pair.a.key] if pair.a else len(place))


def _pair_by_content(a: Reader, b: Reader, pairs: Sequence[Pair], content_alone: bool, meter: Meter) -> list[Pair]:
    """Pair the unpaired tensors by values; with content alone, the rest by unique shapes."""
    alone = [pair for pair in pairs if (pair.a is None) != (pair.b is None) and not _second_name(pair)]
    left_a, left_b = [p.a for p in alone if p.a], [p.b for p in alone if p.b]
    if not left_a or not left_b:
        return [pair for pair in pairs if not _second_name(pair) or (pair.a and pair.b)]
    side_a, side_b = Side(a, left_a), Side(b, left_b)
    alike = _drop_coincidences(match_checksums(side_a, side_b, meter), content_alone)
    side_a, side_b = _fingerprints(side_a, side_b, alike, meter)
    matches = _drop_coincidences([*alike, *match_values(side_a, side_b)], content_alone)
    marked = mark_suspects(matches, _Agreement(side_a, side_b))
    found = [_pair_of(each) for each in marked]
    found += _unmatched(side_a, side_b, found, content_alone)
    return _in_order(list(a.tensors.values()), [pair for pair in pairs if pair.a and pair.b] + found)


def _fingerprints(a: Side, b: Side, matched: Sequence[ContentMatch], meter: Meter) -> tuple[Side, Side]:
    """Take the fingerprints of the tensors that are not matched, where the other side has some of that size."""
    rest_a, rest_b = _without(a, {match.a.key for match in matched}), _without(b, {match.b.key for match in matched})
    sizes = {t.size for t in rest_a.tensors if comparable(t)} & {t.size for t in rest_b.tensors if comparable(t)}
    return take_fingerprints(rest_a, sizes, meter), take_fingerprints(rest_b, sizes, meter)


def _without(side: Side, keys: set[str]) -> Side:
    return Side(side.reader, [info for info in side.tensors if info.key not in keys])


def _drop_coincidences(matches: list[ContentMatch], content_alone: bool) -> list[ContentMatch]:
    """Drop matches by chance where names count, and end differently."""
    if content_alone:
        return matches
    return [m for m in matches if not m.chance or last_name(m.a) == last_name(m.b) or m.a.positional or m.b.positional]


class _Agreement:
    """Whether the values of a match also agree under another arrangement."""

    def __init__(self, a: Side, b: Side) -> None:
        self._a, self._b = a, b

    def __call__(self, match: ContentMatch, arrangement: Arrangement) -> bool:
        try:
            return find_agreement(self._a.tensor(match.a), self._b.tensor(match.b), arrangement) is not None
        except CheckpointError:
            return False


def _pair_of(marked: MarkedMatch) -> Pair:
    match = marked.match
    moved = match.arrangement != plain(known_shape(match.b)) or match.a.shape != match.b.shape
    found = Pair(
        a=match.a,
        b=match.b,
        by="content",
        certainty=_certainty(match),
        why=_reason(match),
        arrangement=match.arrangement if moved else None,
        confirmed=match.agreement == "bits",
    )
    if marked.expected is None:
        return found
    others = "its sibling" if marked.siblings == 1 else f"{marked.siblings:,} siblings"
    verb = "has" if marked.siblings == 1 else "have"
    why = (
        f"wrongly transposed? its axes are {list(match.arrangement.axes)}, while {others} of that name {verb} "
        f"{list(marked.expected.axes)}"
    )
    return msgspec.structs.replace(found, suspect=True, why=why)


def _certainty(match: ContentMatch) -> Certainty:
    if match.copies > 1:
        return "interchangeable"
    return "likely" if match.chance else "certain"


def _reason(match: ContentMatch) -> str:
    if match.copies > 1:
        return f"{match.copies:,} tensors have exactly these values: paired in order"
    if match.constant and match.a.size > 1:
        return "the same values, but all equal"
    return "the same values, but few" if match.chance else "the same values, which no other tensor has"


def _unmatched(a: Side, b: Side, found: Sequence[Pair], by_shape: bool) -> list[Pair]:
    """Return the tensors without a match: paired by unique shapes, of all if asked or else of a layer; and unpaired."""
    found_a, found_b = {p.a.key for p in found if p.a}, {p.b.key for p in found if p.b}
    left_a = [t for t in a.tensors if t.key not in found_a]
    left_b = [t for t in b.tensors if t.key not in found_b]
    why_a, why_b = _reordered(a, left_a, b, left_b), _reordered(b, left_b, a, left_a)
    pairs = _pair_unique_shapes(
        [t for t in left_a if t.key not in why_a and t.key not in a.problems],
        [t for t in left_b if t.key not in why_b and t.key not in b.problems],
    ) if by_shape else pair_within_layers(left_a, left_b)  # fmt: skip
    taken_a, taken_b = {p.a.key for p in pairs if p.a}, {p.b.key for p in pairs if p.b}
    pairs += [
        Pair(a=t, b=None, why=why_a.get(t.key, ""), problem=a.problems.get(t.key, ""))
        for t in left_a
        if t.key not in taken_a
    ]
    return pairs + [
        Pair(a=None, b=t, why=why_b.get(t.key, ""), problem=b.problems.get(t.key, ""))
        for t in left_b
        if t.key not in taken_b
    ]


def _reordered(side: Side, left: list[TensorInfo], other: Side, others: list[TensorInfo]) -> dict[str, str]:
    """By key, of what holds another's values in an order that no permutation of axes gives.

    Where another holds them in the very order, they are the same, and were not paired for being so few.
    """
    holders: dict[tuple[int, int], dict[int, str]] = {}
    for info in others:
        if info.key in other.prints:
            held = other.prints[info.key]
            holders.setdefault((info.size, held.values), {}).setdefault(held.ordered, info.name)
    found = {}
    for info in left:
        prints = side.prints.get(info.key)
        names = holders.get((info.size, prints.values)) if prints and not prints.constant else None
        if prints and names and prints.ordered not in names:
            name = next(iter(names.values()))
            found[info.key] = f"reordered {escape(name)}? the same values in another order, as of gates or rows"
    return found


def _pair_unique_shapes(a: list[TensorInfo], b: list[TensorInfo]) -> list[Pair]:
    """Pair what is alone in its shape on both sides. A scalar's shape says nothing."""
    pairs = []
    shapes_b = _group_by_shape(b)
    for shape, ones in _group_by_shape(a).items():
        others = shapes_b.get(shape, [])
        if len(ones) == 1 and len(others) == 1 and compatible(ones[0], others[0]):
            pairs.append(
                Pair(a=ones[0], b=others[0], by="shape", certainty="guess", why="no other tensor of this shape is left")
            )
    return pairs


def _group_by_shape(infos: list[TensorInfo]) -> dict[tuple[int, ...], list[TensorInfo]]:
    shapes: dict[tuple[int, ...], list[TensorInfo]] = {}
    for info in infos:
        if comparable(info) and info.size > 1:
            shapes.setdefault(known_shape(info), []).append(info)
    return shapes
