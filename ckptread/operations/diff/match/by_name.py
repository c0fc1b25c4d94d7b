"""Which tensor of one checkpoint is which of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from ckptread.errors import TensorNotFoundError
from ckptread.operations.diff.match.name_endings import pair_endings
from ckptread.operations.diff.match.pairs import Basis, Pair
from ckptread.reader import Reader
from ckptread.select import match_tensors, passes_filter, records_roles
from ckptread.tensors import TensorInfo

_Found = Sequence[tuple[TensorInfo, TensorInfo]]
_Step = Callable[[Sequence[TensorInfo], Mapping[str, TensorInfo]], _Found]


def align(
    a: Sequence[TensorInfo], b: Sequence[TensorInfo], *, by: Literal["names", "key", "variable"] = "names"
) -> list[Pair]:
    """Pair the tensors of two checkpoints: by key, then by variable name, then by the longest unique ending of it.

    A key is not believed where the two are called differently: then names come first, and the key decides on what is
    left. An ending is of whole components, and counts where it is one tensor's alone on both sides. The order is that
    of A; what is only in B comes last. By key alone, equal keys pair whatever the variables are called.
    """
    paired: dict[str, Pair] = {}
    left_b = {t.key: t for t in b}
    for basis, step in _STEPS[by]:
        for one, other in step([t for t in a if t.key not in paired], left_b):
            paired[one.key] = Pair(a=one, b=left_b.pop(other.key), by=basis)
    pairs = [paired.get(t.key, Pair(a=t, b=None)) for t in a] + [Pair(a=None, b=t) for t in left_b.values()]
    return [pair for pair in pairs if not _only_a_name(pair)]


def _by_key_alone(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    return [(t, b[t.key]) for t in a if t.key in b]


def _by_key_and_name(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what has one key and no other name: one of the two ends in the other, or is not known."""
    pairs = [(t, b[t.key]) for t in a if t.key in b]
    return [(one, other) for one, other in pairs if not _named_both(one, other) or _whole(one, other)]


def _by_key(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what has one key, and names that do not contradict it: a layer that is called otherwise now."""
    pairs = [(t, b[t.key]) for t in a if t.key in b]
    return [(one, other) for one, other in pairs if _last(one) == _last(other)]


def _named_both(a: TensorInfo, b: TensorInfo) -> bool:
    return not (a.variable is None or b.variable is None or a.positional or b.positional)


def _whole(a: TensorInfo, b: TensorInfo) -> bool:
    """Whether one name ends in all of the other."""
    one, other = f"/{_plain(a)}", f"/{_plain(b)}"
    return one.endswith(other) or other.endswith(one)


def _plain(tensor: TensorInfo) -> str:
    return (tensor.variable or "").removesuffix(":0")


def _last(tensor: TensorInfo) -> str:
    return _plain(tensor).rpartition("/")[2]


def _only_a_name(pair: Pair) -> bool:
    """Whether this is a second name, of one side only, for a tensor that is compared under its first."""
    only = pair.a if pair.b is None else pair.b if pair.a is None else None
    return only is not None and only.alias_of is not None


def choose(
    a: Reader,
    b: Reader,
    pairs: Sequence[Pair],
    patterns: Sequence[str],
    exclude: Sequence[str] = (),
    role: str | None = None,
    trainable: bool | None = None,
) -> list[Pair]:
    """Return the pairs of which either side is meant by the patterns (all, where there is none).

    Only those of the role, and trainable, or not, by the rule of ``is_kept``. Raises TensorNotFoundError for a pattern
    that means nothing in either checkpoint.
    """
    pairs = _kept(a, b, pairs, role, trainable)
    if not patterns and not exclude:
        return pairs
    meant = [_meant(reader, patterns, exclude) for reader in (a, b)]
    for pattern in patterns:
        if not any(_meant(reader, [pattern], ()) for reader in (a, b)):
            match_tensors(a.path, a.tensors, [pattern])  # raises, with the nearest names
    return [
        pair
        for pair in pairs
        if (pair.a is not None and pair.a.key in meant[0]) or (pair.b is not None and pair.b.key in meant[1])
    ]


def _kept(a: Reader, b: Reader, pairs: Sequence[Pair], role: str | None, trainable: bool | None) -> list[Pair]:
    tells = [records_roles(reader.tensors) for reader in (a, b)]
    kept = []
    for pair in pairs:
        sides = [(info, told) for info, told in zip((pair.a, pair.b), tells, strict=True) if info is not None]
        if passes_filter([info for info, _ in sides], [told for _, told in sides], role, trainable):
            kept.append(pair)
    return kept


def _meant(reader: Reader, patterns: Sequence[str], exclude: Sequence[str]) -> set[str]:
    """The keys that any of the patterns means: a pattern may mean nothing on one side."""
    found: set[str] = set()
    for wanted in [[pattern] for pattern in patterns] or [[]]:
        try:
            found |= {t.key for t in match_tensors(reader.path, reader.tensors, wanted, exclude)}
        except TensorNotFoundError:
            continue
    return found


def _by_name(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what has one name, then what ends alike."""
    names_a, names_b = _named(a), _named(b.values())
    found = _unique(names_a, names_b)
    gone_a, gone_b = {x.key for x, _ in found}, {y.key for _, y in found}
    left_a = [t for t in names_a if t.key not in gone_a]
    left_b = [t for t in names_b if t.key not in gone_b]
    alike = pair_endings([(_plain(t), t.role) for t in left_a], [(_plain(t), t.role) for t in left_b])
    return [*found, *((left_a[one], left_b[other]) for one, other in alike)]


def _named(tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """A name that ends in a position says nothing of what the tensor is, nor does an alias."""
    return [t for t in tensors if t.variable is not None and not t.positional and t.alias_of is None]


def _unique(a: Iterable[TensorInfo], b: Iterable[TensorInfo]) -> list[tuple[TensorInfo, TensorInfo]]:
    """Pair the tensors of one name, where it is theirs alone on both sides."""
    of_a, of_b = _by_plain_name(a), _by_plain_name(b)
    return [
        (ones[0], of_b[name][0])
        for name, ones in of_a.items()
        if len(ones) == 1 and len(of_b.get(name, ())) == 1 and ones[0].role == of_b[name][0].role
    ]


def _by_plain_name(tensors: Iterable[TensorInfo]) -> dict[str, list[TensorInfo]]:
    names: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        names.setdefault(_plain(tensor), []).append(tensor)
    return names


_STEPS: Mapping[str, Sequence[tuple[Basis, _Step]]] = {
    "names": (("key", _by_key_and_name), ("variable", _by_name), ("key", _by_key)),
    "key": (("key", _by_key_alone),),
    "variable": (("variable", _by_name),),
}
