"""Whether a weight is trained, by the flags of the layers around it and by the table of layers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ckptread.limits import MAX_WRAPPED
from ckptread.names.keras.configs import Configured, inner_layers
from ckptread.names.keras.layers import LAYERS_KERAS_2, WEIGHTLESS
from ckptread.names.keras.variants import rows_of


class Flags(msgspec.Struct, frozen=True):
    """How trainable flags work in one version of Keras."""

    version_2: bool = False
    """Whether Keras 1 or 2 wrote the file: then a frozen layer freezes everything inside it."""

    def inside(self, layer: Configured, around: bool | None) -> bool | None:
        """Return the flag inside a layer, given the flag ``around`` it."""
        if layer.trainable is None or (self.version_2 and around is False):
            return around
        return layer.trainable

    def of(self, layer: Configured, weight: str, around: bool | None) -> bool | None:
        """Return whether the weight of this name, in a layer or in one inside it, is trained; None if unknown."""
        owners = list(self._owner_flags(layer, bare(weight), around))
        if not owners:
            return False if self.inside(layer, around) is False else None
        return owners[0] if all(each == owners[0] for each in owners) else None

    def may_hold(self, layer: Configured, weight: str) -> bool:
        """Whether a layer can have a weight of this name; a layer of unknown class can have any."""
        if layer.class_name in WEIGHTLESS:
            return False
        return not is_leaf(layer) or any(True for _ in self._owner_flags(layer, bare(weight), None))

    def _owner_flags(
        self, layer: Configured, weight: str, around: bool | None, depth: int = 0
    ) -> Iterator[bool | None]:
        """Yield the flag of ``weight`` for each built-in layer that has one, ``layer`` itself or inside it."""
        row, flag = LAYERS_KERAS_2.get(layer.class_name or ""), self.inside(layer, around)
        if row is None or depth > MAX_WRAPPED:
            return
        rows = rows_of(layer.class_name or "", row, layer.config)
        may_train = {each.trainable for weights in rows for each in weights if each.name == weight}
        if may_train:
            yield None if flag and len(may_train) > 1 else (flag if True in may_train else False)
        for each in (each for inner in row.inner for each in inner_layers(inner, layer)):
            yield from self._owner_flags(each, weight, flag, depth + 1)


def bare(weight: str) -> str:
    """Return a weight's name without the number that TensorFlow appends: ``kernel_1``."""
    return re.sub(r"_[0-9]+$", "", weight)


def is_leaf(layer: Configured) -> bool:
    """Whether a layer is a built-in one without layers inside it."""
    row = LAYERS_KERAS_2.get(layer.class_name or "")
    return row is not None and not row.inner and layer.inner is None
