"""Where a weight's name leads in a config: the layers around it, its place in the model, whether it is trained.

For the layouts in which names are stored (``bidirectional/forward_lstm/lstm_cell/kernel``). Such a name holds
whatever scopes were open when the layer was built, so the layers of the config decide which of its components
count: ``sequential/dense/kernel`` in the model ``inner`` is ``inner/dense``'s kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ckptread.names.configs import ANYTHING, Configured, parse
from ckptread.names.layers import LAYERS_KERAS_2, Inner
from ckptread.names.variants import rows_of

MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Located:
    """Where a weight lies."""

    chain: tuple[str, ...]
    """The names of the layers around it."""
    trainable: bool | None
    order: tuple[int, ...]
    """The place of each of these layers in the one around it, as far as the config tells."""
    shared: int | None
    """The number by which the config knows the innermost layer again where it stands twice (Keras 2)."""


@dataclass(slots=True)
class Locator:
    """Finds weights in the models of a config."""

    version_2: bool = False
    """Whether Keras 1 or 2 wrote the file: there a frozen layer's flag holds for all in it."""
    indexes: dict[int, dict[str | None, int]] = field(default_factory=dict)
    """The places of a model's layers by name, by the model's identity: built once."""

    def locate(self, layer: Configured, parts: Sequence[str], flag: bool | None) -> Located:
        """Return where the weight that is stored as ``parts`` under ``layer`` lies.

        ``flag`` is the trainable flag around ``layer``.
        """
        chain, order = [layer.name] if layer.name else [], []
        *scopes, weight = parts
        if layer.name in scopes:
            scopes = scopes[scopes.index(layer.name) + 1 :]
        while layer.inner is not None:
            flag = self._flag(layer, flag)
            names = self._index(layer)
            at = next((at for at, scope in enumerate(scopes) if scope in names), None)
            if at is None:
                break
            order.append(names[scopes[at]])
            layer, scopes = layer.inner[order[-1]], scopes[at + 1 :]
            chain.append(layer.name or "")
        return Located((*chain, *scopes), self._trainable(layer, weight, flag), tuple(order), layer.shared)

    def _index(self, model: Configured) -> dict[str | None, int]:
        if id(model) not in self.indexes:
            self.indexes[id(model)] = {layer.name: at for at, layer in enumerate(model.inner or ())}
        return self.indexes[id(model)]

    def _flag(self, layer: Configured, around: bool | None) -> bool | None:
        if layer.trainable is None or (self.version_2 and around is False):
            return around
        return layer.trainable

    def _trainable(self, layer: Configured, weight: str, around: bool | None) -> bool | None:
        owners = list(self._owners(layer, re.sub(r"_[0-9]+$", "", weight), around))
        if not owners:
            return False if self._flag(layer, around) is False else None
        return owners[0] if all(each == owners[0] for each in owners) else None

    def _owners(self, layer: Configured, weight: str, around: bool | None, depth: int = 0) -> Iterator[bool | None]:
        """Yield the flag of ``weight`` for each built-in layer, in ``layer`` or itself, that has such a weight."""
        row, flag = LAYERS_KERAS_2.get(layer.class_name or ""), self._flag(layer, around)
        if row is None or depth > MAX_DEPTH:
            return
        rows = rows_of(layer.class_name or "", row, layer.config)
        may_train = {each.trainable for weights in rows for each in weights if each.name == weight}
        if may_train:
            yield None if flag and len(may_train) > 1 else (flag if True in may_train else False)
        for thing in (thing for inner in row.inner for thing in _inner_layers(inner, layer)):
            yield from self._owners(thing, weight, flag, depth + 1)


def is_leaf(layer: Configured) -> bool:
    """Whether a layer is a built-in one that has no layers in it."""
    row = LAYERS_KERAS_2.get(layer.class_name or "")
    return row is not None and not row.inner and layer.inner is None


def _inner_layers(inner: Inner, outer: Configured) -> list[Configured]:
    if not inner.config:
        return [Configured(inner.class_name, config=outer.config)]
    configs = (outer.config or {}).get
    config = next((value for key in inner.config.split("|") if (value := configs(key))), None)
    return [parse(value) or ANYTHING for value in (config if isinstance(config, list) else [config])]
