"""Is a checkpoint whole? Every byte that can be checked is, and what cannot be is said.

A pass over what opening found wrong, over the tensors' names, and over the reader's regions, whose bytes are read
once, in threads, in pieces of bounded size.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from ckptread.errors import CheckpointError
from ckptread.limits import UNPLACED_BYTES
from ckptread.operations.verify.coverage import absence, doubtful_keys, mixed_steps, unchecked_tensors
from ckptread.reader import Reader, Tensor
from ckptread.storage.checksums import combine, extender, of_zeros
from ckptread.storage.progress import SILENT, Meter
from ckptread.storage.spans import Cover, overlaps
from ckptread.storage.threads import run_in_order
from ckptread.tensors import Finding, Region, Severity, TensorInfo, trouble
from ckptread.wording import escape, short

PIECE_BYTES = 1 << 20
"""What is read at once by each thread: it stays in the processor's cache for the checksum."""
NAME_BYTES = 4096
"""A longer name than any path that a system takes: nothing can be written under it."""
DIFFERENT = "its bytes do not have the checksum that is stated for them"
ZERO = "its bytes are all zero, and do not have the checksum that is stated for them: they were never written"
FETCH = "fetch the file again, or save it anew"

Part = tuple[int, int, int]
"""The number of a region, and the offset and size of a piece of it."""
Outcome = int | bool | CheckpointError
"""What came of a piece: its checksum, whether one within it agreed, or what is wrong."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked, and what was found."""

    path: str
    format: str
    findings: tuple[Finding, ...]
    """The worst first."""
    tensors: int
    """Second names left out."""
    nbytes: int
    """Bytes of the file or files that were read."""
    checksums: int
    """How many checksums were compared."""
    unchecked: tuple[TensorInfo, ...]
    """Tensors that no checksum covers."""
    doubtful: frozenset[str] = frozenset()
    """Keys of tensors that lie within bytes whose checksum is wrong, though not by which of their bytes."""

    @classmethod
    def failed(cls, path: str, finding: Finding) -> Verification:
        """Return that of a checkpoint that could not be opened: it has no format."""
        return cls(path=path, format="", findings=(finding,), tensors=0, nbytes=0, checksums=0, unchecked=())

    @property
    def sound(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.severity == "note" for finding in self.findings)


class _Tally(msgspec.Struct):
    """What has come of the regions so far."""

    findings: list[Finding] = msgspec.field(default_factory=list)
    nbytes: int = 0
    checksums: int = 0
    inner: set[int] = msgspec.field(default_factory=set)
    """The numbers of regions with a checksum of their own within them."""
    damaged: list[Region] = msgspec.field(default_factory=list)
    """Those whose bytes have another checksum than the stated one."""


def verify(reader: Reader, *, meter: Meter = SILENT) -> Verification:
    """Check everything that the format states of itself, and read every byte that it names.

    ``meter`` counts the bytes that are read, about ``verify_nbytes``. Never raises
    CheckpointError: what goes wrong is a finding.
    """
    tensors = [info for info in reader.tensors.values() if info.alias_of is None]
    findings = [*reader.problems, *_tensor_findings(reader.tensors.values())]
    regions, trouble = _regions_of(reader)
    tally = _check(regions, meter)
    known = {(finding.file, finding.offset) for finding in reader.problems if finding.severity == "error"}
    findings += [
        *trouble,
        *_overlapping(regions),
        *mixed_steps(regions, tally.damaged, reader.problems),
        *(finding for finding in tally.findings if finding.key or (finding.file, finding.offset) not in known),
    ]
    placed = {region.key for region in regions}
    findings += _read_placeless(reader, [t for t in tensors if t.extent is None and t.key not in placed])
    unchecked = unchecked_tensors(tensors, regions, tally.inner)
    readable = [info for info in tensors if info.problem is None and info.nbytes]
    wrong = {finding.key for finding in findings if finding.severity == "error"}
    findings += absence([info for info in unchecked if info.key not in wrong], len(readable))
    return Verification(
        path=reader.path,
        format=reader.format,
        findings=tuple(sorted(_once(findings), key=_rank)),
        tensors=len(tensors),
        nbytes=tally.nbytes,
        checksums=tally.checksums,
        unchecked=tuple(unchecked),
        doubtful=doubtful_keys(tensors, regions, tally.damaged),
    )


def verify_nbytes(reader: Reader) -> int:
    """Return about how many bytes there are to check, for a progress bar."""
    return sum(info.nbytes for info in reader.tensors.values() if info.alias_of is None and info.problem is None)


def _rank(finding: Finding) -> int:
    return ("error", "warning", "note").index(finding.severity)


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    return iter(dict.fromkeys(findings))


def _tensor_findings(tensors: Collection[TensorInfo]) -> Iterator[Finding]:
    """Yield what is wrong with each tensor as it is listed, and with its name."""
    spared = "the other tensors are not touched by it" if any(info.problem is None for info in tensors) else ""
    for info in tensors:
        file, offset = (info.extent.file, info.extent.offset) if info.extent else (None, None)
        if info.problem is not None:
            severity: Severity = "warning" if info.unsupported else "error"
            advice = "it was not checked" if info.unsupported else spared
            yield Finding(
                severity=severity, message=info.problem, key=info.key, file=file, offset=offset, advice=advice
            )
        if escape(info.key).replace("\\\\", "\\") != info.key:
            message = "its name holds characters that do not print, and is shown with escapes"
            yield Finding(severity="warning", message=message, key=info.key, file=file, offset=offset)
        if len(info.key.encode("utf-8", "surrogateescape")) > NAME_BYTES:
            yield Finding(
                severity="warning",
                message=f"its name takes more than {NAME_BYTES:,} bytes",
                key=info.key,
                file=file,
                offset=offset,
            )


def _regions_of(reader: Reader) -> tuple[list[Region], list[Finding]]:
    """Return the regions; and what went wrong in finding them, where that could not be done to the end."""
    regions: list[Region] = []
    try:
        regions.extend(reader.regions())
    except CheckpointError as error:
        return regions, [trouble(error)]
    return regions, []


def _overlapping(regions: Sequence[Region]) -> Iterator[Finding]:
    """Warn of tensors that share bytes: one of them is not what was saved, or the file is made to expand."""
    for one, other in overlaps([region for region in regions if region.key is not None]):
        message = f"its bytes overlap those of {short(one.key or '')!r}"
        yield Finding(
            severity="warning",
            message=message,
            key=other.key,
            file=other.file,
            offset=other.offset,
            advice="save the checkpoint anew",
        )


def _check(regions: Sequence[Region], meter: Meter) -> _Tally:
    """Read every region, those within another one that has a checksum only where they must be decoded."""
    cover = Cover(region for region in regions if region.checksum is not None or region.check)
    read = [n for n, r in enumerate(regions) if r.checksum is not None or r.check or not cover.holds(r)]
    tally = _Tally()
    states: dict[int, Outcome] = {}
    reading = _Reading(regions)
    for parts in run_in_order(reading.read, _jobs([(n, regions[n]) for n in read])):
        for (number, _, nbytes), outcome in parts:
            states[number] = _joined(regions[number], states.get(number), outcome, nbytes)
            tally.nbytes += nbytes
            meter.add(nbytes)
    for number in read:
        if number in states:
            _conclude(tally, number, regions[number], states[number])
    return tally


def _jobs(regions: Iterable[tuple[int, Region]]) -> Iterator[list[Part]]:
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


class _Reading:
    """Reads pieces of regions, in any thread, into a buffer that each thread keeps."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = regions
        self._kept = threading.local()

    def read(self, parts: list[Part]) -> list[tuple[Part, Outcome]]:
        """Return what comes of each piece."""
        return [(part, self._outcome(self._regions[part[0]], part)) for part in parts]

    def _outcome(self, region: Region, part: Part) -> Outcome:
        try:
            return region.check() if region.check is not None else self._checksum(region, part)
        except CheckpointError as error:
            return error

    def _checksum(self, region: Region, part: Part) -> int:
        """Return the checksum of a piece, as if nothing stood before it; 0 where none is stated."""
        if not hasattr(self._kept, "buffer"):
            self._kept.buffer = memoryview(bytearray(PIECE_BYTES))
        piece = self._kept.buffer[: part[2]]
        if region.read_into is not None:
            region.read_into(part[1], piece)
        if region.checksum is None:
            return 0
        # google_crc32c takes no memoryview; in the cache, a copy costs next to nothing.
        return extender(region.checksum.algorithm)(0, bytes(piece))


def _joined(region: Region, before: Outcome | None, piece: Outcome, nbytes: int) -> Outcome:
    """Return what comes of a region up to this piece."""
    if isinstance(before, CheckpointError) or isinstance(piece, bool | CheckpointError) or region.checksum is None:
        return before if isinstance(before, CheckpointError) else piece
    state = region.checksum.state if before is None else before
    return combine(region.checksum.algorithm, state, piece, nbytes)


def _conclude(tally: _Tally, number: int, region: Region, outcome: Outcome) -> None:
    """Count a region that is as it should be, or say what is wrong."""
    if isinstance(outcome, CheckpointError):
        file, offset = (outcome.path, outcome.offset) if outcome.offset is not None else (region.file, region.offset)
        advice = outcome.advice or FETCH
        tally.findings.append(
            Finding(
                severity="error",
                message=_titled(region, outcome.problem),
                key=region.key,
                file=file,
                offset=offset,
                advice=advice,
            )
        )
    elif isinstance(outcome, bool):
        if outcome:
            tally.checksums += 1
            tally.inner.add(number)
    elif region.checksum is not None:
        tally.checksums += 1
        if outcome != region.checksum.value:
            tally.damaged.append(region)
            empty = of_zeros(region.checksum.algorithm, region.nbytes, region.checksum.state)
            message = _titled(region, ZERO if outcome == empty else DIFFERENT)
            tally.findings.append(
                Finding(
                    severity="error",
                    message=message,
                    key=region.key,
                    file=region.file,
                    offset=region.offset,
                    advice=FETCH,
                )
            )


def _titled(region: Region, problem: str) -> str:
    return problem if region.key is not None or not region.name else f"{region.name}: {problem}"


def _read_placeless(reader: Reader, tensors: Iterable[TensorInfo]) -> Iterator[Finding]:
    """Read the tensors that are no run of bytes: within a description, decoded by a library, or never written."""
    left = UNPLACED_BYTES
    for info in tensors:
        if info.problem is not None or info.shape is None:
            continue
        if info.nbytes > left:
            message = f"it was not read: it claims {info.nbytes:,} bytes, for which no bytes of the file stand"
            yield Finding(
                severity="warning",
                message=message,
                key=info.key,
                file=reader.path,
                offset=None,
                advice="read it by 'ckptread extract'",
            )
            continue
        left -= info.nbytes
        try:
            for _ in Tensor(reader, info).blocks():
                continue
        except CheckpointError as error:
            yield Finding(
                severity="error",
                message=error.problem,
                key=info.key,
                file=error.path,
                offset=error.offset,
                advice=error.advice,
            )
