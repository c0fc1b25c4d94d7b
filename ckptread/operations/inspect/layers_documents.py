"""What ``ckptread inspect --layers`` and ``--model`` say in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ckptread.model import LayerFact, ModelFacts
from ckptread.operations.documents import CheckpointDocument

if TYPE_CHECKING:
    from ckptread.operations.inspect.layers import Amount, ModelSummary


class AmountDocument(msgspec.Struct, kw_only=True):
    """The totals of some tensors."""

    parameters: int
    nbytes: int


class LayerDocument(msgspec.Struct, kw_only=True):
    """One layer of a model."""

    name: str
    """With the names of the layers around it; "" for weights of no known layer."""
    class_name: str | None
    depth: int
    trainable: bool | None
    """The layer's own flag."""
    keys: tuple[str, ...]
    """Its weights, in the model's order."""
    weights: AmountDocument
    trained: AmountDocument
    frozen: AmountDocument
    unknown: AmountDocument
    """Weights of unknown trainability."""


class ModelTotalsDocument(msgspec.Struct, kw_only=True):
    """The totals of a model. Keras 3 prints the first four."""

    total: AmountDocument
    trained: AmountDocument
    frozen: AmountDocument
    optimizer: AmountDocument
    unknown: AmountDocument
    model: AmountDocument
    """All weights: what Keras 2 prints as the total."""


class LayerFactDocument(msgspec.Struct, kw_only=True):
    """One layer of a config."""

    name: str | None
    class_name: str
    trainable: bool | None
    layers: list[LayerFactDocument]
    """Those of a model in it."""


class ModelFactsDocument(msgspec.Struct, kw_only=True):
    """What a config says of its model."""

    class_name: str
    name: str | None
    layers: list[LayerFactDocument]
    trainable: bool | None
    input_shape: str | None
    """As text: ``(None, 5, 2)``; several inputs by name."""
    keras_version: str | None
    date_saved: str | None
    optimizer: str | None
    keeps_slots: bool | None
    """Whether the optimizer keeps variables per weight."""
    loss: str | None
    dtype_policy: str | None
    quantized: tuple[str, ...]
    """The quantized layers by mode: ``int8: embedding, dense``."""
    lora: tuple[str, ...]
    """The layers with LoRA by rank: ``rank 4: query, value``."""
    custom_objects: tuple[str, ...]
    """Registered names of classes and functions that are not Keras' own."""
    runs_code: tuple[str, ...]
    """What would run code when Keras loads the model."""
    reads_files: tuple[str, ...]


class InspectModelDocument(CheckpointDocument, kw_only=True):
    """``ckptread inspect --layers`` or ``--model``, ``--format json``."""

    model: ModelFactsDocument | msgspec.UnsetType | None = msgspec.UNSET
    """With --model; null if the file has no config."""
    totals: ModelTotalsDocument | msgspec.UnsetType = msgspec.UNSET
    """With --layers."""
    layers: list[LayerDocument] | msgspec.UnsetType = msgspec.UNSET
    """With --layers."""


def model_totals_document(summary: ModelSummary) -> ModelTotalsDocument:
    """Return the totals of a model."""
    totals = summary.totals
    return ModelTotalsDocument(**{name: _amount_document(getattr(totals, name)) for name in totals.__struct_fields__})


def layer_documents(summary: ModelSummary) -> list[LayerDocument]:
    """Return the layers of a model."""
    return [
        LayerDocument(
            name=layer.name, class_name=layer.class_name, depth=layer.depth, trainable=layer.trainable,
            keys=layer.keys, weights=_amount_document(layer.weights), trained=_amount_document(layer.trained),
            frozen=_amount_document(layer.frozen), unknown=_amount_document(layer.unknown),
        )
        for layer in summary.layers
    ]  # fmt: skip


def _amount_document(amount: Amount) -> AmountDocument:
    return AmountDocument(parameters=amount.parameters, nbytes=amount.nbytes)


def model_document(model: ModelFacts) -> ModelFactsDocument:
    """Return what a config says of its model."""
    fields = {name: getattr(model, name) for name in model.__struct_fields__}
    return ModelFactsDocument(**{**fields, "layers": list(map(_layer_fact_document, model.layers))})


def _layer_fact_document(layer: LayerFact) -> LayerFactDocument:
    inner = list(map(_layer_fact_document, layer.layers))
    return LayerFactDocument(name=layer.name, class_name=layer.class_name, trainable=layer.trainable, layers=inner)
