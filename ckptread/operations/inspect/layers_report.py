"""How ``ckptread inspect --layers`` and ``--model`` show a model: its layers and totals, and what its config says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ckptread.model import LayerFact, ModelFacts
from ckptread.operations.inspect.heading import heading
from ckptread.operations.inspect.layers_documents import (
    InspectModelDocument,
    LayerDocument,
    layer_documents,
    model_document,
    model_totals_document,
)
from ckptread.operations.inspect.report import FLAGS, ListingReport, checkpoint_of
from ckptread.reports.cells import bytes_text, name_text, rounded_text
from ckptread.reports.report import Block, Cell, Facts, Line, Report, Table

if TYPE_CHECKING:
    from ckptread.operations.inspect.layers import Amount, LayerSummary, ModelSummary, ModelTotals

NO_CONFIG = (
    "this file has no model config that can be read: weights alone do not show the model that they belong to "
    "(.keras files and .h5 files of complete models have one)"
)
MOST_CLASSES = 60
"""How many classes of layers are counted by name."""
FACTS_WIDTH = 100


class LayersReport(Report):
    """The layers of a model, and its totals."""

    def __init__(self, summary: ModelSummary) -> None:
        self._summary = summary

    def records(self) -> list[LayerDocument]:
        """Return the layers."""
        return layer_documents(self._summary)

    def tables(self) -> list[Table]:
        """Return a row per layer, and the totals."""
        return self._tables(exact=True)

    def flat_tables(self) -> list[Table]:
        """Return both in one table, whose first column tells them apart."""
        head = ["row", "name", "class", "depth", "parameters", "bytes", "trainable", "frozen"]
        rows = [["layer", *row] for row in _exact_rows(self._summary.layers)]
        rows += [["total", name, "", "", *sizes, "", ""] for name, *sizes in _total_rows(self._summary.totals, True)]
        return [Table(head, rows)]

    def lines(self) -> Iterator[Block]:
        """Yield a row per layer, and the totals."""
        layers, totals = self._tables(exact=False)
        yield from (layers, Line(), totals)

    def _tables(self, *, exact: bool) -> list[Table]:
        layers = _layer_rows(self._summary.layers, exact)
        totals = _total_rows(self._summary.totals, exact)
        return [
            Table(["layer", "class", ">parameters", ">bytes", "trainable"], layers, ("bytes", "parameters")),
            Table(["totals", ">parameters", ">bytes"], totals),
        ]


class ModelReport(ListingReport):
    """What the config says of the model, and its layers: one of them, or both."""

    def document(self) -> InspectModelDocument:
        """Return what was asked for; the rest is left out."""
        found = self._found
        document = InspectModelDocument(**checkpoint_of(found))
        if found.view.model:
            document.model = None if found.model is None else model_document(found.model)
        if found.summary is not None:
            document.totals = model_totals_document(found.summary)
            document.layers = layer_documents(found.summary)
        return document

    def tables(self) -> list[Table]:
        """Return a row per fact of the config, and the tables of the layers."""
        return [*self._fact_tables(), *(self._layers.tables() if self._layers is not None else [])]

    def flat_tables(self) -> list[Table]:
        """Return the facts, and the layers in one table."""
        return [*self._fact_tables(), *(self._layers.flat_tables() if self._layers is not None else [])]

    def lines(self) -> Iterator[Block]:
        """Yield the heading, the facts and the layers."""
        yield from heading(self._found)
        if self._found.view.model:
            yield self._facts()
        if self._layers is not None:
            yield from [Line()] if self._found.view.model else []
            yield from self._layers.lines()

    def notes(self) -> Iterator[str]:
        """Yield what is not safe, what is wrong with the file, and what it does not record."""
        model = self._found.model if self._found.view.model else None
        for text in (*model.runs_code, *model.reads_files) if model is not None else ():
            yield f"warning: not safe to load from a stranger: {name_text(text)}"
        yield from super().notes()

    @property
    def _layers(self) -> LayersReport | None:
        return None if self._found.summary is None else LayersReport(self._found.summary)

    def _fact_tables(self) -> list[Table]:
        model = self._found.model
        rows = [("config", NO_CONFIG)] if model is None else _model_facts(model)
        return [Table(["what", "said"], rows)] if self._found.view.model else []

    def _facts(self) -> Block:
        if self._found.model is None:
            return Line(NO_CONFIG, "prose")
        return Facts(_model_facts(self._found.model), width=FACTS_WIDTH)


def _layer_rows(layers: Sequence[LayerSummary], exact: bool) -> list[list[str]]:
    outermost = min((layer.depth for layer in layers), default=1)
    return [
        [
            "  " * (layer.depth - outermost) + (name_text(_last_name(layer)) or "(the model's own)"),
            name_text(layer.class_name or ""),
            *_sizes(layer.weights, exact),
            FLAGS[layer.trainable] if exact else _trainable_cell(layer),
        ]
        for layer in layers
    ]


def _trainable_cell(layer: LayerSummary) -> str:
    """Return whether a layer is trained: how much of it, where layers inside it are frozen."""
    trained, total = layer.trained.parameters, layer.weights.parameters
    if layer.partly:
        return Cell(f"partly ({rounded_text(trained)} of {rounded_text(total)})", "frozen")
    if layer.frozen.parameters == total:
        return FLAGS[False] if total else ""
    return FLAGS[layer.trainable]


def _last_name(layer: LayerSummary) -> str:
    """Return the name below the row above; a slash in the name of an outermost layer is part of it."""
    return layer.name if layer.depth == 1 else layer.name.rpartition("/")[2]


def _exact_rows(layers: Iterable[LayerSummary]) -> Iterator[list[str]]:
    for layer in layers:
        known = [name_text(layer.name), name_text(layer.class_name or ""), str(layer.depth)]
        yield [*known, *_sizes(layer.weights, exact=True), FLAGS[layer.trainable], str(layer.frozen.parameters)]


def _total_rows(totals: ModelTotals, exact: bool) -> list[list[str]]:
    named = {"total": totals.total} if exact else {"model": totals.model}
    named |= {"trainable": totals.trained, "non-trainable": totals.frozen}
    if totals.unknown.parameters:
        named["trainable or not: unknown" if exact else "unknown trainability"] = totals.unknown
    named |= {"optimizer": totals.optimizer} | ({} if exact else {"model and optimizer": totals.total})
    return [[name, *_sizes(each, exact)] for name, each in named.items()]


def _sizes(amount: Amount, exact: bool) -> list[str]:
    if exact:
        return [str(amount.parameters), str(amount.nbytes)]
    return [f"{amount.parameters:,}", bytes_text(amount.nbytes)]


def _model_facts(model: ModelFacts) -> list[tuple[str, str]]:
    said = {
        "class": f'{model.class_name} "{model.name}"' if model.name else model.class_name,
        "layers": _classes(model.layers),
        "input shape": model.input_shape,
        "Keras version": model.keras_version,
        "saved": model.date_saved,
        "optimizer": model.optimizer,
        "loss": model.loss,
        "dtype policy": model.dtype_policy,
        "quantized": "; ".join(model.quantized),
        "LoRA": "; ".join(model.lora),
        "custom objects": ", ".join(model.custom_objects) or "none",
        "runs code on loading": ", ".join(model.runs_code) or "nothing that is known to",
        "reads or writes files": ", ".join(model.reads_files),
    }
    return [(title, name_text(text)) for title, text in said.items() if text]


def _classes(layers: Iterable[LayerFact]) -> str:
    """Count the layers by class, the most frequent first."""
    counts = Counter(layer.class_name for layer in layers)
    if not counts:
        return "none in the config"
    parts = [name if count == 1 else f"{count} {name}" for name, count in counts.most_common(MOST_CLASSES)]
    return f"{counts.total()}: " + ", ".join(parts)
