"""What of a SavedModel is not Keras' own: classes of its objects, and operations of its graphs that use files.

Loading a SavedModel builds no class that is not registered, but it runs the operations of its graphs when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ckptread.names.keras.layers import LAYERS_KERAS_2, METRICS, WEIGHTLESS
from ckptread.names.tensorflow.messages import GRAPHS, SAVED_METADATA
from ckptread.untrusted.binary import Malformed, Message
from ckptread.untrusted.json_text import bounded_json

UNLISTED = (
    "AbstractRNNCell", "BinaryFocalCrossentropy", "CategoricalFocalCrossentropy", "ClassMethod", "DenseFeatures",
    "Huber", "InputLayer", "Layer", "LogCosh", "MeanMetricWrapper", "MeanRelativeError", "Metric", "Model",
    "PreprocessingLayer", "RandomBrightness", "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight",
    "RandomRotation", "RandomTranslation", "RandomWidth", "RandomZoom", "SlicingOpLambda",
    "SumOverBatchSizeMetricWrapper", "TFOpLambda", "TensorFlowOpLayer", "Sequential", "Functional",
)  # fmt: skip
"""Keras' other classes that a SavedModel may name: they have no rows in the tables of layers and metrics."""
KERAS_CLASSES = frozenset((*LAYERS_KERAS_2, *WEIGHTLESS, *METRICS, *UNLISTED))
READING = frozenset(
    ("ReadFile", "MatchingFiles", "WholeFileReaderV2", "TextLineReaderV2", "TFRecordReaderV2", "TextLineDataset",
     "TFRecordDataset", "TFRecordDatasetV2", "FixedLengthRecordDatasetV2")
)  # fmt: skip
WRITING = frozenset(("WriteFile", "DatasetToTFRecord", "WriteSummary", "CreateSummaryFileWriter"))
"""Operations on files, without those that every SavedModel has for its own variables."""


def custom_classes(keras_metadata: bytes | None) -> tuple[str, ...]:
    """Return the classes that keras_metadata.pb names and Keras does not have."""
    names = (
        _class_name(each.get("metadata", b"")) for each in _decode(SAVED_METADATA, keras_metadata).get("nodes", [])
    )
    return tuple(sorted({name for name in names if name and name not in KERAS_CLASSES}))


def file_operations(saved_model: bytes | None) -> tuple[str, ...]:
    """Return the operations in a SavedModel's graphs and functions that read or write files."""
    found = {op for graph in _decode(GRAPHS, saved_model).get("meta_graphs", []) for op in _operations(graph)}
    return tuple(f"operation {op}" for op in sorted(found & (READING | WRITING)))


def _operations(meta_graph: Mapping[str, Any]) -> Iterator[str]:
    graph = meta_graph.get("graph", {})
    yield from _names(graph.get("nodes", []))
    for function in graph.get("library", {}).get("functions", []):
        yield from _names(function.get("nodes", []))


def _names(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (node["op"] for node in nodes if "op" in node)


def _decode(message: Message, data: bytes | None) -> dict[str, Any]:
    try:
        return message.decode(data) if data else {}
    except (Malformed, RecursionError):
        return {}


def _class_name(metadata: bytes) -> str | None:
    try:
        value = bounded_json(metadata) if metadata else None
    except Malformed:
        return None
    name = value.get("class_name") if isinstance(value, dict) else None
    return name.rpartition(">")[2] if isinstance(name, str) else None
