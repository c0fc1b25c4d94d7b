"""Which pairs of tensors a user wants to compare."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

import msgspec

from ckptread.errors import TensorNotFoundError, UsageError
from ckptread.operations.diff.match.pairing import Matching, pair_tensors, two_tensors
from ckptread.operations.diff.match.pairs import Pair
from ckptread.operations.notes import role_notes, trainable_notes
from ckptread.operations.selection import without_bookkeeping
from ckptread.reader import Reader
from ckptread.select import match_tensors, passes_filter, records_roles
from ckptread.storage.progress import SILENT, Meter
from ckptread.tensors import TensorInfo
from ckptread.wording import escape

OBJECT_DTYPES = ("string", "variant", "resource")
"""The dtypes of bookkeeping that is not a counter: object graphs and iterators."""


class PairFilter(msgspec.Struct, frozen=True):
    """What a user asked to compare."""

    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    role: str | None = None
    trainable: bool | None = None

    @property
    def some(self) -> bool:
        """Whether these are only some tensors of the model, by their names or flags."""
        return bool(self.names) or self.trainable is not None

    @property
    def text(self) -> str:
        """The filter in words, or ""."""
        parts = [f"role {self.role}"] if self.role else []
        parts += [] if self.trainable is None else ["trainable" if self.trainable else "frozen"]
        parts += [" ".join(map(escape, self.names))] if self.names else []
        parts += ["without " + " ".join(map(escape, self.exclude))] if self.exclude else []
        return ", ".join(parts)


class ChosenPairs(msgspec.Struct, frozen=True):
    """The pairs to compare."""

    pairs: list[Pair]
    scope: str
    """What was asked for, in words, or ""."""
    notes: tuple[str, ...] = ()
    """What was asked for and the files do not record."""


def pairs_to_compare(
    a: Reader, b: Reader, matching: Matching, wanted: PairFilter, meter: Meter = SILENT
) -> ChosenPairs:
    """Pair the tensors of two checkpoints, and choose those that are wanted; two names are one pair.

    Raises UsageError if nothing is left of checkpoints that are not empty.
    """
    given = two_tensors(a, b, wanted.names)
    if given is not None:
        return ChosenPairs([given], msgspec.structs.replace(wanted, names=()).text)
    pairs = pair_tensors(a, b, matching, meter)
    of_role = choose_pairs(a, b, pairs, wanted.names, wanted.exclude, wanted.role)
    of_flag = choose_pairs(a, b, of_role, (), trainable=wanted.trainable)
    chosen = pairs_without_bookkeeping(a, b, of_flag, wanted.names, wanted.role)
    notes = (*role_notes([a, b], wanted.role), *trainable_notes(_deciding_sides(of_role), wanted.trainable))
    if not chosen and (a.tensors or b.tensors):
        problem = f"nothing was compared: no tensor of either is left ({wanted.text})"
        raise UsageError("; ".join([problem, *(note.removeprefix("note: ") for note in notes)]))
    left_out = ["without bookkeeping"] if len(chosen) < len(of_flag) else []
    return ChosenPairs(chosen, ", ".join(filter(None, [wanted.text, *left_out])), notes)


def pairs_without_bookkeeping(
    a: Reader, b: Reader, pairs: list[Pair], patterns: Sequence[str], role: str | None
) -> list[Pair]:
    """Leave out TensorFlow's own object graphs and iterators, and a counter of saves that only one side has.

    They stay if they were asked for, if they are damaged, and if there is nothing else.
    """
    kept = [_asked_or_damaged(reader, patterns, role) for reader in (a, b)]
    return [pair for pair in pairs if not _is_bookkeeping(pair, kept)] or pairs


def _asked_or_damaged(reader: Reader, patterns: Sequence[str], role: str | None) -> set[str]:
    listed = reader.tensors.values()
    damaged = {info.key for info in listed if info.problem is not None and not info.unsupported}
    faults = {finding.key for finding in reader.problems if finding.key is not None and finding.severity == "error"}
    return {info.key for info in without_bookkeeping(reader, listed, patterns, role)} | damaged | faults


def _is_bookkeeping(pair: Pair, kept: Sequence[Container[str]]) -> bool:
    sides = [(info, keys) for info, keys in zip((pair.a, pair.b), kept, strict=True) if info is not None]
    if any(info.key in keys for info, keys in sides):
        return False
    counter = len(sides) == 1 and sides[0][0].key.startswith("save_counter")
    return counter or any(info.dtype in OBJECT_DTYPES for info, _ in sides)


def _deciding_sides(pairs: Iterable[Pair]) -> Iterator[TensorInfo]:
    """Yield for each pair the side that records whether it is trainable, if either does."""
    for pair in pairs:
        sides = [info for info in (pair.a, pair.b) if info is not None]
        yield next((info for info in sides if info.trainable is not None), sides[0])


def choose_pairs(
    a: Reader,
    b: Reader,
    pairs: Sequence[Pair],
    patterns: Sequence[str],
    exclude: Sequence[str] = (),
    role: str | None = None,
    trainable: bool | None = None,
) -> list[Pair]:
    """Return the pairs that the patterns match on either side (all, if there are none), filtered as in ``select``.

    Raises TensorNotFoundError for a pattern that matches nothing in either checkpoint.
    """
    pairs = _filter_pairs(a, b, pairs, role, trainable)
    if not patterns and not exclude:
        return pairs
    matched = [_matched_keys(reader, patterns, exclude) for reader in (a, b)]
    for pattern in patterns:
        if not any(_matched_keys(reader, [pattern], ()) for reader in (a, b)):
            match_tensors(a.path, a.tensors, [pattern])  # raises, with the nearest names
    return [
        pair
        for pair in pairs
        if (pair.a is not None and pair.a.key in matched[0]) or (pair.b is not None and pair.b.key in matched[1])
    ]


def _filter_pairs(a: Reader, b: Reader, pairs: Sequence[Pair], role: str | None, trainable: bool | None) -> list[Pair]:
    tells = [records_roles(reader.tensors) for reader in (a, b)]
    kept = []
    for pair in pairs:
        sides = [(info, told) for info, told in zip((pair.a, pair.b), tells, strict=True) if info is not None]
        if passes_filter([info for info, _ in sides], [told for _, told in sides], role, trainable):
            kept.append(pair)
    return kept


def _matched_keys(reader: Reader, patterns: Sequence[str], exclude: Sequence[str]) -> set[str]:
    """Return the keys that any of the patterns matches: a pattern may match nothing on one side."""
    found: set[str] = set()
    for wanted in [[pattern] for pattern in patterns] or [[]]:
        try:
            found |= {t.key for t in match_tensors(reader.path, reader.tensors, wanted, exclude)}
        except TensorNotFoundError:
            continue
    return found
