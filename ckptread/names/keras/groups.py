"""The groups of a Keras 3 weights file as a tree: ``layers/dense_1/vars/0``.

Keras' saving_lib visits the attributes of a model. Each object that it can save becomes a group with the attribute's
name, and its variables are ``vars/0``, ``vars/1`` ... inside it. The members of a list or dict become groups named
after their class in snake case, numbered from the second one on (``dense``, ``dense_1``). From Keras 3.8 on, the
``vars`` group has the object's own name as an attribute, even if it has no variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ckptread.limits import MAX_NAME_DEPTH
from ckptread.tensors import TensorInfo

Attributes = Mapping[str, Mapping[str, Any]]


class VariableGroup(msgspec.Struct):
    """A group of the file: an object of the model, or a list of them."""

    name: str | None = None
    """The object's own name; None if the file does not have it."""
    own: list[TensorInfo] = msgspec.field(default_factory=list)
    """The variables in its ``vars``, in order."""
    children: dict[str, VariableGroup] = msgspec.field(default_factory=dict)

    @property
    def is_list(self) -> bool:
        """Whether it looks like a list of objects: it has no name and no variables."""
        return self.name is None and not self.own

    def child(self, *names: str) -> VariableGroup | None:
        """Return the first child of one of these names."""
        return next((self.children[name] for name in names if name in self.children), None)

    @property
    def layers(self) -> VariableGroup | None:
        """The list of a model's layers, which has another name in Keras 2.13."""
        return self.child("layers", "_layer_checkpoint_dependencies")


def build_groups(tensors: Iterable[TensorInfo], attributes: Attributes) -> VariableGroup:
    """Return the tree of groups, with the tensors that are variables in a ``vars`` group."""
    root, listed = VariableGroup(), list(tensors)
    separator = "\\" if _is_from_windows(info.key for info in listed) else "/"
    for info in listed:
        parts = info.key.replace(separator, "/").split("/")
        if len(parts) >= 2 and parts[-2] == "vars" and _is_position(parts[-1]) and len(parts) <= MAX_NAME_DEPTH:
            _descend(root, parts[:-2]).own.append(info)
    for path, values in attributes.items():
        parts = path.replace(separator, "/").split("/")
        name = values.get("name")
        if parts[-1] == "vars" and isinstance(name, str) and name and len(parts) <= MAX_NAME_DEPTH:
            _descend(root, parts[:-1]).name = name
    for group in walk_groups(root):
        group.own.sort(key=lambda info: int(info.key.rsplit("/", 1)[1]))
    return root


def _is_from_windows(keys: Iterable[str]) -> bool:
    r"""Whether Keras 2.12 to 2.15 wrote the file on Windows: its groups are called ``layers\dense``.

    It joined the components with a backslash, so that no group is in another one.
    """
    groups = {key.rpartition("/vars/")[0] for key in keys if "/vars/" in key}
    return any("\\" in group for group in groups) and not any("/" in group for group in groups)


def walk_groups(group: VariableGroup) -> Iterable[VariableGroup]:
    """Yield a group and all below it."""
    pending = [group]
    while pending:
        last = pending.pop()
        yield last
        pending.extend(last.children.values())


def in_saved_order(group: VariableGroup) -> list[tuple[str, VariableGroup]]:
    """Return the children in the order of Keras: by name, private ones last, numbered ones by number."""
    return sorted(group.children.items(), key=lambda item: _visit_key(item[0]))


def _visit_key(name: str) -> tuple[str, int]:
    base, number = split_number(name)
    return ("~" + base if name.startswith("_") else base), number


def split_number(name: str) -> tuple[str, int]:
    """Split ``dense_12`` into class and number: ('dense', 12); without a number, the number is 0."""
    base, mark, number = name.rpartition("_")
    return (base, int(number)) if mark and _is_position(number) else (name, 0)


def snake_case(class_name: str) -> str:
    """Return a class's name as Keras writes it in a path (keras/src/utils/naming.py)."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _is_position(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= 9


def _descend(group: VariableGroup, parts: list[str]) -> VariableGroup:
    for part in parts:
        child = group.children.get(part)
        if child is None:
            child = group.children[part] = VariableGroup()
        group = child
    return group
