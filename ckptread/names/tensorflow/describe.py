"""What TensorFlow and Keras call the tensors of a TensorFlow checkpoint or SavedModel, from the files alone.

A checkpoint of TensorFlow 2 carries its object graph, with full names; one of TensorFlow 1 has the names for keys.
A full name that two variables share (layers built inside ``call``, tf.Module's ``Variable``) names neither, nor does
one beside it in its scope. A SavedModel that ``export()`` wrote holds every variable twice, under ``variables`` and
``_all_variables``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.limits import MOST_COMPARED
from ckptread.names.tensorflow import graph_v1, object_graph, saved_model
from ckptread.names.tensorflow.object_graph import GraphNode
from ckptread.tensors import Role, TensorInfo

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The key under which TensorFlow 2 keeps the graph of the objects that were saved."""
OBJECT_KEY = "/.ATTRIBUTES/"
"""What every key of an object's value holds."""
SECOND_LIST = "_all_variables/"
SameBytes = Callable[[str, str], bool]


class TensorFlowEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a TensorFlow checkpoint says besides its tensors."""

    object_graph: bytes | None = None
    """The value of ``_CHECKPOINTABLE_OBJECT_GRAPH``."""
    saved_model: bytes | None = None
    """saved_model.pb, of a SavedModel."""
    keras_metadata: bytes | None = None
    """keras_metadata.pb, of a SavedModel by Keras 2.5 and later."""
    meta_graph: bytes | None = None
    """The .meta beside a checkpoint of TensorFlow 1."""
    same_bytes: SameBytes | None = None
    """Whether two keys hold equal bytes: asked of variables of the same name, shape and dtype."""


def name_tensorflow_tensors(tensors: Sequence[TensorInfo], evidence: TensorFlowEvidence) -> list[TensorInfo]:
    """Return the same tensors in the model's own order, with names, layers, roles and trainable flags filled in.

    A field stays None where the files do not say.
    """
    nodes = object_graph.parse_object_graph(evidence.object_graph)
    saved = saved_model.parse_saved_model(evidence.saved_model, evidence.meta_graph)
    graph = [msgspec.structs.replace(info, role="bookkeeping") for info in tensors if info.key == OBJECT_GRAPH_KEY]
    rest = [info for info in tensors if info.key != OBJECT_GRAPH_KEY]
    if any(node.key is not None for node in nodes):
        found = _describe_objects(rest, nodes, saved, evidence)
    elif nodes or any(OBJECT_KEY in info.key for info in rest):
        found = rest  # such keys are paths of objects, and no names: without their graph, nothing is known
    else:
        found = graph_v1.name_graph_v1_tensors(rest, saved)
    return [*found, *graph]


class GraphFacts(msgspec.Struct, frozen=True):
    """What the object graph says of one key."""

    name: str = ""
    role: Role | None = None
    trainable: bool | None = None


def _describe_objects(
    tensors: Sequence[TensorInfo],
    nodes: Sequence[GraphNode],
    saved: saved_model.SavedGraph,
    evidence: TensorFlowEvidence,
) -> list[TensorInfo]:
    numbers = _by_key(nodes)
    place = {number: at for at, number in enumerate(object_graph.nodes_in_order(nodes, 0, set()))}
    flags = object_graph.trainable(nodes, place)
    facts = _facts(nodes, numbers, flags, saved, evidence.keras_metadata)
    reached = {key: place.get(number, len(nodes) + number) for key, number in numbers.items()}
    ordered = sorted(tensors, key=lambda info: _order(info, facts, reached.get(info.key, 2 * len(nodes))))
    aliases = _aliases(ordered, facts, evidence.same_bytes)
    unclear = _unclear([fact for key, fact in facts.items() if key not in aliases])
    return [_described(info, facts.get(info.key, GraphFacts()), unclear, aliases, facts) for info in ordered]


def _unclear(facts: Sequence[GraphFacts]) -> set[str]:
    """Return the names that stand twice, and those of a model beside them: their scope is not of one layer alone.

    Layers that are built inside ``call`` are all ``sub/kernel``: then ``sub/bias``, of only one of them, is as unclear.
    """
    counts = Counter(fact.name for fact in facts)
    twice = {name for name, count in counts.items() if count > 1}
    scopes = {_scope(name) for name in twice} - {""}
    return twice | {fact.name for fact in facts if fact.role == "model" and _scope(fact.name) in scopes}


def _scope(name: str) -> str:
    return name.rpartition("/")[0]


def _by_key(nodes: Sequence[GraphNode]) -> dict[str, int]:
    """Return the number of the object that each key belongs to."""
    found: dict[str, int] = {}
    for number, node in enumerate(nodes):
        if node.key is not None:
            found.setdefault(node.key, number)
    return found


def _facts(
    nodes: Sequence[GraphNode],
    numbers: Mapping[str, int],
    flags: Mapping[int, bool],
    saved: saved_model.SavedGraph,
    keras_metadata: bytes | None,
) -> dict[str, GraphFacts]:
    roles = object_graph.roles(nodes)
    frozen = saved_model.frozen_layers(keras_metadata, nodes) | saved.never_trained
    found = {}
    for key, number in numbers.items():
        role = roles.get(number)
        flag = flags.get(number, False if number in frozen else None)
        name = nodes[number].full_name.removesuffix(":0") or saved.names.get(number, "")
        found[key] = GraphFacts(name, role, flag if role == "model" else None)
    return found


def _order(info: TensorInfo, facts: Mapping[str, GraphFacts], place: int) -> tuple[bool, bool, int]:
    """Sort the model's variables first, in the order of the object graph, and second copies last."""
    role = facts.get(info.key, GraphFacts()).role
    return info.key.startswith(SECOND_LIST), role != "model", place


def _aliases(
    tensors: Sequence[TensorInfo], facts: Mapping[str, GraphFacts], same_bytes: SameBytes | None
) -> dict[str, str]:
    """Return the second copies, each with the key of the first: same name, shape, dtype and bytes.

    Without a way to compare bytes, only the two lists of export() are believed, where the name stands once in each.
    """
    groups: dict[tuple[str, Any, str], list[str]] = defaultdict(list)
    for info in tensors:
        name = facts.get(info.key, GraphFacts()).name
        if name:
            groups[name, info.shape, info.dtype].append(info.key)
    found: dict[str, str] = {}
    left = MOST_COMPARED
    for keys in groups.values():
        firsts = [key for key in keys if not key.startswith(SECOND_LIST)]
        for second in (key for key in keys if key.startswith(SECOND_LIST)):
            left -= len(firsts)
            if left < 0:
                return found
            same = [key for key in firsts if same_bytes is not None and same_bytes(key, second)]
            if same_bytes is None and len(keys) == 2:
                same = firsts
            if same:
                found[second] = same[0]
                firsts.remove(same[0])
    return found


def _described(
    info: TensorInfo,
    fact: GraphFacts,
    unclear: Container[str],
    aliases: Mapping[str, str],
    facts: Mapping[str, GraphFacts],
) -> TensorInfo:
    alias_of = aliases.get(info.key)
    if alias_of is not None:
        fact = facts[alias_of]
    name = "" if fact.name in unclear else fact.name
    role: Role | None = fact.role
    if role == "model" and name:
        role = "ema" if name.endswith(graph_v1.AVERAGE) else role
    return msgspec.structs.replace(
        info,
        variable=name or None,
        layer=(name.rpartition("/")[0] or None) if role == "model" else None,
        role=role,
        trainable=fact.trainable,
        alias_of=alias_of,
    )
