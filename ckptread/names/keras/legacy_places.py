"""Where the names that a legacy .h5 stores lead in its config: the layers around a weight, its place in the model.

Such a name (``sequential/dense/kernel``) holds whatever scopes were open when the layer was built: all of the layers
around it, some, or others besides. So the layers of the config decide which of its components count: a weight belongs
to the layer whose chain of names agrees with the longest run of them, and two layers never share a stored name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

import msgspec

from ckptread.limits import MAX_FITS, MAX_NAME_DEPTH, MAX_WRAPPED
from ckptread.names.keras.configs import Configured, inner_layers
from ckptread.names.keras.layers import LAYERS_KERAS_2, Layer
from ckptread.names.keras.trainable import Flags, bare, is_leaf

Scopes = tuple[str, ...]


class LegacyPlace(msgspec.Struct, frozen=True):
    """Where a weight lies."""

    chain: Scopes
    """The names of the layers around it, and what scopes lie between: all that are stored, where no layer fits."""
    trainable: bool | None
    order: tuple[int, ...]
    """The place of each of these layers in the one around it, as far as the config tells."""
    shared: int | None
    """The number by which the config knows the innermost layer again where it stands twice (Keras 2)."""


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of the config that is no model: it may hold weights of its own."""

    layer: Configured
    chain: Scopes
    """The names of the layers around it and its own, in components: Keras 2 has layers called ``conv1/bn``."""
    own: int
    """How many components of ``chain`` are its own name."""
    order: tuple[int, ...]
    flag: bool | None
    """The flag around it."""

    def place(self, weight: str, around: Leaf | None) -> tuple[int, ...]:
        """Return where a weight stands in the model: with those of the layer ``around`` that lists it as its own."""
        lists = around is not None and any(each.shared for each in _row(around.layer).weights)
        return self.order[:-1] if lists and bare(weight) in SHARED else self.order


SHARED = ("kernel", "embeddings")
"""What SpectralNormalization lists before its own weight, of the layer that it wraps."""
Fit = tuple[int, int]
"""How well a leaf fits a stored name: components in agreement; where its name ends, counted from the first."""


class Fits(msgspec.Struct):
    """How many more times a name may be held against a layer: one for all layers of a file."""

    left: int = MAX_FITS


def place_legacy_weights(
    layer: Configured, weights: Sequence[str], around: bool | None, flags: Flags, fits: Fits | None = None
) -> list[LegacyPlace]:
    """Return where each of the ``weights`` that are stored for ``layer`` lies; ``around`` is the flag around it."""
    leaves = list(_leaves(layer, (), (), around, flags))
    stored = [tuple(weight.split("/")) for weight in weights]
    owners = _owners(leaves, stored, flags, fits or Fits())
    wrappers = {leaf.order: leaf for leaf in leaves}
    common = None if layer.inner is None else _common(layer, around, flags)
    return [
        _located(layer, parts, around, flags, common, wrappers, *owners.get(parts[:-1], (None, 0))) for parts in stored
    ]


def _leaves(
    layer: Configured, above: Scopes, order: tuple[int, ...], around: bool | None, flags: Flags, wrapped: int = 0
) -> Iterator[Leaf]:
    """Yield ``layer`` where it is no model, and all that are none in it, in order."""
    name = tuple(layer.name.split("/")) if layer.name else ()
    chain, flag = (*above, *name), flags.inside(layer, around)
    if layer.inner is None:
        yield Leaf(layer=layer, chain=chain, own=len(name), order=order, flag=around)
    wrapped += layer.inner is None
    inside = layer.inner if layer.inner is not None else _wrapped(layer) if wrapped <= MAX_WRAPPED else ()
    for at, each in enumerate(inside if len(order) < MAX_NAME_DEPTH else ()):
        yield from _leaves(each, chain, (*order, at), flag, flags, wrapped)


def _wrapped(layer: Configured) -> list[Configured]:
    """Return the layers that a built-in wrapper holds, as far as its config has them."""
    return [each for inner in _row(layer).inner if inner.config for each in inner_layers(inner, layer)]


def _row(layer: Configured) -> Layer:
    return LAYERS_KERAS_2.get(layer.class_name or "", Layer())


def _owners(
    leaves: Sequence[Leaf], stored: Sequence[Scopes], flags: Flags, allowed: Fits
) -> dict[Scopes, tuple[Leaf | None, int]]:
    """Return for each stored scope the leaf it means, and where the leaf's name ends in it.

    The best agreements are settled first; a leaf that is settled has one scope, and is out of question elsewhere.
    """
    by_name: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        by_name.setdefault(leaf.chain[-1] if leaf.chain else "", []).append(leaf)
    fits = {}
    for parts in stored:
        allowed.left -= sum(len(by_name.get(scope, ())) for scope in parts[:-1])
        fits[parts[:-1]] = list(_fits(parts, by_name, flags)) if allowed.left > 0 else []
    found: dict[Scopes, tuple[Leaf | None, int]] = {}
    taken: dict[int, Scopes] = {}
    for scopes in sorted(fits, key=lambda each: -max((fit[0] for fit, _ in fits[each]), default=0)):
        free = [(fit, leaf) for fit, leaf in fits[scopes] if taken.get(id(leaf), scopes[: fit[1]]) == scopes[: fit[1]]]
        most = max((fit[0] for fit, _ in free), default=0)
        best = [(fit, leaf) for fit, leaf in free if fit[0] == most]
        if not best:
            continue
        fit, leaf = min(best, key=lambda each: (len(each[1].chain), each[0][1]))
        alike = all(each.layer == leaf.layer for _, each in best)
        found[scopes] = (leaf, fit[1]) if alike or len(leaves) == 1 else (None, -1)
        taken[id(leaf)] = scopes[: fit[1]]
    return found


def _fits(parts: Scopes, by_name: Mapping[str, Sequence[Leaf]], flags: Flags) -> Iterator[tuple[Fit, Leaf]]:
    """Yield the leaves that a stored weight may be of."""
    *scopes, weight = parts
    for end, scope in enumerate(scopes, 1):
        for leaf in by_name.get(scope, ()):
            agree = _common_ending(leaf.chain, scopes[:end])
            last = end == len(scopes) or not is_leaf(leaf.layer)
            if agree >= leaf.own and last and flags.may_hold(leaf.layer, weight):
                yield (agree, end), leaf


def _located(
    layer: Configured,
    parts: Scopes,
    around: bool | None,
    flags: Flags,
    common: bool | None,
    wrappers: Mapping[tuple[int, ...], Leaf],
    leaf: Leaf | None,
    end: int,
) -> LegacyPlace:
    *scopes, weight = parts
    if leaf is not None:
        trainable = flags.of(leaf.layer, weight, leaf.flag)
        place = leaf.place(weight, wrappers.get(leaf.order[:-1]) if leaf.order else None)
        return LegacyPlace((*leaf.chain, *scopes[end:]), trainable, place, leaf.layer.shared)
    if layer.name in scopes:
        scopes = scopes[scopes.index(layer.name) + 1 :]
    chain = (layer.name, *scopes) if layer.name else tuple(scopes)
    known = flags.of(layer, weight, around) if layer.inner is None else common
    return LegacyPlace(chain, known, (), layer.shared if layer.inner is None else None)


def _common(layer: Configured, around: bool | None, flags: Flags) -> bool | None:
    """Return False where all in a layer is frozen, else None."""
    flag = flags.inside(layer, around)
    inner = [_common(each, flag, flags) for each in layer.inner or ()]
    return False if flag is False and all(each is False for each in inner) else None


def _common_ending(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the number of equal components at the end of two names."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
