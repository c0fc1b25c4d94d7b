"""LoRA: a layer with ``lora_rank`` has a frozen weight, and trains two factors of that rank instead.

Keras merges the factors into the weight when it saves, so that a file has only their slots in the optimizer's list
(keras/src/layers/core/dense.py, ``enable_lora``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ckptread.names.keras.configs import as_mapping, list_layers

Config = Mapping[str, Any]
Shape = tuple[int, ...]
Factor = tuple[str, Shape]
"""Name and shape."""

ADAPTED = ("kernel", "embeddings")
"""The weights that a layer may replace by factors."""


def lora_rank(config: Config | None) -> int | None:
    """Return the rank of a layer's factors; None if it has none."""
    rank = (config or {}).get("lora_rank")
    return rank if isinstance(rank, int) and not isinstance(rank, bool) and rank > 0 else None


def is_adapted(weight: str, config: Config | None) -> bool:
    """Whether a layer of this config trains factors in place of the weight of this name."""
    return weight in ADAPTED and lora_rank(config) is not None


def lora_factors(variable: str, shape: Shape, config: Config | None) -> list[Factor]:
    """Return the two factors that a layer trains in place of ``variable``."""
    rank, (place, _, weight) = lora_rank(config), variable.rpartition("/")
    if rank is None or not shape:
        return []
    first = f"{place}/lora_{weight}" if place else f"lora_{weight}"
    return [(f"{first}_a", (*shape[:-1], rank)), (f"{first}_b", (rank, shape[-1]))]


def adapted_layers(objects: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the layers with LoRA by rank: ``rank 4: query, value``."""
    return list_layers(
        (f"rank {rank}", each) for each in objects if (rank := lora_rank(as_mapping(each.get("config")))) is not None
    )
