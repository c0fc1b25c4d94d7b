"""Reads the object graph of a TensorFlow 2 checkpoint: which object has which variable, and under what name.

``_CHECKPOINTABLE_OBJECT_GRAPH`` lists the objects that were saved, their edges to other objects by attribute, and for
a variable its key and full name. The role of a variable follows from the objects that have it; an optimizer is
recognised by its children, not by its name.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ckptread.names.tensorflow.messages import OBJECT_GRAPH
from ckptread.tensors import Role
from ckptread.untrusted.binary import Malformed

VARIABLE_VALUE = "VARIABLE_VALUE"
METRIC_LISTS = {"metrics", "_metrics", "compiled_metrics", "_compile_metrics"}
OF_THE_MODEL = ("_trainable_variables", "_trainable_variables_indices", "_var_to_optimizer_idx")
"""Edges of an optimizer that lead to the model's variables."""
OPTIMIZER_CHILDREN = (
    ("_iterations", "_variables"), ("_iterations", "_learning_rate"),  # Keras 3, Keras 2.11
    ("iterations", "_variables"), ("iterations", "_learning_rate"),  # Keras 3.0 to 3.4
    ("iter", "learning_rate"), ("base_optimizer", "loss_scale"),  # Keras 2
)  # fmt: skip
"""An optimizer has all attributes of one of these sets."""
AVERAGES = ("_model_variables_moving_average", "_average")
AVERAGE_SLOT = "average"
"""The slot of optimizers that average weights, as in TensorFlow Addons and the Model Garden."""
GENERATOR_STATE = "_state_var"
"""The attribute of a tf.random.Generator that has its state."""
SEEDS = ("seed_generator", "_seed_generator", "_random_generator")
COUNTERS = ("save_counter", "global_step", "step", "epoch")
"""Variables of the training loop, as TensorFlow's guides name them."""
SIDE_EFFECTS = frozenset(("keras_api", "signatures", "regularization_losses", "_inbound_nodes", "_outbound_nodes"))
"""Edges to what is not part of the model, or is also reached by other edges."""


class GraphNode(msgspec.Struct):
    """One saved object."""

    children: dict[str, int] = msgspec.field(default_factory=dict)
    """The number of the object in each attribute."""
    key: str | None = None
    """The key of its value; None if it is not a variable."""
    full_name: str = ""
    slots: list[tuple[int, str, int]] = msgspec.field(default_factory=list)
    """(number of the weight, name of the slot, number of the slot variable)"""

    def has(self, *names: str) -> bool:
        """Whether it has all of these attributes."""
        return all(name in self.children for name in names)


class ObjectGraph(msgspec.Struct, frozen=True):
    """The saved objects, without edges and slots that lead to missing objects."""

    nodes: list[GraphNode] = msgspec.field(default_factory=list)
    problem: str | None = None
    """What is wrong with the graph."""
    advice: str = ""


UNREADABLE = ObjectGraph(problem="the object graph cannot be read: keys are shown as they are stored")
MISSING = "the object graph refers to objects that it does not have"


def parse_object_graph(data: bytes) -> ObjectGraph:
    """Decode an object graph; the result has no nodes if the bytes are not one."""
    try:
        messages = OBJECT_GRAPH.decode(data)["nodes"]
    except (Malformed, RecursionError):
        return UNREADABLE
    nodes = [_make_node(message) for message in messages]
    if not _drop_missing_objects(nodes):
        return ObjectGraph(nodes)
    return ObjectGraph(nodes, MISSING, "TensorFlow may refuse it: save the checkpoint again")


def _make_node(message: dict[str, Any]) -> GraphNode:
    node = GraphNode()
    for child in message["children"]:
        node.children.setdefault(child.get("local_name", ""), child.get("node_id", 0))
    if message["slots"]:
        node.slots = [
            (s.get("original", 0), s.get("slot_name", ""), s.get("slot_variable", 0)) for s in message["slots"]
        ]
    for value in message["attributes"]:
        if node.key is None and value.get("name", VARIABLE_VALUE) == VARIABLE_VALUE:
            node.key, node.full_name = value.get("checkpoint_key") or None, value.get("full_name", "")
            break
    return node


def _drop_missing_objects(nodes: Sequence[GraphNode]) -> bool:
    """Remove edges and slots that lead to missing objects, and return whether there were any."""
    count, found = len(nodes), False
    for node in nodes:
        if not all(0 <= number < count for number in node.children.values()):
            node.children = {name: number for name, number in node.children.items() if 0 <= number < count}
            found = True
        slots = [slot for slot in node.slots if 0 <= slot[0] < count and 0 <= slot[2] < count]
        found |= len(slots) < len(node.slots)
        node.slots = slots
    return found


def roles(nodes: Sequence[GraphNode]) -> dict[int, Role]:
    """Return the role of each variable, by its object's number.

    The variables that an optimizer or a metric has itself are its own. All others that can be reached without passing
    through one of them are the model's, and so are those that an optimizer merely trains.
    """
    optimizers, metrics = _optimizers(nodes), _metrics(nodes)
    found = _optimizer_roles(nodes, optimizers)
    for number in sorted(metrics):
        for _, variable in _own_variables(nodes, number):
            found.setdefault(variable, "metric")
    for number in _bookkeeping(nodes):
        found.setdefault(number, "bookkeeping")
    for number in _model_variables(nodes, optimizers, metrics):
        found.setdefault(number, "model")
    return {number: _role_by_name(nodes[number].full_name) or role for number, role in found.items()}


def _optimizer_roles(nodes: Sequence[GraphNode], optimizers: set[int]) -> dict[int, Role]:
    found: dict[int, Role] = {}
    for number in sorted(optimizers):
        averages = {variable for name in AVERAGES for variable in _listed_variables(nodes, number, name)}
        for _, variable in _own_variables(nodes, number, skip=OF_THE_MODEL):
            found.setdefault(variable, "ema" if variable in averages else "optimizer")
        for _, name, slot in nodes[number].slots:
            found[slot] = "ema" if name == AVERAGE_SLOT else "optimizer"
    return found


def _model_variables(nodes: Sequence[GraphNode], optimizers: set[int], metrics: set[int]) -> Iterator[int]:
    """Yield the variables that are reached past optimizers and metrics, then those that optimizers train."""
    yield from (each for each in nodes_in_order(nodes, [0], optimizers | metrics) if nodes[each].key is not None)
    for number in optimizers:
        for name in OF_THE_MODEL:
            yield from _listed_variables(nodes, number, name)


def _role_by_name(full_name: str) -> Role | None:
    """Return the role of a variable whose name shows it, else None."""
    if full_name.endswith("/ExponentialMovingAverage"):
        return "ema"
    return "bookkeeping" if full_name.endswith("seed_generator_state") else None


def _optimizers(nodes: Sequence[GraphNode]) -> set[int]:
    found = {number for number, node in enumerate(nodes) if _is_optimizer(node)}
    pending = list(found)
    while pending:  # the objects inside a wrapper are part of it: base_optimizer, loss_scale
        node = nodes[pending.pop()]
        for name, number in node.children.items():
            inside = name in ("base_optimizer", "inner_optimizer", "loss_scale", "_optimizer")
            if inside and number not in found and nodes[number].key is None:
                found.add(number)
                pending.append(number)
    return found


def _is_optimizer(node: GraphNode) -> bool:
    return bool(node.slots) or (bool(node.children) and any(node.has(*names) for names in OPTIMIZER_CHILDREN))


def _metrics(nodes: Sequence[GraphNode]) -> set[int]:
    """Return the metrics of compiled Keras models: members of their models' lists."""
    lists: set[int] = set()
    for node in nodes:
        names = METRIC_LISTS & node.children.keys() - {"metrics"}
        lists |= {node.children[name] for name in names}
        if "keras_api" in node.children:
            owner = nodes[node.children["keras_api"]]
            lists |= {owner.children[name] for name in METRIC_LISTS & owner.children.keys()}
    return {number for at in lists for number in nodes[at].children.values() if nodes[number].key is None}


def _bookkeeping(nodes: Sequence[GraphNode]) -> Iterator[int]:
    seeds = []
    for node in nodes:
        children = node.children
        if GENERATOR_STATE in children and nodes[children[GENERATOR_STATE]].key is not None:
            yield children[GENERATOR_STATE]
        seeds += [children[name] for name in SEEDS if name in children]
    counters = [nodes[0].children[name] for name in COUNTERS if name in nodes[0].children] if nodes else []
    yield from (each for each in (*counters, *nodes_in_order(nodes, seeds, set())) if nodes[each].key is not None)


def _own_variables(nodes: Sequence[GraphNode], number: int, skip: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """Yield the variables that are an object's own or in one of its lists, with the attribute."""
    for name, child in nodes[number].children.items():
        if name in skip:
            continue
        if nodes[child].key is not None:
            yield name, child
        yield from ((name, each) for each in nodes[child].children.values() if nodes[each].key is not None)


def _listed_variables(nodes: Sequence[GraphNode], number: int, name: str) -> list[int]:
    at = nodes[number].children.get(name)
    return [] if at is None else [each for each in nodes[at].children.values() if nodes[each].key is not None]


def nodes_in_order(nodes: Sequence[GraphNode], roots: Sequence[int], closed: Container[int]) -> Iterator[int]:
    """Yield the objects from ``roots`` on, depth first, an object's own variables before its other children.

    That is the order of ``model.weights`` if layers are tracked in their order. Objects in ``closed`` are left out.
    """
    seen: set[int] = set()
    pending = [root for root in reversed(roots) if root < len(nodes)]
    while pending:
        number = pending.pop()
        if number in seen:
            continue
        seen.add(number)
        yield number
        if nodes[number].children:
            pending += [child for child in _last_first(nodes, number) if child not in seen and child not in closed]


def _last_first(nodes: Sequence[GraphNode], number: int) -> list[int]:
    """Return the children of an object as a stack: items of lists by index, variables on top."""
    edges = [edge for edge in nodes[number].children.items() if edge[0] not in SIDE_EFFECTS]
    edges.sort(key=lambda edge: (nodes[edge[1]].key is None, int(edge[0]) if _is_index(edge[0]) else 0))
    return [child for _, child in reversed(edges)]


def _is_index(name: str) -> bool:
    return name.isdecimal() and name.isascii() and len(name) < 10


def trainable(nodes: Sequence[GraphNode], order: Iterable[int]) -> dict[int, bool]:
    """Return trainable flags from the lists ``variables`` and ``trainable_variables``; the outermost lists count.

    Keras' export() writes them at the root, SavedModels of Keras 2 at every layer.
    """
    found: dict[int, bool] = {}
    for number in order:
        if nodes[number].has("variables", "trainable_variables"):
            trained = set(_listed_variables(nodes, number, "trainable_variables"))
            for each in _listed_variables(nodes, number, "variables"):
                found.setdefault(each, each in trained)
    return found
