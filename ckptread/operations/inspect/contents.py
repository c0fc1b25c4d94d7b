"""What a checkpoint is made of, by role: the model's own tensors, and what is folded into a line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ckptread.select import records_roles
from ckptread.tensors import TensorInfo

OWN = {"model", None}
"""The roles of the tensors that a listing shows by default: a tensor of unknown role may be a weight."""
UNKNOWN = "unknown role"
NO_ROLES = ""
"""In place of a role, where the file records none."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of the tensors of one role, without aliases and copies."""

    role: str
    """A role, UNKNOWN or NO_ROLES."""
    tensors: int
    parameters: int
    nbytes: int
    trainable: int
    """Parameters that are recorded as trainable."""
    frozen: int
    """Parameters that are recorded as not trainable."""


def parts_by_role(all_tensors: Mapping[str, TensorInfo], tensors: Iterable[TensorInfo]) -> list[Part]:
    """Return the parts of these tensors of a checkpoint, the model first, others in order of first appearance."""
    silent = UNKNOWN if records_roles(all_tensors) else NO_ROLES
    members: dict[str, list[TensorInfo]] = {"model": []}
    for tensor in tensors:
        if tensor.alias_of is None and tensor.copy_of is None:
            members.setdefault(tensor.role or silent, []).append(tensor)
    return [_part(role, found) for role, found in members.items() if found]


def _part(role: str, tensors: Sequence[TensorInfo]) -> Part:
    sizes = [(tensor.size, tensor.trainable) for tensor in tensors]
    return Part(
        role=role,
        tensors=len(tensors),
        parameters=sum(size for size, _ in sizes),
        nbytes=sum(tensor.nbytes for tensor in tensors),
        trainable=sum(size for size, flag in sizes if flag is True),
        frozen=sum(size for size, flag in sizes if flag is False),
    )


def own_tensors(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Return the model's own tensors, each once; all, each once, if none of them is."""
    own = [tensor for tensor in tensors if tensor.role in OWN and tensor.alias_of is None and tensor.copy_of is None]
    return own or first_names(tensors)


def first_names(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Leave out aliases and copies of tensors in the list."""
    keys = {tensor.key for tensor in tensors}
    return [tensor for tensor in tensors if tensor.repeats not in keys]
