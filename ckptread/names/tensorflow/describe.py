"""Names the tensors of a TensorFlow checkpoint or SavedModel as TensorFlow and Keras do, from the files alone.

A TensorFlow 2 checkpoint contains its object graph, with full names; the keys of a TensorFlow 1 checkpoint are names.
A full name that two variables share (layers built inside ``call``, tf.Module's ``Variable``) is used for neither of
them, and no other name of its scope is used. A SavedModel that ``export()`` wrote has every variable twice, under
``variables`` and ``_all_variables``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ckptread.limits import MOST_COMPARED
from ckptread.names.tensorflow import graph_v1, object_graph, saved_model
from ckptread.names.tensorflow.lookup_tables import mark_tables
from ckptread.names.tensorflow.object_graph import GraphNode, ObjectGraph
from ckptread.names.tensorflow.outer_layers import name_outer_layers
from ckptread.tensors import Role, TensorInfo

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The key of the graph of saved objects, in TensorFlow 2."""
OBJECT_KEY = "/.ATTRIBUTES/"
"""Part of the key of every value of an object."""
DEFAULT_NAME = r"(Variable|StateVar)(_[0-9]+)?"
"""What TensorFlow calls a variable that has no name: a tf.Variable, the state of a tf.random.Generator."""
SECOND_LIST = "_all_variables/"
SameBytes = Callable[[str, str], bool]


class TensorFlowEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a TensorFlow checkpoint holds besides its tensors."""

    object_graph: ObjectGraph = ObjectGraph()
    """The value of ``_CHECKPOINTABLE_OBJECT_GRAPH``."""
    saved_model: bytes | None = None
    """saved_model.pb, of a SavedModel."""
    keras_metadata: bytes | None = None
    """keras_metadata.pb, of a SavedModel by Keras 2.5 and later."""
    meta_graph: bytes | None = None
    """The .meta file of a TensorFlow 1 checkpoint."""
    same_bytes: SameBytes | None = None
    """Whether two tensors, by their keys, have equal bytes; used for variables of equal name, shape and dtype."""


def name_tensorflow_tensors(tensors: Sequence[TensorInfo], evidence: TensorFlowEvidence) -> list[TensorInfo]:
    """Return the same tensors in the model's own order, with names, layers, roles and trainable flags filled in.

    A field stays None if the files do not record it.
    """
    nodes = evidence.object_graph.nodes
    saved = saved_model.parse_saved_model(evidence.saved_model, evidence.meta_graph)
    graph = [msgspec.structs.replace(info, role="bookkeeping") for info in tensors if info.key == OBJECT_GRAPH_KEY]
    rest = [info for info in tensors if info.key != OBJECT_GRAPH_KEY]
    if any(node.key is not None for node in nodes):
        found = name_outer_layers(_describe_objects(rest, nodes, saved, evidence))
    elif nodes or any(OBJECT_KEY in info.key for info in rest):
        found = rest  # such keys are paths of objects: without the graph, the names are unknown
    else:
        found = graph_v1.name_graph_v1_tensors(rest, saved)
    return [*mark_tables(found), *graph]


OBJECTS = ("variant", "resource")
"""The dtypes of TensorFlow's own objects: iterators of a dataset, say."""


class NamedVariable(msgspec.Struct, frozen=True):
    """What the object graph records of the variable of one key."""

    name: str = ""
    role: Role | None = None
    trainable: bool | None = None


UNNAMED = NamedVariable()


def _describe_objects(
    tensors: Sequence[TensorInfo],
    nodes: Sequence[GraphNode],
    saved: saved_model.SavedGraph,
    evidence: TensorFlowEvidence,
) -> list[TensorInfo]:
    numbers = _objects_by_key(nodes)
    position = {number: at for at, number in enumerate(object_graph.nodes_in_order(nodes, [0], set()))}
    flags = object_graph.trainable(nodes, position)
    variables = _name_variables_by_key(nodes, numbers, flags, saved, evidence.keras_metadata)
    reached = {key: position.get(number, len(nodes) + number) for key, number in numbers.items()}
    ordered = sorted(tensors, key=lambda info: _sort_key(info, variables, reached.get(info.key, 2 * len(nodes))))
    copies = _find_copies(ordered, variables, evidence.same_bytes)
    ambiguous = _ambiguous_names([variable for key, variable in variables.items() if key not in copies])
    return [_describe_variable(info, copies.get(info.key), variables, ambiguous) for info in ordered]


def _ambiguous_names(variables: Sequence[NamedVariable]) -> set[str]:
    """Return the names that occur twice, and the model's other names in their scopes, which several layers share.

    Layers that are built inside ``call`` all have a ``sub/kernel``; a ``sub/bias`` of only one is ambiguous as well.
    """
    counts = Counter(variable.name for variable in variables)
    twice = {name for name, count in counts.items() if count > 1}
    scopes = {_scope(name) for name in twice} - {""}
    return twice | {each.name for each in variables if each.role == "model" and _scope(each.name) in scopes}


def _scope(name: str) -> str:
    return name.rpartition("/")[0]


def _objects_by_key(nodes: Sequence[GraphNode]) -> dict[str, int]:
    """Return the number of the object that each key belongs to."""
    found: dict[str, int] = {}
    for number, node in enumerate(nodes):
        if node.key is not None:
            found.setdefault(node.key, number)
    return found


def _name_variables_by_key(
    nodes: Sequence[GraphNode],
    numbers: Mapping[str, int],
    flags: Mapping[int, bool],
    saved: saved_model.SavedGraph,
    keras_metadata: bytes | None,
) -> dict[str, NamedVariable]:
    roles = object_graph.roles(nodes)
    frozen = saved_model.frozen_layers(keras_metadata, nodes) | saved.never_trained
    found = {}
    for key, number in numbers.items():
        role = roles.get(number)
        flag = flags.get(number, False if number in frozen else None)
        name = _given_name(nodes[number].full_name) or _given_name(saved.names.get(number, ""))
        found[key] = NamedVariable(name, role, flag if role == "model" else None)
    return found


def _given_name(full_name: str) -> str:
    """Return a variable's full name, or "" if it is TensorFlow's default, which says less than its path does."""
    name = full_name.removesuffix(":0")
    return "" if re.fullmatch(DEFAULT_NAME, name.rpartition("/")[2]) else name


def _sort_key(info: TensorInfo, variables: Mapping[str, NamedVariable], position: int) -> tuple[bool, bool, int]:
    """Sort the model's variables first, in the order of the object graph, and second copies last."""
    role = variables.get(info.key, UNNAMED).role
    return info.key.startswith(SECOND_LIST), role != "model", position


def _find_copies(
    tensors: Sequence[TensorInfo], variables: Mapping[str, NamedVariable], same_bytes: SameBytes | None
) -> dict[str, str]:
    """Return the second copies, each with the key of the first: same name, shape and dtype.

    Of a name that occurs once in each of the two lists of export(), the values may differ: whoever judges values reads
    both. Of a name that occurs more often, the checksums decide.
    """
    found: dict[str, str] = {}
    left = MOST_COMPARED
    for keys in _equal_names(tensors, variables):
        firsts = [key for key in keys if not key.startswith(SECOND_LIST)]
        for second in (key for key in keys if key.startswith(SECOND_LIST)):
            left -= len(firsts)
            if left < 0:
                return found
            first = _find_first(firsts, second, same_bytes, alone=len(keys) == 2)
            if first is not None:
                found[second] = first
                firsts.remove(first)
    return found


def _find_first(firsts: Sequence[str], second: str, same_bytes: SameBytes | None, *, alone: bool) -> str | None:
    """Return the key that ``second`` is a copy of: the only one of its name, or the one of equal bytes."""
    if alone:
        return next(iter(firsts), None)
    return next((key for key in firsts if same_bytes and same_bytes(key, second)), None)


def _equal_names(tensors: Sequence[TensorInfo], variables: Mapping[str, NamedVariable]) -> Iterable[list[str]]:
    """Return the keys of variables of the same name, shape and dtype."""
    groups: dict[tuple[str, Any, str], list[str]] = defaultdict(list)
    for info in tensors:
        name = variables.get(info.key, UNNAMED).name
        if name:
            groups[name, info.shape, info.dtype].append(info.key)
    return groups.values()


def _describe_variable(
    info: TensorInfo, copy_of: str | None, variables: Mapping[str, NamedVariable], ambiguous: Container[str]
) -> TensorInfo:
    variable = variables.get(copy_of or info.key, UNNAMED)
    name = "" if variable.name in ambiguous else variable.name
    role: Role | None = variable.role
    if role == "model" and name.endswith(graph_v1.AVERAGE):
        role = "ema"
    if info.dtype in OBJECTS:
        role = "bookkeeping"
    return msgspec.structs.replace(
        info,
        variable=name or None,
        layer=(name.rpartition("/")[0] or None) if role == "model" else None,
        role=role,
        trainable=variable.trainable,
        copy_of=copy_of,
    )
