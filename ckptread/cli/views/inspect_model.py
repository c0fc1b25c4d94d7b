"""What ``ckptread inspect --layers`` and ``--model`` print: a model's layers and totals, and what its config says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ckptread.cli import documents, render
from ckptread.cli.parse.options import OutputFormat
from ckptread.model import LayerFact, ModelFacts
from ckptread.operations.inspect.layers import Amount, LayerSummary, ModelSummary, ModelTotals, summarize
from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.report import Table

if TYPE_CHECKING:
    from ckptread.reader import Reader
    from ckptread.tensors import TensorInfo

NO_CONFIG = (
    "this file holds no config of a model that can be read: weights alone do not say what model they are of "
    "(.keras files and .h5 files of whole models do)"
)
FLAGS = {True: "yes", False: "no", None: ""}
MOST_CLASSES = 60
"""How many classes of layers are counted by name."""


def inspect_model(
    reader: Reader, tensors: Sequence[TensorInfo] | None, depth: int, layout: OutputFormat, *, facts: bool, layers: bool
) -> None:
    """Print what the config says, and the layers that ``tensors`` (None: all) are of, down to ``depth``."""
    summary = summarize(reader, tensors=tensors, depth=depth) if layers else None
    if layout is OutputFormat.json:
        said = {"model": documents.model(reader.model)} if facts else {}
        found = documents.layers(summary) if summary is not None else {}
        render.json_document({**documents.checkpoint(reader), **said, **found})
    else:
        if facts:
            print_model(reader, layout)
        if facts and layers:
            render.line()
        if summary is not None:
            print_layers(summary, layout)
    if facts and reader.model is not None:
        for text in (*reader.model.runs_code, *reader.model.reads_files):
            render.note(f"warning: not safe to load from a stranger: {name_text(text)}")


def print_layers(summary: ModelSummary, layout: OutputFormat) -> None:
    """Print a row per layer, then the totals; as CSV in one table, whose first column tells the two apart."""
    exact = layout is not OutputFormat.table
    layers, totals = _layer_rows(summary.layers, exact=exact), _total_rows(summary.totals, exact=exact)
    if layout is OutputFormat.csv:
        head = ["row", "name", "class", "depth", "parameters", "bytes", "trainable", "frozen"]
        rows = [["layer", *row] for row in _exact_rows(summary.layers)]
        rows += [["total", name, "", "", parameters, nbytes, "", ""] for name, parameters, nbytes in totals]
        render.table(Table(head, rows), layout)
        return
    render.table(Table(["layer", "class", ">parameters", ">bytes", "trainable"], layers), layout)
    render.line()
    render.table(Table(["totals", ">parameters", ">bytes"], totals), layout)


def _layer_rows(layers: Sequence[LayerSummary], *, exact: bool) -> list[list[str]]:
    outermost = min((layer.depth for layer in layers), default=1)
    return [
        [
            "  " * (layer.depth - outermost) + (name_text(_last_name(layer)) or "(the model's own)"),
            name_text(layer.class_name or ""),
            *_amount(layer.weights, exact=exact),
            FLAGS[layer.trainable] if layer.keys else "",
        ]
        for layer in layers
    ]


def _last_name(layer: LayerSummary) -> str:
    """Return the name below the row above; a slash in that of an outermost layer is part of it."""
    return layer.name if layer.depth == 1 else layer.name.rpartition("/")[2]


def _exact_rows(layers: Iterable[LayerSummary]) -> Iterator[list[str]]:
    for layer in layers:
        known = [name_text(layer.name), name_text(layer.class_name or ""), str(layer.depth)]
        yield [*known, *_amount(layer.weights, exact=True), FLAGS[layer.trainable], str(layer.frozen.parameters)]


def _total_rows(totals: ModelTotals, *, exact: bool) -> list[list[str]]:
    named = {"total": totals.total, "trainable": totals.trained, "non-trainable": totals.frozen}
    if totals.unknown.parameters:
        named["trainable or not: unknown"] = totals.unknown
    return [[name, *_amount(each, exact=exact)] for name, each in {**named, "optimizer": totals.optimizer}.items()]


def _amount(amount: Amount, *, exact: bool) -> list[str]:
    if exact:
        return [str(amount.parameters), str(amount.nbytes)]
    return [f"{amount.parameters:,}", bytes_text(amount.nbytes)]


def print_model(reader: Reader, layout: OutputFormat) -> None:
    """Print what the config says of the model, or in one sentence that there is none."""
    if reader.model is None:
        render.prose([NO_CONFIG])
        return
    said = _facts(reader.model)
    if layout is OutputFormat.table:
        render.wrapped(said)
    else:
        render.table(Table(["what", "said"], said), layout)


def _facts(model: ModelFacts) -> list[tuple[str, str]]:
    said = {
        "class": f'{model.class_name} "{model.name}"' if model.name else model.class_name,
        "layers": _classes(model.layers),
        "input shape": model.input_shape,
        "Keras version": model.keras_version,
        "saved": model.date_saved,
        "optimizer": model.optimizer,
        "loss": model.loss,
        "dtype policy": model.dtype_policy,
        "custom objects": ", ".join(model.custom_objects) or "none",
        "runs code on loading": ", ".join(model.runs_code) or "nothing that is known to",
        "reads files on loading": ", ".join(model.reads_files),
    }
    return [(title, name_text(text)) for title, text in said.items() if text]


def _classes(layers: Iterable[LayerFact]) -> str:
    """Count the layers by class, the most frequent first."""
    counts = Counter(layer.class_name for layer in layers)
    if not counts:
        return "none in the config"
    parts = [name if count == 1 else f"{count} {name}" for name, count in counts.most_common(MOST_CLASSES)]
    return f"{counts.total()}: " + ", ".join(parts)
