"""The object graph that a TensorFlow 2 checkpoint carries: which object holds which variable, and under what name.

``_CHECKPOINTABLE_OBJECT_GRAPH`` lists the objects that were saved, their edges to other objects by attribute, and
for a variable the key it is stored under and its full name. What a variable is for shows in the objects that hold
it: an optimizer is known by its children, not by what it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ckptread.names.tensorflow.messages import OBJECT_GRAPH
from ckptread.tensors import Role
from ckptread.untrusted.binary import Malformed

VARIABLE_VALUE = "VARIABLE_VALUE"
OF_THE_MODEL = ("_trainable_variables", "_trainable_variables_indices", "_var_to_optimizer_idx")
"""Edges of an optimizer that lead to the model's variables."""
OPTIMIZER_CHILDREN = (
    ("_iterations", "_variables"), ("_iterations", "_learning_rate"),  # Keras 3, Keras 2.11
    ("iterations", "_variables"), ("iterations", "_learning_rate"),  # Keras 3.0 to 3.4
    ("iter", "learning_rate"), ("base_optimizer", "loss_scale"),  # Keras 2
)  # fmt: skip
"""What an optimizer is known by: any of these sets of attributes."""
AVERAGES = ("_model_variables_moving_average", "_average")
SEEDS = ("seed_generator", "_seed_generator", "_random_generator")
COUNTERS = ("save_counter", "global_step", "step", "epoch")
"""What training keeps beside the model, as TensorFlow's guides call it."""
SIDE_EFFECTS = frozenset(("keras_api", "signatures", "regularization_losses", "_inbound_nodes", "_outbound_nodes"))
"""Edges that hold nothing of a model's own, or what other edges hold too."""


class GraphNode(msgspec.Struct):
    """One saved object."""

    children: list[tuple[str, int]] = msgspec.field(default_factory=list)
    """(attribute, number of the object)"""
    key: str | None = None
    """What its value is stored under, where it is a variable."""
    full_name: str = ""
    slots: list[tuple[int, str, int]] = msgspec.field(default_factory=list)
    """(number of the weight, name of the slot, number of the slot variable)"""

    def child(self, name: str) -> int | None:
        """Return the number of the object that an attribute holds."""
        return next((number for attribute, number in self.children if attribute == name), None)

    def has(self, *names: str) -> bool:
        """Whether it has all of these attributes."""
        return bool(self.children) and set(names) <= {attribute for attribute, _ in self.children}


def parse_object_graph(data: bytes | None) -> list[GraphNode]:
    """Return the objects; none where the bytes are no object graph. Edges that lead nowhere are left out."""
    if not data:
        return []
    try:
        messages = OBJECT_GRAPH.decode(data)["nodes"]
    except (Malformed, RecursionError):
        return []
    return [_node(message, len(messages)) for message in messages]


def _node(message: dict[str, Any], count: int) -> GraphNode:
    edges = ((child.get("local_name", ""), child.get("node_id", 0)) for child in message["children"])
    slots = ((s.get("original", 0), s.get("slot_name", ""), s.get("slot_variable", 0)) for s in message["slots"])
    node = GraphNode([(name, number) for name, number in edges if 0 <= number < count])
    node.slots = [slot for slot in slots if 0 <= slot[0] < count and 0 <= slot[2] < count]
    values = [each for each in message["attributes"] if each.get("name", VARIABLE_VALUE) == VARIABLE_VALUE]
    if values:
        node.key, node.full_name = values[0].get("checkpoint_key") or None, values[0].get("full_name", "")
    return node


def roles(nodes: Sequence[GraphNode]) -> dict[int, Role]:
    """Return what each variable is for, by its object's number.

    What an optimizer or a metric holds itself is its own; all else that can be reached without passing through
    one of them is the model's, and so is what an optimizer merely trains.
    """
    found: dict[int, Role] = {}
    optimizers = _optimizers(nodes)
    for number in sorted(optimizers):
        averages = {held for name in AVERAGES for held in _list(nodes, number, name)}
        for _, held in _held(nodes, number, skip=OF_THE_MODEL):
            found.setdefault(held, "ema" if held in averages else "optimizer")
        found.update({slot: "optimizer" for _, _, slot in nodes[number].slots})
    metrics = _metrics(nodes)
    for number in sorted(metrics):
        for _, held in _held(nodes, number):
            found.setdefault(held, "metric")
    for number in _bookkeeping(nodes):
        found.setdefault(number, "bookkeeping")
    for number in nodes_in_order(nodes, 0, optimizers | metrics):
        if nodes[number].key is not None:
            found.setdefault(number, "model")
    trained = [held for number in optimizers for name in OF_THE_MODEL for held in _list(nodes, number, name)]
    for number in trained:
        found.setdefault(number, "model")
    return {number: _by_name(nodes[number].full_name) or role for number, role in found.items()}


def _by_name(full_name: str) -> Role | None:
    """Say what a variable is for that its name gives away."""
    if full_name.endswith("/ExponentialMovingAverage"):
        return "ema"
    return "bookkeeping" if full_name.endswith("seed_generator_state") else None


def _optimizers(nodes: Sequence[GraphNode]) -> set[int]:
    found = {number for number, node in enumerate(nodes) if _is_optimizer(node)}
    pending = list(found)
    while pending:  # what a wrapper holds is part of it: base_optimizer, loss_scale
        node = nodes[pending.pop()]
        for name, number in node.children:
            inside = name in ("base_optimizer", "inner_optimizer", "loss_scale", "_optimizer")
            if inside and number not in found and nodes[number].key is None:
                found.add(number)
                pending.append(number)
    return found


def _is_optimizer(node: GraphNode) -> bool:
    return bool(node.slots) or any(node.has(*names) for names in OPTIMIZER_CHILDREN)


def _metrics(nodes: Sequence[GraphNode]) -> set[int]:
    """Return the metrics of compiled Keras models: members of the lists that their models keep."""
    found: set[int] = set()
    for node in nodes:
        for owner in (node, *(nodes[number] for name, number in node.children if name == "keras_api")):
            for name in ("metrics", "_metrics", "compiled_metrics", "_compile_metrics"):
                at = owner.child(name)
                if at is not None and (owner is not node or name != "metrics"):
                    found |= {number for _, number in nodes[at].children if nodes[number].key is None}
    return found


def _bookkeeping(nodes: Sequence[GraphNode]) -> Iterator[int]:
    for name, number in nodes[0].children if nodes else ():
        if name in COUNTERS and nodes[number].key is not None:
            yield number
    for node in nodes:
        for name, number in node.children:
            if name in SEEDS:
                yield from (each for each in nodes_in_order(nodes, number, set()) if nodes[each].key is not None)


def _held(nodes: Sequence[GraphNode], number: int, skip: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """Yield the variables that an object holds itself or in a list, with the attribute."""
    for name, child in nodes[number].children:
        if name in skip:
            continue
        if nodes[child].key is not None:
            yield name, child
        yield from ((name, each) for _, each in nodes[child].children if nodes[each].key is not None)


def _list(nodes: Sequence[GraphNode], number: int, name: str) -> list[int]:
    at = nodes[number].child(name)
    return [] if at is None else [each for _, each in nodes[at].children if nodes[each].key is not None]


def nodes_in_order(nodes: Sequence[GraphNode], root: int, closed: set[int]) -> Iterator[int]:
    """Yield the objects from ``root`` on, depth first, an object's own variables before what else it holds.

    That is the order of ``model.weights`` where layers are tracked in theirs. Objects in ``closed`` are not entered.
    """
    seen: set[int] = set()
    pending = [root] if root < len(nodes) else []
    while pending:
        number = pending.pop()
        if number in seen:
            continue
        seen.add(number)
        yield number
        children = [(name, child) for name, child in nodes[number].children if name not in SIDE_EFFECTS]
        children.sort(key=lambda edge: (nodes[edge[1]].key is None, int(edge[0]) if _is_index(edge[0]) else 0))
        pending += [child for _, child in reversed(children) if child not in seen and child not in closed]


def _is_index(name: str) -> bool:
    return name.isdecimal() and name.isascii() and len(name) < 10


def trainable(nodes: Sequence[GraphNode], order: Iterable[int]) -> dict[int, bool]:
    """Return the flags that lists called ``variables`` and ``trainable_variables`` give, the outermost first.

    Keras' export() writes them at the root, SavedModels of Keras 2 at every layer.
    """
    found: dict[int, bool] = {}
    for number in order:
        if nodes[number].has("variables", "trainable_variables"):
            trained = set(_list(nodes, number, "trainable_variables"))
            for each in _list(nodes, number, "variables"):
                found.setdefault(each, each in trained)
    return found
