"""Reads names and trainable flags from the files next to a checkpoint: saved_model.pb, keras_metadata.pb, .meta.

saved_model.pb has the same objects as the checkpoint's object graph, under the same numbers, with each variable's
name, shape and trainable flag. Its collections (TensorFlow 1) list the variables that are trained, as does the .meta
file of a TensorFlow 1 checkpoint. Keras 2.5 and later writes a layer's flag into keras_metadata.pb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.names.tensorflow.messages import META_GRAPH, SAVED_METADATA, SAVED_MODEL, VARIABLE
from ckptread.names.tensorflow.object_graph import GraphNode
from ckptread.untrusted.binary import Malformed, Message, bytes_field
from ckptread.untrusted.json_text import bounded_json

if TYPE_CHECKING:
    from ckptread.names.keras.describe import KerasEvidence


class SavedGraph(msgspec.Struct, frozen=True):
    """What the graph files record."""

    names: dict[int, str] = msgspec.field(default_factory=dict)
    """A variable's name by its object's number."""
    never_trained: frozenset[int] = frozenset()
    """Variables whose own flag is False; one whose flag is True may be in a frozen layer all the same."""
    trained: frozenset[str] | None = None
    """Names of the collection of trainable variables; None if there is no such collection."""
    known: Mapping[str, int] = msgspec.field(default_factory=dict)
    """All variables of the collections, with their positions in the order of creation."""


OUTLINE = Message({2: bytes_field("meta_graphs", repeated=True)})
"""A SavedModel, its graphs not decoded: they take as long as all of a listing."""


def parse_saved_model(saved_model: bytes | None, meta_graph: bytes | None) -> SavedGraph:
    """Read saved_model.pb, or a .meta file; missing or invalid parts count as empty."""
    graphs = _decode_or_empty(SAVED_MODEL, saved_model).get("meta_graphs", [])
    graph = graphs[0] if graphs else _decode_or_empty(META_GRAPH, meta_graph)
    objects = graph.get("object_graph", {}).get("nodes", [])
    variables = {number: each["variable"] for number, each in enumerate(objects) if "variable" in each}
    collections = {each.get("name"): each.get("collection", {}) for each in graph.get("collections", [])}
    trained = _collection_names(collections.get("trainable_variables"))
    listed = [*map(_collection_names, map(collections.get, ("variables", "local_variables"))), trained]
    return SavedGraph(
        names={number: each["name"].removesuffix(":0") for number, each in variables.items() if each.get("name")},
        never_trained=frozenset(number for number, each in variables.items() if not each.get("trainable", False)),
        trained=None if trained is None else frozenset(trained),
        known={name: at for at, name in enumerate(dict.fromkeys(name for names in listed for name in names or ()))},
    )


def is_saved_model(data: bytes) -> bool:
    """Whether bytes are a SavedModel: a protocol buffer with at least one graph, which is not decoded here."""
    return bool(_decode_or_empty(OUTLINE, data).get("meta_graphs"))


def _decode_or_empty(message: Message, data: bytes | None) -> dict[str, Any]:
    try:
        return message.decode(data) if data else {}
    except (Malformed, RecursionError):
        return {}


def _collection_names(collection: Any) -> list[str] | None:
    """Return the names of a collection's variables; a partition has the name of the complete variable."""
    if collection is None:
        return None
    names = []
    for data in collection.get("bytes_list", {}).get("values", []):
        variable = _decode_or_empty(VARIABLE, data)
        full_name = variable.get("slice_info", {}).get("full_name")
        names.append(full_name or variable.get("name", "").removesuffix(":0"))
    return names


def keras_evidence(saved_model: bytes | None, keras_metadata: bytes | None) -> KerasEvidence:
    """Return what Keras 2 recorded of the model: in keras_metadata.pb, before Keras 2.5 in saved_model.pb itself."""
    from ckptread.names.keras.describe import KerasEvidence

    recorded = _model_metadata(saved_model, keras_metadata)
    version = recorded.get("keras_version")
    return KerasEvidence(
        config=recorded.get("model_config") or {name: recorded.get(name) for name in ("class_name", "config")},
        training_config=recorded.get("training_config"),
        keras_version=version if isinstance(version, str) else None,
    )


def _model_metadata(saved_model: bytes | None, keras_metadata: bytes | None) -> dict[str, Any]:
    """Return the metadata of the first object: JSON with the same configs as in a model saved as .h5."""
    nodes = _decode_or_empty(SAVED_METADATA, keras_metadata).get("nodes", [])
    texts = [each.get("metadata", b"") for each in nodes if each.get("node_id", 0) == 0]
    for graph in _decode_or_empty(SAVED_MODEL, saved_model).get("meta_graphs", [])[:1]:
        objects = graph.get("object_graph", {}).get("nodes", [])[:1]
        texts += [
            each.get("user_object", {}).get("metadata", "").encode("utf-8", "surrogateescape") for each in objects
        ]
    return next((value for data in texts if isinstance(value := _parse_metadata(data), dict)), {})


def _parse_metadata(data: bytes) -> Any:
    try:
        return bounded_json(data) if data else None
    except Malformed:
        return None


def frozen_layers(keras_metadata: bytes | None, nodes: Sequence[GraphNode]) -> set[int]:
    """Return the variables of the layers that are frozen according to keras_metadata.pb."""
    found: set[int] = set()
    for each in _decode_or_empty(SAVED_METADATA, keras_metadata).get("nodes", []):
        number = each.get("node_id", 0)
        if 0 <= number < len(nodes) and _is_frozen(each.get("metadata", b"")):
            found |= {child for child in nodes[number].children.values() if nodes[child].key is not None}
    return found


def _is_frozen(metadata: bytes) -> bool:
    if b"false" not in metadata:  # as in most layers, whose configs need no parsing
        return False
    value = _parse_metadata(metadata)
    return isinstance(value, dict) and value.get("trainable") is False
