"""What a SavedModel says of its variables besides the checkpoint in it: names and trainable flags.

saved_model.pb has the same objects as the checkpoint's object graph, under the same numbers, with each variable's
name, shape and trainable flag; its collections (TensorFlow 1) list the variables that are trained, and so does the
.meta beside a checkpoint of TensorFlow 1. Keras 2.5 and later puts a layer's flag into keras_metadata.pb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.names.tensorflow.messages import META_GRAPH, SAVED_METADATA, SAVED_MODEL, VARIABLE
from ckptread.names.tensorflow.object_graph import GraphNode
from ckptread.untrusted.binary import Malformed, Message
from ckptread.untrusted.json_text import bounded_json

if TYPE_CHECKING:
    from ckptread.names.keras.describe import KerasEvidence


class SavedGraph(msgspec.Struct, frozen=True):
    """What the graph files say."""

    names: dict[int, str] = msgspec.field(default_factory=dict)
    """A variable's name by its object's number."""
    never_trained: frozenset[int] = frozenset()
    """Variables whose own flag is False; where it is True, a layer may have been frozen all the same."""
    trained: frozenset[str] | None = None
    """Names of the collection of trainable variables; None where there is none."""
    known: Mapping[str, int] = msgspec.field(default_factory=dict)
    """All variables in the collections, in the order in which they were made."""


def parse_saved_model(saved_model: bytes | None, meta_graph: bytes | None) -> SavedGraph:
    """Read saved_model.pb, or a .meta; what is missing or malformed says nothing."""
    graphs = _decode(SAVED_MODEL, saved_model).get("meta_graphs", [])
    graph = graphs[0] if graphs else _decode(META_GRAPH, meta_graph)
    objects = graph.get("object_graph", {}).get("nodes", [])
    variables = {number: each["variable"] for number, each in enumerate(objects) if "variable" in each}
    collections = {each.get("name"): each.get("collection", {}) for each in graph.get("collections", [])}
    trained = _names(collections.get("trainable_variables"))
    everything = [_names(collections.get(name)) or [] for name in ("variables", "local_variables")] + [trained or []]
    return SavedGraph(
        names={number: each["name"].removesuffix(":0") for number, each in variables.items() if each.get("name")},
        never_trained=frozenset(number for number, each in variables.items() if not each.get("trainable", False)),
        trained=None if trained is None else frozenset(trained),
        known={name: at for at, name in enumerate(dict.fromkeys(name for names in everything for name in names))},
    )


def _decode(message: Message, data: bytes | None) -> dict[str, Any]:
    try:
        return message.decode(data) if data else {}
    except (Malformed, RecursionError):
        return {}


def _names(collection: Any) -> list[str] | None:
    """Return the names of a collection's variables; partitioned ones by the name of the whole."""
    if collection is None:
        return None
    names = []
    for data in collection.get("bytes_list", {}).get("values", []):
        variable = _decode(VARIABLE, data)
        whole = variable.get("slice_info", {}).get("full_name")
        names.append(whole or variable.get("name", "").removesuffix(":0"))
    return names


def keras_evidence(saved_model: bytes | None, keras_metadata: bytes | None) -> KerasEvidence:
    """Return what Keras 2 noted of the model: in keras_metadata.pb, before Keras 2.5 in saved_model.pb itself.

    That is the metadata of the first object: JSON with the configs that a whole-model .h5 has.
    """
    from ckptread.names.keras.describe import KerasEvidence

    nodes = _decode(SAVED_METADATA, keras_metadata).get("nodes", [])
    noted = [each.get("metadata", b"") for each in nodes if each.get("node_id", 0) == 0]
    for graph in _decode(SAVED_MODEL, saved_model).get("meta_graphs", [])[:1]:
        objects = graph.get("object_graph", {}).get("nodes", [])[:1]
        noted += [
            each.get("user_object", {}).get("metadata", "").encode("utf-8", "surrogateescape") for each in objects
        ]
    said = next((value for data in noted if isinstance(value := _json(data), dict)), {})
    config = said.get("model_config") or {name: said.get(name) for name in ("class_name", "config")}
    version = said.get("keras_version")
    return KerasEvidence(
        config=config,
        training_config=said.get("training_config"),
        keras_version=version if isinstance(version, str) else None,
    )


def _json(data: bytes) -> Any:
    try:
        return bounded_json(data) if data else None
    except Malformed:
        return None


def frozen_layers(keras_metadata: bytes | None, nodes: Sequence[GraphNode]) -> set[int]:
    """Return the variables of the layers that keras_metadata.pb says are frozen."""
    found: set[int] = set()
    for each in _decode(SAVED_METADATA, keras_metadata).get("nodes", []):
        number = each.get("node_id", 0)
        if 0 <= number < len(nodes) and _is_frozen(each.get("metadata", b"")):
            found |= {child for _, child in nodes[number].children if nodes[child].key is not None}
    return found


def _is_frozen(metadata: bytes) -> bool:
    if b"false" not in metadata:  # most layers are not: their configs need no parsing
        return False
    value = _json(metadata)
    return isinstance(value, dict) and value.get("trainable") is False
