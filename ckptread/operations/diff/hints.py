"""What a user should know of two checkpoints besides their differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ckptread.operations.diff.match.pairs import Pair
from ckptread.reader import Reader
from ckptread.tensors import TensorInfo
from ckptread.wording import plural, quoted


def order_notes(a: Reader, b: Reader, pairs: Iterable[Pair]) -> Iterator[str]:
    """Name the layers whose weights the two files list in another order, where Keras loads them by position."""
    lists_a, lists_b = a.load_order, b.load_order
    partners = {pair.a.key: pair.b.key for pair in pairs if pair.a is not None and pair.b is not None}
    shared = [layer for layer in lists_a if layer in lists_b]
    moved = [layer for layer in shared if _differs([partners.get(k) for k in lists_a[layer]], lists_b[layer])]
    if moved:
        yield f"note: {_named(moved)} in another order: Keras loads them by position"
    if _differs(shared, list(lists_b)):
        yield "note: the files list the layers in another order: Keras loads them by position"


def _differs(one: Sequence[str | None], other: Sequence[str]) -> bool:
    """Whether what both lists have is in another order."""
    both = set(one) & set(other)
    return [each for each in one if each in both] != [each for each in other if each in both]


def _named(layers: Sequence[str]) -> str:
    listed = "the weights of " + ", ".join(quoted(layer) for layer in layers[:3])
    more = f" and {plural(len(layers) - 3, 'other layer')}" if len(layers) > 3 else ""
    return f"{listed}{more} are listed"


def map_hint(pairs: Iterable[Pair]) -> Iterator[str]:
    """Hint at a mapping, if tensors of one layer are without a counterpart on both sides."""
    alone = [(pair.a is None, info) for pair in pairs if (info := _only(pair)) is not None]
    sides = [{info.layer or info.place for missing, info in alone if missing is side} for side in (False, True)]
    layers = [layer for layer in dict.fromkeys(i.layer or i.place for _, i in alone) if all(layer in s for s in sides)]
    if layers:
        some = ", ".join(quoted(layer) for layer in layers[:3]) + (", ..." if len(layers) > 3 else "")
        yield (
            f"note: {plural(len(layers), 'layer', 'have', 'has')} tensors only in A and tensors only in B ({some}): to "
            "pair them yourself, write the pairs with --save-map FILE, correct them, and give --match FILE"
        )


def _only(pair: Pair) -> TensorInfo | None:
    return pair.b if pair.a is None else pair.a if pair.b is None else None
