"""The facts about a model in its file's config, as plain data. No model is built and no code is run to read them."""

from __future__ import annotations

import msgspec


class LayerFact(msgspec.Struct, frozen=True):
    """A layer of a model, or an operation of a functional model."""

    name: str | None
    class_name: str
    trainable: bool | None
    """Its trainable flag; None if the config has none."""
    layers: tuple[LayerFact, ...] = ()
    """The layers inside it, if it is a model whose config lists them."""


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a model in its config; a field is None or empty if the config does not have it."""

    class_name: str
    name: str | None = None
    layers: tuple[LayerFact, ...] = ()
    """As in ``model.summary()``; empty for a subclassed model, whose config has none."""
    trainable: bool | None = None
    """The model's own flag: if it is False, nothing is trained, whatever its layers' flags are."""
    input_shape: str | None = None
    """For example ``(None, 224, 224, 3)``; several inputs are listed by name."""
    keras_version: str | None = None
    date_saved: str | None = None
    """In the file's own format."""
    optimizer: str | None = None
    keeps_slots: bool | None = None
    """Whether that optimizer has variables for each weight once it is built."""
    loss: str | None = None
    dtype_policy: str | None = None
    """The dtype policy that all layers share, or else the model's own."""
    quantized: tuple[str, ...] = ()
    """The quantized layers by mode: ``int8: embedding, dense``."""
    lora: tuple[str, ...] = ()
    """The layers with LoRA by rank: ``rank 4: query, value``."""
    custom_objects: tuple[str, ...] = ()
    """Registered names of classes and functions that are not part of Keras."""
    runs_code: tuple[str, ...] = ()
    """Objects that would run code on loading, by class and name."""
    reads_files: tuple[str, ...] = ()
    """Layers that would read a file on loading, by class and name, with the file's name; and the operations of a
    SavedModel's graphs that read or write files."""
