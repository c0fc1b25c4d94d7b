"""Where each weight of a group begins: behind those before it, whatever files they are in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ckptread.formats.tensorflowjs.manifest import STRING, ManifestWeight, WeightGroup
from ckptread.formats.tensorflowjs.shards import JoinedShards, ShardPiece, equal_sizes, expected_sizes, first_size
from ckptread.formats.tensorflowjs.values import measure_strings
from ckptread.storage.source import Source
from ckptread.tensors import ITEM_BYTES, Finding, TensorInfo, element_count
from ckptread.untrusted.binary import Malformed
from ckptread.wording import plural, quoted

UNKNOWN_PLACE = "its place is unknown, because that of the weight before it is"


class PlacedWeight(msgspec.Struct, frozen=True, kw_only=True):
    """A weight, and where its bytes are."""

    weight: ManifestWeight
    joined: JoinedShards
    start: int = 0
    nbytes: int = 0
    pieces: Sequence[ShardPiece] = ()
    problem: str | None = None

    @property
    def unsupported(self) -> bool:
        """Whether it is of a kind that is not read, though the files may be intact."""
        return self.problem is not None and self.problem == self.weight.problem

    def describe(self) -> TensorInfo:
        """Return the weight as a tensor. One in two files, or in fewer bits, has no extent."""
        weight, extent = self.weight, None
        plain = weight.quantization is None and weight.dtype != STRING and self.problem is None
        if plain and len(self.pieces) == 1 and self.pieces[0].source.addressable:
            extent = self.pieces[0].source.extent(self.pieces[0].offset, self.nbytes)
        width = ITEM_BYTES.get(weight.dtype, 0)
        return TensorInfo(
            key=weight.name,
            shape=weight.shape,
            dtype=weight.dtype,
            nbytes=element_count(weight.shape) * width if width else self.nbytes,
            extent=extent,
            problem=self.problem,
            role=weight.group,
            unsupported=self.unsupported,
        )


def place_weights(group: WeightGroup, sources: Sequence[Source | None]) -> tuple[list[PlacedWeight], list[Finding]]:
    """Return where the weights of a group are, and what is wrong with its files as a whole."""
    nbytes = [weight.nbytes for weight in group.weights]
    total = None if None in nbytes else sum(size or 0 for size in nbytes)
    found = [None if source is None else source.size for source in sources]
    joined = JoinedShards(group.paths, sources, expected_sizes(found, total))
    placed, end = _place_all(group, joined)
    if total is None and end != joined.size and equal_sizes(found, None) is None:
        # the lengths of strings were read from another place: a file before them is truncated
        placed, _ = _place_all(group, JoinedShards(group.paths, sources, first_size(found)))
    return placed, [] if end is None else _check_size(group, sources, end)


def _place_all(group: WeightGroup, joined: JoinedShards) -> tuple[list[PlacedWeight], int | None]:
    """Return where the weights are, and where the last one ends; None where that is unknown."""
    placed: list[PlacedWeight] = []
    end: int | None = 0
    for weight in group.weights:
        each = _place(weight, joined, end)
        end = None if end is None or (weight.nbytes is None and each.problem is not None) else end + each.nbytes
        placed.append(each)
    return placed, end


def _place(weight: ManifestWeight, joined: JoinedShards, start: int | None) -> PlacedWeight:
    """Return a weight that begins at ``start``; None where that is unknown."""
    if start is None or weight.problem is not None:
        return PlacedWeight(weight=weight, joined=joined, problem=weight.problem or UNKNOWN_PLACE)
    nbytes = weight.nbytes
    if nbytes is None:
        try:
            nbytes = measure_strings(joined, start, element_count(weight.shape))
        except Malformed as error:
            return PlacedWeight(weight=weight, joined=joined, problem=error.problem)
    pieces, problem = joined.pieces(start, nbytes)
    return PlacedWeight(weight=weight, joined=joined, start=start, nbytes=nbytes, pieces=pieces, problem=problem)


def _check_size(group: WeightGroup, sources: Sequence[Source | None], end: int) -> list[Finding]:
    """Return a finding where the files of a group do not have the size of its weights; a missing one has its own."""
    opened = [source for source in sources if source is not None]
    left = sum(source.size for source in opened) - end
    if left == 0 or len(opened) < len(sources):
        return []
    return [_size_finding(group, opened, left)]


def _size_finding(group: WeightGroup, opened: Sequence[Source], left: int) -> Finding:
    """Return the finding for files that have ``left`` bytes more than their weights, or less."""
    others = f" and {plural(len(opened) - 1, 'file')} after it" if len(opened) > 1 else ""
    what = "missing" if left < 0 else "in no weight"
    return Finding(
        code="tfjs-shard-size",
        severity="error" if left < 0 else "warning",
        message=f"{quoted(group.paths[0])}{others}: {plural(abs(left), 'byte', 'are', 'is')} {what}",
        file=opened[0].name if opened else None,
        advice="download all files of the model again",
    )
