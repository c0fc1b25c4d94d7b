"""Is a checkpoint intact? Every byte that can be checked is checked, and the result says what could not be.

It collects the problems that opening found, checks the names of the tensors, and reads all regions of the files.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from ckptread.errors import CheckpointError
from ckptread.limits import UNPLACED_BYTES
from ckptread.operations.assets import refused_assets
from ckptread.operations.copies import is_same
from ckptread.operations.opening import Checkpoint, has_recent_file, opened
from ckptread.operations.verify.coverage import doubtful_keys, mixed_steps, note_missing_checksums, unchecked_tensors
from ckptread.operations.verify.region_checks import RegionTally, check_regions
from ckptread.reader import Reader, Tensor
from ckptread.reports.report import Report, Reportable
from ckptread.storage.progress import SILENT, Meter, Progress
from ckptread.storage.spans import find_overlaps
from ckptread.tensors import Finding, Region, Severity, TensorInfo, trouble
from ckptread.wording import cut, plural, printable, quoted

NAME_BYTES = 4096
"""A longer name than any path that a system takes: nothing can be written under it."""


Verdict = Literal["ok", "suspect", "damaged", "unreadable"]
EXIT_CODES: dict[Verdict, int] = {"ok": 0, "suspect": 1, "damaged": 1, "unreadable": 2}


class Verification(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """The result of verifying a checkpoint. It is true where nothing is wrong with it."""

    path: str
    format: str
    """"" where it could not be opened."""
    findings: tuple[Finding, ...]
    """The most severe first."""
    tensors: int
    """The number of tensors, without second names."""
    nbytes: int
    """Bytes that were read."""
    checksums: int
    """The number of checksums that were compared."""
    unchecked: tuple[TensorInfo, ...]
    """Tensors without a checksum."""
    doubtful: frozenset[str] = frozenset()
    """Keys of tensors in a run of bytes whose checksum is wrong, while nobody knows which of the bytes are."""

    @classmethod
    def unopened(cls, path: str, error: CheckpointError) -> Verification:
        """Return the result for a checkpoint that cannot be opened."""
        return cls(path=path, format="", findings=(trouble(error),), tensors=0, nbytes=0, checksums=0, unchecked=())

    @property
    def sound(self) -> bool:
        """Whether there is nothing but notes."""
        return self.verdict == "ok"

    @property
    def verdict(self) -> Verdict:
        """'suspect' where there are warnings, 'damaged' where there are errors, 'unreadable' if it was not opened."""
        if not self.format:
            return "unreadable"
        severities = {finding.severity for finding in self.findings}
        return "damaged" if "error" in severities else "suspect" if "warning" in severities else "ok"

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 where nothing is wrong, 1 for errors and warnings, 2 if it was not opened."""
        return EXIT_CODES[self.verdict]

    def __bool__(self) -> bool:
        return self.sound

    def report(self) -> Report:
        """Return what ``ckptread verify`` prints."""
        from ckptread.operations.verify.report import VerifyReport

        return VerifyReport([self])

    @staticmethod
    def report_all(found: Iterable[Verification]) -> Report:
        """Return what ``ckptread verify`` prints of several checkpoints. They may come while the report is printed."""
        from ckptread.operations.verify.report import VerifyReport

        return VerifyReport(found)

    def __repr__(self) -> str:
        return f"<Verification of {quoted(self.path)}: {self.verdict}, {plural(len(self.findings), 'finding')}>"


def verify(checkpoint: Checkpoint, *, backend: str = "auto", progress: Progress | None = None) -> Verification:
    """Check all that a checkpoint records of itself, and read every byte that it names.

    What is wrong is a finding of the result, also where the checkpoint cannot be opened: no CheckpointError is raised.

    >>> import ckptread
    >>> ckptread.verify("fixtures/tf-object/ckpt-1")
    <Verification of 'fixtures/tf-object/ckpt-1': ok, 0 findings>
    """
    try:
        with opened(checkpoint, backend=backend, warn=False) as reader:
            return verify_reader(reader, Meter(progress, bytes_to_verify(reader)))
    except CheckpointError as error:
        path = checkpoint.path if isinstance(checkpoint, Reader) else os.fspath(checkpoint)
        return Verification.unopened(path, error)


def verify_reader(reader: Reader, meter: Meter = SILENT) -> Verification:
    """Check an open checkpoint. Never raises CheckpointError."""
    tensors = [info for info in reader.tensors.values() if info.alias_of is None]
    recent = has_recent_file(reader)
    regions, unlisted = _regions_of(reader)
    tally = check_regions(regions, meter)
    findings = [*reader.problems, *_tensor_findings(reader, _sound_keys(regions, tally)), *unlisted]
    findings += _findings_of_regions(reader, regions, tally)
    findings += _read_placeless(reader, tensors, regions)
    findings += [*_differing_copies(reader, tensors), *refused_assets(reader)]
    unchecked = unchecked_tensors(tensors, regions, tally.inner)
    findings += _missing_checksums(tensors, unchecked, findings, recent)
    return Verification(
        path=reader.path,
        format=reader.format,
        findings=tuple(sorted(dict.fromkeys(findings), key=_rank)),
        tensors=len(tensors),
        nbytes=tally.nbytes,
        checksums=tally.checksums,
        unchecked=tuple(unchecked),
        doubtful=doubtful_keys(tensors, regions, tally.damaged),
    )


def _sound_keys(regions: Sequence[Region], tally: RegionTally) -> set[str]:
    """Return the keys of tensors whose bytes have a checksum that agrees."""
    wrong = {finding.key for finding in tally.findings}
    agrees = (r.key for n, r in enumerate(regions) if r.checksum is not None or n in tally.inner)
    return {key for key in agrees if key is not None and key not in wrong}


def _findings_of_regions(reader: Reader, regions: Sequence[Region], tally: RegionTally) -> Iterator[Finding]:
    """Yield what the regions show; what opening has already found at a place is not repeated."""
    known = {(finding.file, finding.offset) for finding in reader.problems if finding.severity == "error"}
    yield from _overlapping(regions)
    yield from mixed_steps(regions, tally.damaged, reader.problems)
    yield from (found for found in tally.findings if found.key or (found.file, found.offset) not in known)


def _missing_checksums(
    tensors: Iterable[TensorInfo], unchecked: Iterable[TensorInfo], findings: Iterable[Finding], recent: bool
) -> Iterator[Finding]:
    readable = sum(info.problem is None and info.nbytes > 0 for info in tensors)
    wrong = {finding.key for finding in findings if finding.severity == "error"}
    yield from note_missing_checksums([info for info in unchecked if info.key not in wrong], readable, recent)


def worst_exit_code(found: Iterable[Verification]) -> int:
    """Return the exit code for several checkpoints: that of the worst."""
    return max(each.exit_code for each in found)


def bytes_to_verify(reader: Reader) -> int:
    """Return about how many bytes there are to check, for a progress bar."""
    return sum(info.nbytes for info in reader.tensors.values() if info.alias_of is None and info.problem is None)


def _rank(finding: Finding) -> int:
    return ("error", "warning", "note").index(finding.severity)


def _tensor_findings(reader: Reader, sound: Container[str]) -> Iterator[Finding]:
    """Yield what is wrong with each tensor in the listing, and with its name."""
    tensors = reader.tensors.values()
    codes = {finding.key: finding.code for finding in reader.problems if finding.severity == "error"}
    others = "the other tensors are not affected" if any(info.problem is None for info in tensors) else ""
    for info in tensors:
        if info.unsupported and info.problem is not None and info.key in sound:
            yield _finding(info, "tensor-unsupported", "note", info.problem, "its bytes agree with their checksum")
        elif info.unsupported and info.problem is not None:
            yield _finding(info, "tensor-unsupported", "warning", info.problem, "it was not checked")
        elif info.problem is not None:
            yield _finding(info, codes.get(info.key, "tensor-unreadable"), "error", info.problem, others)
        yield from (_finding(info, "tensor-name", "warning", message) for message in _name_problems(info.key))


def _name_problems(key: str) -> Iterator[str]:
    if printable(key) != key:
        yield "its name has unprintable characters, shown as escapes"
    if len(key.encode("utf-8", "surrogateescape")) > NAME_BYTES:
        yield f"its name takes more than {NAME_BYTES:,} bytes"


def _finding(info: TensorInfo, code: str, severity: Severity, message: str, advice: str = "") -> Finding:
    file, offset = (info.extent.file, info.extent.offset) if info.extent else (None, None)
    return Finding(code=code, severity=severity, message=message, key=info.key, file=file, offset=offset, advice=advice)


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
    for one, other in find_overlaps([region for region in regions if region.key is not None]):
        message = f"its bytes overlap those of {quoted(cut(one.key or ''))}"
        yield Finding(
            code="tensor-overlap",
            severity="warning",
            message=message,
            key=other.key,
            file=other.file,
            offset=other.offset,
            advice="save the checkpoint again",
        )


def _read_placeless(reader: Reader, tensors: Iterable[TensorInfo], regions: Iterable[Region]) -> Iterator[Finding]:
    """Read the tensors that are not a run of bytes: in a header, decoded by a library, or never written."""
    left = UNPLACED_BYTES
    placed = {region.key for region in regions}
    for info in tensors:
        if info.extent is not None or info.key in placed or info.problem is not None or info.shape is None:
            continue
        if info.nbytes > left:
            message = f"it was not read: it claims {info.nbytes:,} bytes that are not stored in the file"
            advice = "read it with 'ckptread extract'"
            yield Finding(
                code="tensor-unread", severity="warning", message=message, key=info.key, file=reader.path, advice=advice
            )
        else:
            left -= info.nbytes
            yield from _read_blocks(Tensor(reader, info))


def _differing_copies(reader: Reader, tensors: Sequence[TensorInfo]) -> Iterator[Finding]:
    """Warn of copies of a variable that are not the same as their original: a program that loads either may differ."""
    by_key = {info.key: info for info in tensors}
    for info in tensors:
        original = by_key.get(info.copy_of or "")
        if original is None or info.problem is not None or original.problem is not None:
            continue
        if not is_same(reader, info, original):
            message = f"it is a copy of {quoted(cut(original.key))}, and differs from it"
            yield _finding(info, "copy-differs", "warning", message, "save the checkpoint again")


def _read_blocks(tensor: Tensor) -> Iterator[Finding]:
    """Read all values of a tensor, and yield an error where that fails."""
    try:
        for _ in tensor.blocks():
            continue
    except CheckpointError as error:
        yield msgspec.structs.replace(trouble(error), key=tensor.info.key)
