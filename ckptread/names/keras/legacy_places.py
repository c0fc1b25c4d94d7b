"""Which layer of the config a weight of a legacy .h5 belongs to, and where it is in the model.

The stored name of a weight (``sequential/dense/kernel``) has the scopes that were open when the layer was built: all of
the layers around it, some of them, or others as well. So the layers of the config decide which of its components count:
a weight belongs to the layer whose chain of names agrees with the longest run of them, and no two layers share a stored
name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import takewhile

import msgspec

from ckptread.limits import MAX_FITS, MAX_NAME_DEPTH, MAX_WRAPPED
from ckptread.names.keras.configs import Configured, inner_layers
from ckptread.names.keras.layers import LAYERS_KERAS_2, Layer
from ckptread.names.keras.trainable import Flags, bare, is_leaf

Scopes = tuple[str, ...]

SHARED = ("kernel", "embeddings")
"""The weight that SpectralNormalization lists before its own, of the layer that it wraps."""


class LegacyPlace(msgspec.Struct, frozen=True):
    """Where a weight is in the model."""

    chain: Scopes
    """The names of the layers around it, and of the scopes between them; all that are stored, if no layer fits."""
    trainable: bool | None
    order: tuple[int, ...]
    """The position of each of these layers in the one around it, as far as the config states it."""
    shared: int | None
    """The number by which Keras 2 marks the innermost layer if it occurs twice in the config."""


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of the config that is not a model, so it may have weights."""

    layer: Configured
    chain: Scopes
    """The names of the layers around it and its own, in components: Keras 2 has layers named ``conv1/bn``."""
    own: int
    """How many components of ``chain`` are its own name."""
    order: tuple[int, ...]
    """Its position in the layers around it, from the outermost on; no two leaves have the same."""
    flag: bool | None
    """The trainable flag around it."""


class Fit(msgspec.Struct, frozen=True):
    """A layer that a stored name may belong to."""

    leaf: Leaf
    agreeing: int
    """How many components of the name agree with the layer's chain."""
    end: int
    """The number of components up to the layer's name."""


class FitBudget(msgspec.Struct):
    """How many more times a name may be compared with a layer, for all layers of a file."""

    left: int = MAX_FITS


def place_legacy_weights(
    layer: Configured, weights: Sequence[str], around: bool | None, flags: Flags, budget: FitBudget | None = None
) -> list[LegacyPlace]:
    """Return where each of the ``weights`` stored for ``layer`` is; ``around`` is the trainable flag around it."""
    return _LayerPlaces(layer, around, flags).place(weights, budget or FitBudget())


class _LayerPlaces:
    """The layers inside one layer of the config, and the stored names that belong to them."""

    def __init__(self, layer: Configured, around: bool | None, flags: Flags) -> None:
        self._layer, self._around, self._flags = layer, around, flags
        self._leaves = {leaf.order: leaf for leaf in _leaves(layer, (), (), around, flags)}
        self._by_name: dict[str, list[Leaf]] = defaultdict(list)
        for leaf in self._leaves.values():
            self._by_name[leaf.chain[-1] if leaf.chain else ""].append(leaf)
        self._claimed: dict[tuple[int, ...], Scopes] = {}
        """The stored name that each leaf has been matched with, by the leaf's order."""
        self._inner_flag = None if layer.inner is None else _common_flag(layer, around, flags)

    def place(self, weights: Sequence[str], budget: FitBudget) -> list[LegacyPlace]:
        """Return where each weight is."""
        stored = self._drop_scope_numbers([tuple(weight.split("/")) for weight in weights])
        owners = self._find_owners(stored, budget)
        return [self._place(parts, owners.get(parts[:-1])) for parts in stored]

    def _drop_scope_numbers(self, stored: Sequence[Scopes]) -> list[Scopes]:
        """Return the names without the number that TensorFlow 1 appended to a scope when the model was loaded again.

        The layer ``conv2d_1`` then has its weights in ``conv2d_1_1``, a name that no layer has.
        """
        scopes = {scope for parts in stored for scope in parts[:-1]}
        plain = {scope: bare(scope) for scope in scopes - self._by_name.keys()}
        renamed = {
            scope: name
            for scope, name in plain.items()
            if name != scope and name in self._by_name and name not in scopes
        }
        counts = Counter(renamed.values())
        once = {scope: name for scope, name in renamed.items() if counts[name] == 1}
        return [(*(once.get(scope, scope) for scope in parts[:-1]), parts[-1]) for parts in stored]

    def _find_owners(self, stored: Sequence[Scopes], budget: FitBudget) -> dict[Scopes, Fit | None]:
        """Return the layer of each stored scope, choosing among the best agreements first."""
        fits: dict[Scopes, list[Fit]] = {}
        for parts in stored:
            budget.left -= sum(len(self._by_name.get(scope, ())) for scope in parts[:-1])
            fits[parts[:-1]] = list(self._find_fits(parts)) if budget.left > 0 else []
        best_first = sorted(fits, key=lambda scopes: -max((fit.agreeing for fit in fits[scopes]), default=0))
        return {scopes: self._claim(scopes, fits[scopes]) for scopes in best_first}

    def _find_fits(self, parts: Scopes) -> Iterator[Fit]:
        """Yield the layers that a stored weight may belong to."""
        *scopes, weight = parts
        for end, scope in enumerate(scopes, 1):
            for leaf in self._by_name.get(scope, ()):
                agreeing = _common_ending(leaf.chain, scopes[:end])
                last = end == len(scopes) or not is_leaf(leaf.layer)
                if agreeing >= leaf.own and last and self._flags.may_hold(leaf.layer, weight):
                    yield Fit(leaf, agreeing, end)

    def _claim(self, scopes: Scopes, fits: Sequence[Fit]) -> Fit | None:
        """Match a scope with the best layer that no other scope has; return None if several different ones are."""
        free = [fit for fit in fits if self._claimed.get(fit.leaf.order, scopes[: fit.end]) == scopes[: fit.end]]
        most = max((fit.agreeing for fit in free), default=0)
        best = [fit for fit in free if fit.agreeing == most]
        if not best:
            return None
        chosen = min(best, key=lambda fit: (len(fit.leaf.chain), fit.end))
        self._claimed[chosen.leaf.order] = scopes[: chosen.end]
        certain = len(self._leaves) == 1 or all(fit.leaf.layer == chosen.leaf.layer for fit in best)
        return chosen if certain else None

    def _place(self, parts: Scopes, owner: Fit | None) -> LegacyPlace:
        if owner is None:
            return self._place_unmatched(parts)
        leaf, weight = owner.leaf, parts[-1]
        return LegacyPlace(
            chain=(*leaf.chain, *parts[owner.end : -1]),
            trainable=self._flags.of(leaf.layer, weight, leaf.flag),
            order=self._order(leaf, weight),
            shared=leaf.layer.shared,
        )

    def _order(self, leaf: Leaf, weight: str) -> tuple[int, ...]:
        """Return the position of a weight; it counts with those of the layer around it if that one lists it too."""
        wrapper = self._leaves.get(leaf.order[:-1]) if leaf.order else None
        listed = wrapper is not None and any(each.shared for each in _table_row(wrapper.layer).weights)
        return leaf.order[:-1] if listed and bare(weight) in SHARED else leaf.order

    def _place_unmatched(self, parts: Scopes) -> LegacyPlace:
        """Place a weight in the outer layer, as no layer inside it fits."""
        layer, (*scopes, weight) = self._layer, parts
        if layer.name in scopes:
            scopes = scopes[scopes.index(layer.name) + 1 :]
        chain = (layer.name, *scopes) if layer.name else tuple(scopes)
        if layer.inner is not None:
            return LegacyPlace(chain, self._inner_flag, (), None)
        return LegacyPlace(chain, self._flags.of(layer, weight, self._around), (), layer.shared)


def _leaves(
    layer: Configured, above: Scopes, order: tuple[int, ...], around: bool | None, flags: Flags, wrapped: int = 0
) -> Iterator[Leaf]:
    """Yield ``layer`` if it is not a model, and all in it that are not, in order."""
    name = tuple(layer.name.split("/")) if layer.name else ()
    chain, flag = (*above, *name), flags.inside(layer, around)
    if layer.inner is None:
        yield Leaf(layer=layer, chain=chain, own=len(name), order=order, flag=around)
    wrapped += layer.inner is None
    inside = layer.inner if layer.inner is not None else _wrapped_layers(layer) if wrapped <= MAX_WRAPPED else ()
    for at, each in enumerate(inside if len(order) < MAX_NAME_DEPTH else ()):
        yield from _leaves(each, chain, (*order, at), flag, flags, wrapped)


def _wrapped_layers(layer: Configured) -> list[Configured]:
    """Return the layers inside a built-in wrapper, as far as its config has them."""
    return [each for inner in _table_row(layer).inner if inner.config for each in inner_layers(inner, layer)]


def _table_row(layer: Configured) -> Layer:
    return LAYERS_KERAS_2.get(layer.class_name or "", Layer())


def _common_flag(layer: Configured, around: bool | None, flags: Flags) -> bool | None:
    """Return False if everything in a layer is frozen, else None."""
    flag = flags.inside(layer, around)
    inner = [_common_flag(each, flag, flags) for each in layer.inner or ()]
    return False if flag is False and all(each is False for each in inner) else None


def _common_ending(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the number of equal components at the end of two names."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
