"""Finds the weights that an optimizer trains by the shapes of its slots, where the config does not record the order.

A subclassed model's config lists no layers. Its layers, or those of one model in it, are put in the order in which
their shapes are those of the slots. That counts only if there is one such order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from ckptread.names.keras.optimizers import OPTIMIZERS, OPTIMIZERS_KERAS_2, Config, Shape, State, Trained, states
from ckptread.tensors import TensorInfo

MOST_LAYERS = 200
MOST_TRIED = 10_000
Layers = Sequence[Sequence[Trained]]


def states_by_shapes(
    class_name: str, config: Config, own: Sequence[TensorInfo], found: Sequence[TensorInfo], *, version_2: bool
) -> list[State] | None:
    """Return what an optimizer of this class stores as ``own``, if it trains weights of ``found`` in one order only."""
    solutions = [
        expected
        for options in _possible_options(class_name, config, version_2)
        for wanted in _weight_shapes(class_name, options, own, version_2)
        for trained in _fitting_models(found, wanted)
        for expected in states(class_name, options, trained, version_2=version_2)[:3]
        if _fits(expected, own)
    ]
    first = solutions[0] if solutions else None
    return first if all(each == first for each in solutions) else None


def _possible_options(class_name: str, config: Config, version_2: bool) -> Iterator[Config]:
    """Yield the config, with each choice of the options that it does not record and that add slots."""
    row = (OPTIMIZERS_KERAS_2 if version_2 else OPTIMIZERS).get(class_name)
    unknown = [slots.when for slots in row.slots if slots.when and slots.when not in config] if row else []
    for chosen in range(1 << len(unknown)):
        yield {**config, **{name: True for at, name in enumerate(unknown) if chosen >> at & 1}}


def _weight_shapes(
    class_name: str, config: Config, own: Sequence[TensorInfo], version_2: bool
) -> Iterator[tuple[Shape, ...]]:
    """Yield the shapes of the weights that the slots can be of, in order; none for slots of several shapes."""
    sizes = [len(states(class_name, config, _unknown_weights(n), version_2=version_2)[0]) for n in (1, 2)]
    each = sizes[1] - sizes[0]
    count = (len(own) - sizes[0]) // each + 1 if each else 0
    found: dict[tuple[Shape, ...], None] = {}
    for expected in states(class_name, config, _unknown_weights(max(count, 0)), version_2=version_2)[:3]:
        shapes: dict[str, set[Shape]] = {}
        for state, info in zip(expected, own, strict=False):
            if state.of is not None and info.shape is not None:
                shapes.setdefault(state.of.variable, set()).add(info.shape)
        if len(expected) == len(own) and shapes and all(len(several) == 1 for several in shapes.values()):
            found[tuple(next(iter(several)) for several in shapes.values())] = None
    yield from found


def _unknown_weights(count: int) -> list[Trained]:
    return [Trained(f"{number}/weight", ()) for number in range(count)]


def _fits(expected: Sequence[State], own: Sequence[TensorInfo]) -> bool:
    return [state.shape for state in expected] == [info.shape for info in own]


def _fitting_models(found: Sequence[TensorInfo], wanted: Sequence[Shape]) -> list[list[Trained]]:
    """Return the weights of each model that has these shapes in one order; of all layers, if no single model has."""
    models: dict[str, dict[str, list[Trained]]] = {}
    for info in found:
        if info.role == "model" and info.repeats is None and info.trainable is not False:
            if info.variable is None or info.shape is None or info.layer is None:
                return []
            layers = models.setdefault(info.layer.partition("/")[0], {})
            layers.setdefault(info.layer, []).append(Trained(info.variable, info.shape, info.positional))
    single = [order for layers in models.values() if (order := _only_order(list(layers.values()), wanted))]
    everything = [layer for layers in models.values() for layer in layers.values()]
    together = _only_order(everything, wanted) if not single else None
    return single or ([together] if together else [])


def _only_order(layers: Layers, wanted: Sequence[Shape]) -> list[Trained] | None:
    """Return the weights of layers in the order that gives these shapes; None if none does, or several do."""
    by_shapes = {tuple(weight.shape for weight in layer): layer for layer in layers}
    alike = len(by_shapes) < len(layers) or len(layers) > MOST_LAYERS
    if alike or sum(map(len, layers)) != len(wanted):
        return None
    orders = list(islice(_orders(by_shapes, tuple(wanted)), 2))
    return [weight for layer in orders[0] for weight in layer] if len(orders) == 1 else None


def _orders(by_shapes: Mapping[tuple[Shape, ...], Sequence[Trained]], wanted: tuple[Shape, ...]) -> Iterator[Layers]:
    """Yield the orders of layers that give these shapes; every layer is in each."""
    waiting: list[tuple[tuple[tuple[Shape, ...], ...], int]] = [((), 0)]
    for _ in range(MOST_TRIED):
        if not waiting:
            return
        chosen, at = waiting.pop()
        if at == len(wanted):
            yield [by_shapes[shapes] for shapes in chosen]
            continue
        left: Iterable[tuple[Shape, ...]] = (shapes for shapes in by_shapes if shapes not in chosen)
        waiting += [((*chosen, s), at + len(s)) for s in left if wanted[at : at + len(s)] == s]
    yield from ([], [])  # too many to say that there is only one
