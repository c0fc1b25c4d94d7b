"""Which tensor of one checkpoint is which of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from ckptread.operations.diff.match.in_order import compatible
from ckptread.operations.diff.match.name_endings import pair_endings
from ckptread.operations.diff.match.pairs import Basis, Pair
from ckptread.tensors import TensorInfo

KERAS_1 = {
    "W": "kernel", "embeddings": "kernel", "b": "bias", "U": "recurrent_kernel", "running_mean": "moving_mean",
    "running_std": "moving_variance",
}  # fmt: skip
"""Keras 2's names of what Keras 1 called otherwise; W of an Embedding is now called embeddings."""
_Found = Sequence[tuple[TensorInfo, TensorInfo]]
_Step = Callable[[Sequence[TensorInfo], Mapping[str, TensorInfo]], _Found]


def align(
    a: Sequence[TensorInfo], b: Sequence[TensorInfo], *, by: Literal["names", "key", "variable"] = "names"
) -> list[Pair]:
    """Pair the tensors of two checkpoints: by key, then by variable name, then by the longest unique ending of it.

    A key is not believed where the two are called differently: then names come first, and the key decides on what is
    left. An ending is of whole components, and counts where it is one tensor's alone on both sides. Names that differ
    only in ``.`` for ``/`` come next, and names of Keras 1 last. The order is that of A, then what is only in B. By key
    alone, equal keys pair whatever the variables are called.
    """
    paired: dict[str, Pair] = {}
    left_b = {t.key: t for t in b}
    for basis, step in _STEPS[by]:
        for one, other in step([t for t in a if t.key not in paired], left_b):
            paired[one.key] = Pair(a=one, b=left_b.pop(other.key), by=basis)
    pairs = [paired.get(t.key, Pair(a=t, b=None)) for t in a] + [Pair(a=None, b=t) for t in left_b.values()]
    return [pair for pair in pairs if not _is_alias_alone(pair)]


def _by_key_alone(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    return [(t, b[t.key]) for t in a if t.key in b]


def _by_key_and_name(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what has one key and no other name: one of the two ends in the other, or is not known."""
    pairs = [(t, b[t.key]) for t in a if t.key in b]
    return [(one, other) for one, other in pairs if not _named_both(one, other) or _one_ends_in_other(one, other)]


def _by_key(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what has one key, and names that do not contradict it: a layer that is called otherwise now."""
    pairs = [(t, b[t.key]) for t in a if t.key in b]
    return [(one, other) for one, other in pairs if _last_component(one) == _last_component(other)]


def _named_both(a: TensorInfo, b: TensorInfo) -> bool:
    return not (a.variable is None or b.variable is None or a.positional or b.positional)


def _one_ends_in_other(a: TensorInfo, b: TensorInfo) -> bool:
    """Whether one name ends in all of the other."""
    one, other = f"/{_plain(a)}", f"/{_plain(b)}"
    return one.endswith(other) or other.endswith(one)


def _plain(tensor: TensorInfo) -> str:
    return (tensor.variable or "").removesuffix(":0")


def _last_component(tensor: TensorInfo) -> str:
    return _plain(tensor).rpartition("/")[2]


def _is_alias_alone(pair: Pair) -> bool:
    """Whether this is a second name, of one side only, for a tensor that is compared under its first."""
    only = pair.a if pair.b is None else pair.b if pair.a is None else None
    return only is not None and only.repeats is not None


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
    return [t for t in tensors if t.variable is not None and not t.positional and t.repeats is None]


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


def _by_separator(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what has one name but for its separators: ``encoder.0.weight`` is ``encoder/0/weight``."""
    return _by_spelling(a, b, lambda name: name.replace(".", "/"))


def _by_keras_1_name(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo]) -> _Found:
    """Pair what Keras 1 calls otherwise: ``dense/W`` is ``dense/kernel``."""
    return _by_spelling(a, b, _keras_2_name)


def _keras_2_name(name: str) -> str:
    place, _, last = name.rpartition("/")
    return f"{place}/{KERAS_1.get(last, last)}"


def _by_spelling(a: Sequence[TensorInfo], b: Mapping[str, TensorInfo], spell: Callable[[str], str]) -> _Found:
    """Pair what has one name once both are spelled alike, where it is theirs alone on both sides."""
    of_a, of_b = _by_spelled_name(a, spell), _by_spelled_name(b.values(), spell)
    both = ((ones, of_b.get(name, [])) for name, ones in of_a.items())
    return [
        (ones[0], others[0])
        for ones, others in both
        if len(ones) == len(others) == 1 and compatible(ones[0], others[0])
    ]


def _by_spelled_name(tensors: Iterable[TensorInfo], spell: Callable[[str], str]) -> dict[str, list[TensorInfo]]:
    names: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        if not tensor.positional and tensor.repeats is None:
            names.setdefault(spell(tensor.name.removesuffix(":0")), []).append(tensor)
    return names


_STEPS: Mapping[str, Sequence[tuple[Basis, _Step]]] = {
    "names": (
        ("key", _by_key_and_name),
        ("variable", _by_name),
        ("key", _by_key),
        ("variable", _by_separator),
        ("variable", _by_keras_1_name),
    ),
    "key": (("key", _by_key_alone),),
    "variable": (("variable", _by_name),),
}
