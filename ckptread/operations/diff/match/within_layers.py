"""Pairing tensors whose names are only positions, by their layer and their shape: ``key/0`` with ``key/kernel``.

A .keras archive has no names for the weights of a custom layer, while a TensorFlow checkpoint of the same model does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ckptread.operations.diff.match.in_order import compatible
from ckptread.operations.diff.match.name_endings import pair_endings
from ckptread.operations.diff.match.pairs import Pair
from ckptread.tensors import TensorInfo
from ckptread.wording import quoted


def pair_within_layers(a: Sequence[TensorInfo], b: Sequence[TensorInfo]) -> list[Pair]:
    """Pair what is alone in its shape in one layer, on both sides, if the name of either is only a position."""
    of_a, of_b = _alone_in_shape(a), _alone_in_shape(b)
    places = pair_endings([(name, t.role) for name, t in of_a.items()], [(name, t.role) for name, t in of_b.items()])
    ones, others = list(of_a.values()), list(of_b.values())
    equal = [(of_a[name], of_b[name]) for name in of_a if name in of_b]
    done = {t.key for pair in equal for t in pair}
    alike = [(ones[i], others[j]) for i, j in places if not {ones[i].key, others[j].key} & done]
    return [_pair(one, other) for one, other in (*equal, *alike) if _may_be_one(one, other)]


def _alone_in_shape(tensors: Sequence[TensorInfo]) -> Mapping[str, TensorInfo]:
    """Return tensors by their layer and shape, where no other has the same."""
    found: dict[str, list[TensorInfo]] = {}
    for info in tensors:
        if info.layer and info.shape is not None:
            found.setdefault(f"{info.layer} {info.shape}", []).append(info)
    return {name: infos[0] for name, infos in found.items() if len(infos) == 1}


def _may_be_one(a: TensorInfo, b: TensorInfo) -> bool:
    return (a.positional or b.positional) and a.shape == b.shape and compatible(a, b)


def _pair(a: TensorInfo, b: TensorInfo) -> Pair:
    why = f"the only one of this shape in {quoted(a.layer or '')}"
    return Pair(a=a, b=b, by="shape", certainty="likely", why=why)
