"""The vocabularies in a config: Keras keeps one there if it was given to the layer when it was made."""

from __future__ import annotations

from typing import Any

from ckptread.names.keras.configs import as_mapping, as_text, find_objects


def config_vocabularies(config: Any) -> dict[str, bytes]:
    """Return the vocabularies by a name for each, as the lines that Keras writes to a file of its own."""
    found: dict[str, bytes] = {}
    for each in find_objects(config):
        layer = as_mapping(each.get("config"))
        words = layer.get("vocabulary")
        if isinstance(words, list) and words:
            text = "\n".join(map(str, words)).encode("utf-8", "surrogateescape")
            name = as_text(layer.get("name")) or str(each["class_name"])
            _add(found, f"config/{name}", text)
    return found


def _add(found: dict[str, bytes], place: str, text: bytes) -> None:
    """Add a vocabulary; another one of a layer of the same name gets a number."""
    names = [f"{place}/vocabulary", *(f"{place}/vocabulary_{number}" for number in range(2, 100))]
    free = next((name for name in names if found.get(name, text) == text), names[-1])
    found[free] = text
