"""Runs of bytes in files: which contain others, which overlap, and the gaps between them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate

from ckptread.tensors import Region


class Cover:
    """A set of runs of bytes that can report whether one of them contains another run."""

    def __init__(self, regions: Iterable[Region]) -> None:
        spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for region in regions:
            spans[region.file].append((region.offset, region.offset + region.nbytes))
        self._starts: dict[str, list[int]] = {}
        self._reach: dict[str, list[int]] = {}
        for file, found in spans.items():
            found.sort()
            self._starts[file] = [start for start, _ in found]
            self._reach[file] = list(accumulate((end for _, end in found), max))

    def holds(self, region: Region) -> bool:
        """Whether one of the runs contains the complete region."""
        before = bisect_right(self._starts.get(region.file, []), region.offset)
        return before > 0 and self._reach[region.file][before - 1] >= region.offset + region.nbytes


def find_overlaps(regions: Iterable[Region]) -> Iterator[tuple[Region, Region]]:
    """Yield pairs of an earlier region and one that begins within it."""
    owner: Region | None = None
    for region in sorted((r for r in regions if r.nbytes), key=lambda r: (r.file, r.offset, r.nbytes)):
        if owner is not None and owner.file == region.file and region.offset < owner.offset + owner.nbytes:
            yield owner, region
        if owner is None or owner.file != region.file or _end(region) > _end(owner):
            owner = region


def find_gaps(spans: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of bytes outside all of the spans, as begin and end, up to ``end``."""
    at = 0
    for start, stop in [*sorted(spans), (end, end)]:
        if start > at:
            yield at, start
        at = max(at, stop)


def _end(region: Region) -> int:
    return region.offset + region.nbytes
