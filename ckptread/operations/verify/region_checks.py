"""Read the regions of a checkpoint once, and compare their checksums, in threads, in pieces of bounded size."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ckptread.errors import CheckpointError
from ckptread.storage.checksums import checksum_function, checksum_of_zeros, combine_checksums
from ckptread.storage.progress import Meter
from ckptread.storage.spans import Cover
from ckptread.storage.threads import run_in_order
from ckptread.tensors import Finding, Region

PIECE_BYTES = 1 << 20
"""Each thread reads this much at once: it stays in the processor's cache for the checksum."""
DIFFERENT = "its bytes do not match the checksum in the file"
ZERO = "its bytes are all zero and do not match the checksum in the file: they were never written"
FETCH = "download the file again, or save the checkpoint again"

Part = tuple[int, int, int]
"""The number of a region, and the offset and size of a piece of it."""
PieceResult = int | bool | CheckpointError
"""The result of a piece: its checksum, whether one within it agreed, or what is wrong."""


class RegionTally(msgspec.Struct):
    """What was found while regions were read."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    nbytes: int = 0
    checksums: int = 0
    inner: set[int] = msgspec.field(default_factory=set)
    """The numbers of regions that contain a checksum that matched."""
    damaged: list[Region] = msgspec.field(default_factory=list)
    """The regions whose bytes do not match their checksum."""


def check_regions(regions: Sequence[Region], meter: Meter) -> RegionTally:
    """Read every region; one within another that has a checksum is read only where it must be decoded."""
    cover = Cover(region for region in regions if region.checksum is not None or region.check)
    read = [n for n, r in enumerate(regions) if r.checksum is not None or r.check or not cover.holds(r)]
    tally = RegionTally()
    states: dict[int, PieceResult] = {}
    reader = _PieceReader(regions)
    for parts in run_in_order(reader.read, _batches([(n, regions[n]) for n in read])):
        for (number, _, nbytes), result in parts:
            states[number] = _combine(regions[number], states.get(number), result, nbytes)
            tally.nbytes += nbytes
            meter.add(nbytes)
    for number in read:
        if number in states:
            _record(tally, number, regions[number], states[number])
    return tally


def _batches(regions: Iterable[tuple[int, Region]]) -> Iterator[list[Part]]:
    """Yield pieces of regions to read, many small ones together."""
    batch: list[Part] = []
    filled = 0
    for number, region in regions:
        if region.check is not None:
            yield [(number, 0, region.nbytes)]
        elif region.read_into is not None:
            for at in range(0, max(1, region.nbytes), PIECE_BYTES):
                batch.append((number, at, min(PIECE_BYTES, region.nbytes - at)))
                filled += batch[-1][2]
                if filled >= PIECE_BYTES or len(batch) >= 1000:
                    yield batch
                    batch, filled = [], 0
    if batch:
        yield batch


class _PieceReader:
    """Reads pieces of regions, in any thread, into one buffer for each thread."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = regions
        self._kept = threading.local()

    def read(self, parts: list[Part]) -> list[tuple[Part, PieceResult]]:
        """Return the result of each piece."""
        return [(part, self._read_piece(self._regions[part[0]], part)) for part in parts]

    def _read_piece(self, region: Region, part: Part) -> PieceResult:
        try:
            return region.check() if region.check is not None else self._checksum(region, part)
        except CheckpointError as error:
            return error

    def _checksum(self, region: Region, part: Part) -> int:
        """Return the checksum of a piece alone; 0 where the file records none."""
        if not hasattr(self._kept, "buffer"):
            self._kept.buffer = memoryview(bytearray(PIECE_BYTES))
        piece = self._kept.buffer[: part[2]]
        if region.read_into is not None:
            region.read_into(part[1], piece)
        if region.checksum is None:
            return 0
        # google_crc32c takes no memoryview; in the cache, a copy costs next to nothing.
        return checksum_function(region.checksum.algorithm)(0, bytes(piece))


def _combine(region: Region, before: PieceResult | None, piece: PieceResult, nbytes: int) -> PieceResult:
    """Return the result of a region up to and including this piece."""
    if isinstance(before, CheckpointError) or isinstance(piece, bool | CheckpointError) or region.checksum is None:
        return before if isinstance(before, CheckpointError) else piece
    state = region.checksum.state if before is None else before
    return combine_checksums(region.checksum.algorithm, state, piece, nbytes)


def _record(tally: RegionTally, number: int, region: Region, result: PieceResult) -> None:
    """Count a region that is as it should be, or add a finding."""
    if isinstance(result, CheckpointError):
        place = (region.file, region.offset) if result.offset is None else (result.path, result.offset)
        tally.findings.append(_error(region, result.code, result.problem, *place, result.advice or FETCH))
    elif isinstance(result, bool):
        if result:
            tally.checksums += 1
            tally.inner.add(number)
    elif region.checksum is not None:
        tally.checksums += 1
        if result != region.checksum.value:
            tally.damaged.append(region)
            empty = checksum_of_zeros(region.checksum.algorithm, region.nbytes, region.checksum.state)
            code, problem = ("never-written", ZERO) if result == empty else ("checksum", DIFFERENT)
            tally.findings.append(_error(region, code, problem, region.file, region.offset, FETCH))


def _error(region: Region, code: str, problem: str, file: str, offset: int | None, advice: str) -> Finding:
    message = problem if region.key is not None or not region.name else f"{region.name}: {problem}"
    return Finding(
        code=code, severity="error", message=message, key=region.key, file=file, offset=offset, advice=advice
    )
