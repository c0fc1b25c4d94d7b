"""Counts and sizes of what a checkpoint holds, without reading a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ckptread.tensors import TensorInfo


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of some tensors. An alias or a copy counts as a name, not as a tensor."""

    tensors: int
    aliases: int
    parameters: int
    """Elements, of all tensors."""
    nbytes: int
    problems: int
    """Tensors that cannot be read."""


class PathTotals(msgspec.Struct, frozen=True):
    """The tensors below one path prefix."""

    path: str
    """The first components of their names; their whole name where it has no more."""
    tensors: int
    parameters: int
    nbytes: int


def total(tensors: Iterable[TensorInfo]) -> Totals:
    """Return the totals of these tensors."""
    listed = list(tensors)
    own = [t for t in listed if t.alias_of is None and t.copy_of is None]
    return Totals(
        tensors=len(own),
        aliases=len(listed) - len(own),
        parameters=sum(t.size for t in own),
        nbytes=sum(t.nbytes for t in own),
        problems=sum(t.problem is not None for t in listed),
    )


def group(tensors: Iterable[TensorInfo], label: Callable[[str], str], *, by_key: bool = False) -> list[PathTotals]:
    """Return the totals of the tensors that have one label, in order of first appearance.

    ``label`` is given the names of the variables where they are known, or the keys where ``by_key``.
    """
    groups: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        groups.setdefault(label(tensor.key if by_key else tensor.name), []).append(tensor)
    return [_group(path, members) for path, members in groups.items()]


def _group(path: str, members: list[TensorInfo]) -> PathTotals:
    totals = total(members)
    return PathTotals(path, totals.tensors, totals.parameters, totals.nbytes)
