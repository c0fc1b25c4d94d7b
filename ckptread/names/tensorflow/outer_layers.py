"""Finds the names of layers that have slashes, as Keras 2 allows: ``a``, ``a/b`` and ``a/b/c`` may be three layers.

A full name does not show where the name of a layer ends. The path of the object does: Keras numbers a model's layers in
it, and what is right inside one is a variable of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile

import msgspec

from ckptread.tensors import OBJECT_VALUE, TensorInfo

LISTED_LAYER = re.compile(r"(?:.*/)?layer(?:_with_weights)?-[0-9]+(?=/)")
"""The path of the innermost object in a key that is listed as a model's layer."""


def name_outer_layers(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Return the tensors, with the name of the outermost layer where it has slashes."""
    found = ((info.key, LISTED_LAYER.match(info.key)) for info in tensors if info.layer)
    owners = {key: match[0] for key, match in found if match is not None}
    names = {owner: name for owner, name in _layer_names(tensors, owners).items() if name}
    slashed = {owner: name for owner, name in names.items() if "/" in name}
    if not slashed or _is_model_name(list(names.values())):
        return list(tensors)
    return [
        msgspec.structs.replace(info, outer=slashed[owners[info.key]]) if owners.get(info.key) in slashed else info
        for info in tensors
    ]


def _layer_names(tensors: Sequence[TensorInfo], owners: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each listed layer: the scope of its own variables, or what its objects' scopes begin with."""
    own: dict[str, str] = {}
    inside: dict[str, list[list[str]]] = {}
    for info in tensors:
        owner, scope = owners.get(info.key), (info.layer or "").split("/")
        if owner is not None:
            depth = info.key.removesuffix(OBJECT_VALUE).count("/", len(owner)) - 1
            if depth == 0:
                own.setdefault(owner, "/".join(scope))
            inside.setdefault(owner, []).append(scope[: max(1, len(scope) - depth)])
    return {owner: own.get(owner) or "/".join(_shared_start(scopes)) for owner, scopes in inside.items()}


def _shared_start(scopes: Sequence[Sequence[str]]) -> list[str]:
    """Return the components that all scopes begin with."""
    return [each[0] for each in takewhile(lambda parts: len(set(parts)) == 1, zip(*scopes, strict=False))]


def _is_model_name(names: Sequence[str]) -> bool:
    """Whether all names begin with one that is not a layer's: that of a model which was built when it was called."""
    firsts = {name.partition("/")[0] for name in names}
    return len(firsts) == 1 and len(names) > 1 and firsts.isdisjoint(names)
