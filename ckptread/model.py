"""What a file's own config says of its model, as plain data: nothing is built, imported or run to find it out."""

from __future__ import annotations

import msgspec


class LayerFact(msgspec.Struct, frozen=True):
    """A layer of a model, or an operation of a functional one."""

    name: str | None
    class_name: str
    trainable: bool | None
    """Its flag; None where the config has none."""
    layers: tuple[LayerFact, ...] = ()
    """Its own layers, where it is a model whose config lists them."""


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the config says of the model; None or empty where it does not say."""

    class_name: str
    name: str | None = None
    layers: tuple[LayerFact, ...] = ()
    """As ``model.summary()`` lists them; empty for a subclassed model, whose config holds none."""
    trainable: bool | None = None
    """The model's own flag: where it is off, nothing is trained, whatever its layers say."""
    input_shape: str | None = None
    """As ``(None, 224, 224, 3)``; several inputs by name."""
    keras_version: str | None = None
    date_saved: str | None = None
    """As the file has it."""
    optimizer: str | None = None
    keeps_slots: bool | None = None
    """Whether that optimizer keeps variables for each weight once it is built."""
    loss: str | None = None
    dtype_policy: str | None = None
    """The policy of the model, or the one that all its layers share."""
    custom_objects: tuple[str, ...] = ()
    """Registered names of the classes and functions that are not Keras' own."""
    runs_code: tuple[str, ...] = ()
    """What would run code on loading, each with its name."""
    reads_files: tuple[str, ...] = ()
    """Layers that would read a file on loading, each with the file's name."""
