"""Match tensors whose files state the same checksum for them: only what is matched is read, once, to confirm it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from ckptread.errors import CheckpointError
from ckptread.operations.diff.match.by_content import ContentMatch, Side, comparable, match_values
from ckptread.operations.diff.match.fingerprint import Fingerprint, fingerprint
from ckptread.reader import Tensor
from ckptread.storage.progress import Meter
from ckptread.tensors import TensorInfo

FIRST_BYTES = 4 << 10
"""Tensors that are not all one value differ in their first bytes, nearly always."""


def match_checksums(a: Side, b: Side, meter: Meter) -> list[ContentMatch]:
    """Return the pairs of tensors with the same checksum, each confirmed byte by byte.

    A number of elements is left out where a tensor of that size has no checksum or another dtype: it may hold the same
    values as well. An unreadable tensor is in no pair.
    """
    sizes = _checked_sizes([*a.tensors, *b.tensors])
    one, other = (_by_checksum(side, sizes) for side in (a, b))
    constant = {number: _is_constant(a.tensor(infos[0])) for number, infos in one.items() if number in other}
    found = match_values(*(_stated(side, infos, constant) for side, infos in ((a, one), (b, other))))
    meter.add(sum(match.a.nbytes + match.b.nbytes for match in found))
    return found


def _checked_sizes(tensors: Iterable[TensorInfo]) -> set[int]:
    """Return the numbers of elements of which all tensors have one dtype, and a checksum of one kind."""
    kinds: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for info in filter(comparable, tensors):
        checksum = info.extent.checksum if info.extent else None
        kinds[info.size].add((info.dtype, checksum.algorithm if checksum else ""))
    return {size for size, found in kinds.items() if len(found) == 1 and next(iter(found))[1]}


def _by_checksum(side: Side, sizes: set[int]) -> dict[int, list[TensorInfo]]:
    """Return the tensors of these sizes by a number that stands for their checksum."""
    found: dict[int, list[TensorInfo]] = defaultdict(list)
    for info in side.tensors:
        if info.size in sizes and comparable(info) and info.extent is not None and side.tensor(info).stored is not None:
            found[hash((info.nbytes, info.extent.checksum))].append(info)
    return found


def _stated(side: Side, tensors: dict[int, list[TensorInfo]], constant: dict[int, bool]) -> Side:
    """Return a side whose fingerprints are the checksums that both sides have."""
    prints = {
        info.key: Fingerprint(number, number, is_constant)
        for number, is_constant in constant.items()
        for info in tensors[number]
    }
    return msgspec.structs.replace(side, prints=prints)


def _is_constant(tensor: Tensor) -> bool:
    """Whether all values are one and the same; False where they cannot be read, which no match survives."""
    stored = tensor.stored
    if stored is None:
        return False
    try:
        first = stored.read(0, min(FIRST_BYTES - FIRST_BYTES % stored.item_bytes, stored.nbytes))
        if first != first[: stored.item_bytes] * (len(first) // stored.item_bytes):
            return False
        return len(first) == stored.nbytes or fingerprint(tensor).constant
    except CheckpointError:
        return False
