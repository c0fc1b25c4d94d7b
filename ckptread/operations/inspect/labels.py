"""What tensors are called in the rows of a listing: every name there can be pasted into another command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ckptread.reports.cells import name_text
from ckptread.reports.report import Cell
from ckptread.tensors import OBJECT_VALUE, TensorInfo, own_prefix


class Labels:
    """The names of a listing's rows, without the path that all of them begin with."""

    def __init__(
        self, checkpoint: Mapping[str, TensorInfo], rows: Sequence[TensorInfo], mark: str, *, by_key: bool = False
    ) -> None:
        listed = list(checkpoint.values())
        prefix = "" if by_key else own_prefix(listed, mark)
        self.prefix = prefix if prefix and all(tensor.name.startswith(prefix) for tensor in rows) else ""
        """What the heading says once."""
        self._by_key = {tensor.key for tensor in rows} if by_key else _unclear_keys(listed)

    def cell(self, tensor: TensorInfo) -> str:
        """Return what a tensor is called: by its key where its name means others as well."""
        text = tensor.key if tensor.key in self._by_key else tensor.name.removeprefix(self.prefix)
        return Cell(name_text(text), "frozen") if tensor.trainable is False else name_text(text)


def _unclear_keys(tensors: Iterable[TensorInfo]) -> frozenset[str]:
    """Return the keys of the tensors whose names mean other tensors as well."""
    own = [tensor for tensor in tensors if tensor.alias_of is None and tensor.copy_of is None]
    names = [tensor.name for tensor in own]
    if all(name == tensor.key for name, tensor in zip(names, own, strict=True)):
        return frozenset()
    others = {text for name, tensor in zip(names, own, strict=True)
              for text in (tensor.key, tensor.key.removesuffix(OBJECT_VALUE)) if text != name}  # fmt: skip
    counts = Counter(names) if len(set(names)) < len(names) else Counter[str]()
    if not counts and others.isdisjoint(names):
        return frozenset()
    return frozenset(tensor.key for tensor in own if counts[tensor.name] > 1 or tensor.name in others)
