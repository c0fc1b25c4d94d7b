"""Which tensors a conversion writes, under which names and in which dtypes, and what it cannot write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from ckptread.errors import CheckpointError, UnsupportedError, UsageError
from ckptread.formats.format import Format, Outgoing
from ckptread.operations.convert.arranged import ArrangedValues
from ckptread.operations.convert.results import OmittedTensor
from ckptread.operations.diff.match.layouts import Arrangement
from ckptread.operations.diff.match.saved_mapping import load_mapping
from ckptread.operations.extract.outgoing import Writing, plan_of
from ckptread.operations.selection import without_bookkeeping
from ckptread.reader import Reader, Tensor
from ckptread.select import filter_tensors
from ckptread.tensors import TensorInfo
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.wording import quoted

Names = Literal["variable", "key"]
FLOATS = ("float16", "bfloat16", "float32", "float64")
"""What --dtype converts, and into what."""


class NamedTensor(msgspec.Struct, frozen=True):
    """A tensor to be written."""

    tensor: TensorInfo
    name: str
    arrangement: Arrangement | None = None
    """How its axes are moved; None if they are not."""


class NewNames(msgspec.Struct, frozen=True, kw_only=True):
    """What tensors are called in the new file."""

    names: Names = "variable"
    rename: Sequence[tuple[str, str]] = ()
    """Regular expressions, and what each place where one matches is replaced by, one after another."""
    mapping: Mapping[str, tuple[str, Arrangement | None]] = {}
    """By key: another name, and how the axes are moved. It comes before ``rename``."""

    def of(self, info: TensorInfo) -> NamedTensor:
        """Return a tensor with its new name."""
        plain = info.key if self.names == "key" else info.name
        name, arrangement = self.mapping.get(info.key, (plain, None))
        for pattern, replacement in self.rename:
            name = _replace(pattern, replacement, name)
        return NamedTensor(info, name, arrangement)


def _replace(pattern: str, replacement: str, name: str) -> str:
    try:
        return re.sub(pattern, replacement, name)
    except (re.error, IndexError) as error:
        raise UsageError(f"--rename {quoted(pattern)}={quoted(replacement)}: {error}") from error


def read_names(names: Names, rename: Iterable[str], mapping: str | None) -> NewNames:
    """Return the names that options ask for: ``PATTERN=REPLACEMENT``, and the file of ``diff --save-map``.

    Raises UsageError, and CheckpointError where the file is not a mapping.
    """
    pairs = []
    for text in rename:
        pattern, mark, replacement = text.partition("=")
        if not mark or not pattern:
            raise UsageError(f"--rename {quoted(text)}: write PATTERN=REPLACEMENT")
        pairs.append((pattern, replacement))
    known = {} if mapping is None else {p.a: (p.b, p.arrangement) for p in load_mapping(mapping).pairs}
    return NewNames(names=names, rename=tuple(pairs), mapping=known)


def tensors_to_write(reader: Reader, role: str | None) -> tuple[list[TensorInfo], list[OmittedTensor]]:
    """Return the tensors to write, and the second names of some of them."""
    of_role = filter_tensors(reader.tensors, list(reader.tensors.values()), role)
    wanted = without_bookkeeping(reader, of_role, role=role)
    written = {info.key for info in wanted if info.repeats is None}
    chosen = [info for info in wanted if info.repeats is None or info.repeats not in written]
    kept = {info.key for info in chosen}
    second = [info for info in wanted if info.key not in kept]
    return chosen, [OmittedTensor(tensor=i, reason=f"it is the same as {i.repeats}", harmless=True) for i in second]


def check_names(path: str, named: Sequence[NamedTensor]) -> None:
    """Raise UsageError where two tensors would have one name."""
    first: dict[str, NamedTensor] = {}
    for each in named:
        other = first.setdefault(each.name, each)
        if other is not each:
            both = f"{quoted(other.tensor.key)} and {quoted(each.tensor.key)}"
            raise UsageError(f"{path}: {both} would both be called {quoted(each.name)}: give another --rename")


def plan_values(reader: Reader, each: NamedTensor, row: Format, how: Writing) -> Outgoing:
    """Return the values of a tensor on their way into a file. Raises CheckpointError where it cannot be written."""
    if each.tensor.shape is None:
        raise UnsupportedError(reader.path, "it has no values, not even none of them")
    floats = each.tensor.dtype in FLOATS
    how = msgspec.structs.replace(how, native=row.native, dtype=how.dtype if floats else None)
    if how.dtype == each.tensor.dtype:
        how = msgspec.structs.replace(how, dtype=None)
    values = plan_of(Tensor(reader, each.tensor), how)
    return values if each.arrangement is None else ArrangedValues(values, each.arrangement, reader.path)


def note_of(info: TensorInfo, values: Outgoing) -> str:
    """Return what was done to the values of a tensor, another dtype included; "" where they are as they were."""
    if values.note or values.dtype_name == info.dtype:
        return values.note
    swapped = info.dtype[:1] in "<>" and numpy_dtype(info.dtype).newbyteorder("=") == values.dtype
    return "" if swapped else f"{info.dtype} written as {values.dtype_name}"


def plan_all(
    named: Sequence[NamedTensor], plan: Callable[[NamedTensor], Outgoing]
) -> tuple[list[tuple[NamedTensor, Outgoing]], list[OmittedTensor]]:
    """Return what can be written, and what cannot, with the reason."""
    plans, omitted = [], []
    for each in named:
        try:
            plans.append((each, plan(each)))
        except CheckpointError as error:
            omitted.append(OmittedTensor(tensor=each.tensor, reason=error.problem))
    return plans, omitted
