"""What agreement with Keras means: the same order, shape and trainable flag, and names that are each other's suffix.

Keras' own ``w.path`` depends on the scopes that were open when a layer was built, so of the two paths one must be
a suffix of the other by whole components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ckptread.tensors import TensorInfo


@dataclass(frozen=True)
class Weight:
    path: str
    shape: tuple[int, ...]
    trainable: bool


def weights_of(model: Any) -> list[Weight]:
    """``model.weights`` of Keras 2 and 3; in Keras 2 a variable's own flag does not say whether its layer is frozen."""
    if all(hasattr(weight, "path") for weight in model.weights):
        return [Weight(w.path, tuple(w.shape), w.trainable) for w in model.weights]
    trained = {id(weight) for weight in model.trainable_weights}
    return [Weight(w.name.removesuffix(":0"), tuple(w.shape), id(w) in trained) for w in model.weights]


def suffixes(ours: str, theirs: str) -> bool:
    a, b = ours.split("/"), theirs.split("/")
    n = min(len(a), len(b))
    return a[-n:] == b[-n:]


def model_rows(named: Sequence[TensorInfo]) -> list[TensorInfo]:
    return [info for info in named if info.role == "model" and info.repeats is None]


def disagreements(
    named: Sequence[TensorInfo],
    weights: Sequence[Weight],
    *,
    flags: bool = True,
    flags_required: bool = True,
    names_required: bool = True,
) -> list[str]:
    """Compare in order, weight by weight; without ``flags_required`` (or names) None is no disagreement."""
    rows, found = model_rows(named), []
    if len(rows) != len(weights):
        found.append(f"{len(rows)} tensors of the model, {len(weights)} weights: {[r.key for r in rows]}")
    for info, weight in zip(rows, weights, strict=False):
        path, shape = weight.path, weight.shape
        if info.shape != shape:
            found.append(f"{info.key}: shape {info.shape}, Keras {shape} ({path})")
        if info.variable is None or info.positional:
            if names_required:
                found.append(f"{info.key}: no name, Keras {path}")
        elif not suffixes(info.variable, path):
            found.append(f"{info.key}: {info.variable}, Keras {path}")
        if flags and (info.trainable is not None or flags_required) and info.trainable != weight.trainable:
            found.append(f"{info.key}: trainable {info.trainable}, Keras {weight.trainable} ({path})")
    names = [info.variable for info in named if info.variable is not None and info.repeats is None]
    found += [f"{name} is the name of two tensors" for name in set(names) if names.count(name) > 1]
    return found


def unordered_disagreements(
    named: Sequence[TensorInfo], weights: Sequence[Weight], *, flags: bool = True, names_required: bool = True
) -> list[str]:
    """Compare as sets, by the one weight whose path and shape agree; used where a format has no order."""
    rows, left, found = model_rows(named), list(weights), []
    if len(rows) != len(weights):
        found.append(f"{len(rows)} tensors of the model, {len(weights)} weights")
    for info in sorted(rows, key=lambda row: -(row.variable or "").count("/")):
        if info.variable is None or info.positional:
            found += [f"{info.key}: no name"] if names_required else []
            continue
        hits = [w for w in left if suffixes(info.variable, w.path) and info.shape == w.shape]
        exact = [w for w in hits if w.path == info.variable] or hits
        if not exact:
            found.append(f"{info.key}: {info.variable} {info.shape} is no weight of Keras'")
            continue
        left = [w for w in left if w is not exact[0]]
        if flags and info.trainable is not None and info.trainable != exact[0].trainable:
            found.append(f"{info.key}: trainable {info.trainable}, Keras {exact[0].trainable}")
    return found
