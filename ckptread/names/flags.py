"""Where a weight's name leads in a config: the layers around it, and whether it is trained.

For the layouts in which names are stored (``bidirectional/forward_lstm/lstm_cell/kernel``). Such a name holds
whatever scopes were open when the layer was built, so the layers of the config decide which of its components
count: ``sequential/dense/kernel`` in the model ``inner`` is ``inner/dense``'s kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ckptread.names.configs import ANYTHING, Configured, parse
from ckptread.names.layers import LAYERS_KERAS_2
from ckptread.names.variants import rows_of

MAX_DEPTH = 16


def locate(layer: Configured, parts: Sequence[str], flag: bool | None) -> tuple[tuple[str, ...], bool | None]:
    """Return the names of the layers around a weight of ``layer``, and the weight's trainable flag.

    ``parts`` is the weight's name as stored, by components; ``flag`` the trainable flag around ``layer``.
    """
    chain = [layer.name] if layer.name else []
    *scopes, weight = parts
    if layer.name in scopes:
        scopes = scopes[scopes.index(layer.name) + 1 :]
    while layer.inner is not None:
        flag = layer.trainable if layer.trainable is not None else flag
        names = {inner.name: inner for inner in layer.inner}
        at = next((at for at, scope in enumerate(scopes) if scope in names), None)
        if at is None:
            break
        layer, scopes = names[scopes[at]], scopes[at + 1 :]
        chain.append(layer.name or "")
    return (*chain, *scopes), _trainable(layer, weight, flag)


def _trainable(layer: Configured, weight: str, flag: bool | None) -> bool | None:
    flag = layer.trainable if layer.trainable is not None else flag
    owners = list(_owners(layer, re.sub(r"_[0-9]+$", "", weight), flag))
    if not owners:
        return False if flag is False else None
    return owners[0] if all(each == owners[0] for each in owners) else None


def _owners(layer: Configured, weight: str, flag: bool | None, depth: int = 0) -> Iterator[bool | None]:
    """Yield the flag of ``weight`` for each built-in layer, in ``layer`` or itself, that has such a weight."""
    row = LAYERS_KERAS_2.get(layer.class_name or "")
    flag = layer.trainable if layer.trainable is not None else flag
    if row is None or depth > MAX_DEPTH:
        return
    rows = rows_of(layer.class_name or "", row, layer.config)
    may_train = {each.trainable for weights in rows for each in weights if each.name == weight}
    if may_train:
        yield None if flag and len(may_train) > 1 else (flag if True in may_train else False)
    for inner in row.inner:
        config = next((value for key in inner.config.split("|") if (value := (layer.config or {}).get(key))), None)
        several = config if isinstance(config, list) else [config]
        things = [parse(value) or ANYTHING for value in several] if inner.config else [Configured(inner.class_name)]
        for thing in things:
            yield from _owners(thing, weight, flag, depth + 1)
