"""What of a SavedModel is not Keras' own: classes of its objects, and operations of its graphs that use files.

Loading a SavedModel builds no class that is not registered, but it runs the operations of its graphs when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ckptread.model import ModelFacts
from ckptread.names.keras.layers import LAYERS_KERAS_2, METRICS, WEIGHTLESS
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.names.tensorflow.messages import GRAPHS, SAVED_METADATA, SAVED_MODEL
from ckptread.names.tensorflow.saved_model import keras_evidence
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
    ("ReadFile", "MatchingFiles", "WholeFileReaderV2", "TextLineReaderV2", "TFRecordReaderV2", "LMDBReader",
     "FixedLengthRecordReaderV2", "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2", "CSVDataset",
     "CSVDatasetV2", "SqlDataset", "FixedLengthRecordDatasetV2", "LoadDataset", "MatchingFilesDataset",
     "ImmutableConst")
)  # fmt: skip
WRITING = frozenset(
    ("WriteFile", "DatasetToTFRecord", "WriteSummary", "CreateSummaryFileWriter", "SaveDataset", "SaveDatasetV2",
     "SnapshotDatasetV2", "CacheDataset", "CacheDatasetV2")
)  # fmt: skip
"""Operations on files, without those that every SavedModel has for its own variables."""
RUNNING = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))
"""Operations that call Python functions."""
PRINTS_TO_FILE = b"file://"
"""How the output of the operation PrintV2 begins, if it is a file."""


IDENTIFIERS = frozenset(
    ("_generic_user_object", "signature_map", "trackable_list_wrapper", "trackable_dict_wrapper",
     "trackable_tuple_wrapper", "trackable_ordered_dict_wrapper", "optimizer", "experimentalOptimizer")
)  # fmt: skip
"""What TensorFlow calls its own kinds of objects, besides those with these beginnings:"""
KERAS_IDENTIFIER, TENSORFLOW_IDENTIFIER = "_tf_keras_", "tf_"
OWN_PACKAGES = ("tf.", "keras.", "Keras")
"""How registered names of TensorFlow and Keras begin."""
UNKNOWN = "unknown: keras_metadata.pb, which names the classes, is missing"


def saved_model_facts(saved_model: bytes | None, keras_metadata: bytes | None) -> ModelFacts | None:
    """Return what Keras 2 noted of its model, and what of a SavedModel is not Keras' own; Keras 3 notes nothing."""
    facts = read_model_facts(keras_evidence(saved_model, keras_metadata))
    objects = _saved_objects(saved_model)
    custom, operations = _custom_classes(objects, keras_metadata), file_operations(saved_model)
    running = _described(_all_operations(saved_model) & RUNNING)
    if facts is None:
        unnamed = any(
            each.get("user_object", {}).get("identifier", "").startswith(KERAS_IDENTIFIER) for each in objects
        )
        custom = {*custom, *([UNKNOWN] if unnamed else [])}
        facts = ModelFacts(class_name="SavedModel") if custom or operations or running else None
    return facts and msgspec.structs.replace(
        facts,
        custom_objects=tuple(sorted({*facts.custom_objects, *custom})),
        reads_files=(*facts.reads_files, *operations),
        runs_code=(*facts.runs_code, *running),
    )


def _saved_objects(saved_model: bytes | None) -> list[dict[str, Any]]:
    graphs = _decode(SAVED_MODEL, saved_model).get("meta_graphs", [])
    return [each for graph in graphs for each in graph.get("object_graph", {}).get("nodes", [])]


def _custom_classes(objects: Iterable[Mapping[str, Any]], keras_metadata: bytes | None) -> set[str]:
    """Return the classes that are not Keras': registered, or in keras_metadata.pb, before 2.5 in saved_model.pb."""
    users = [each["user_object"] for each in objects if "user_object" in each]
    texts = [each.get("metadata", b"") for each in _decode(SAVED_METADATA, keras_metadata).get("nodes", [])]
    texts += [each.get("metadata", "").encode("utf-8", "surrogateescape") for each in users]
    found = {name for name in map(_class_name, texts) if name and name not in KERAS_CLASSES}
    found |= {n for each in objects if (n := each.get("registered_name", "")) and not n.startswith(OWN_PACKAGES)}
    identifiers = {each.get("identifier", "") for each in users} - IDENTIFIERS - {""}
    return found | {
        f"{each} (an object's identifier)"
        for each in identifiers
        if not each.startswith((KERAS_IDENTIFIER, TENSORFLOW_IDENTIFIER))
    }


def file_operations(saved_model: bytes | None) -> tuple[str, ...]:
    """Return the operations in a SavedModel's graphs and functions that read or write files."""
    found = _all_operations(saved_model)
    prints = {"PrintV2"} & found if PRINTS_TO_FILE in (saved_model or b"") else set()
    return _described(found & (READING | WRITING) | prints)


def _described(operations: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"operation {op}" for op in sorted(operations))


def _all_operations(saved_model: bytes | None) -> set[str]:
    return {op for graph in _decode(GRAPHS, saved_model).get("meta_graphs", []) for op in _operations(graph)}


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
