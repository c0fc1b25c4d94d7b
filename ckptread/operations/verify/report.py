"""How ``ckptread verify`` shows what it found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ckptread.operations.documents import FindingDocument, finding_documents
from ckptread.operations.verify.findings import SHOWN, finding_lines, group_findings, without_repeated
from ckptread.operations.verify.verify import Verdict, Verification, worst_exit_code
from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.document import Document
from ckptread.reports.report import Line, Report, Table
from ckptread.wording import plural


class UncheckedDocument(msgspec.Struct, kw_only=True):
    """What has no checksum."""

    tensors: int
    nbytes: int


class VerificationDocument(msgspec.Struct, kw_only=True):
    """The result for one checkpoint."""

    path: str
    format: str | None
    """Null if it could not be opened."""
    verdict: Verdict
    tensors: int
    nbytes: int
    """Bytes that were read."""
    checksums: int
    """Checksums that were compared."""
    unchecked: UncheckedDocument
    findings: list[FindingDocument]


class VerifyDocument(Document, kw_only=True):
    """``ckptread verify --format json``."""

    exit: int
    checkpoints: list[VerificationDocument]


class VerifyReport(Report):
    """What was checked of checkpoints, and what is wrong with them. Lines come while the work is going on."""

    live = True

    def __init__(self, found: Iterable[Verification]) -> None:
        self._coming = iter(found)
        self._found: list[Verification] = []

    def document(self) -> VerifyDocument:
        """Return every finding."""
        found = self._all()
        return VerifyDocument(exit=worst_exit_code(found), checkpoints=[_document(each) for each in found])

    def records(self) -> Sequence[Any]:
        """Return the findings, each with the path of its checkpoint."""
        return [{"checkpoint": e.path, **msgspec.structs.asdict(f)} for e in self._all() for f in e.findings]

    def tables(self) -> list[Table]:
        """Return a row per finding."""
        titles = ["checkpoint", "severity", "tensor", "file", ">offset", "message", "advice", "code"]
        return [Table(titles, [row for each in self._all() for row in _rows(each)])]

    def lines(self) -> Iterator[Line]:
        """Yield a line with the verdict on each checkpoint, and one or two for each finding."""
        for each in self._each():
            yield from (Line(text, "prose") for text in _lines(each))

    def exit_code(self) -> int:
        """Return the exit code of the worst checkpoint, once all are verified."""
        return worst_exit_code(self._all())

    def _each(self) -> Iterator[Verification]:
        yield from self._found
        for each in self._coming:
            self._found.append(each)
            yield each

    def _all(self) -> list[Verification]:
        return list(self._each())


def _document(found: Verification) -> VerificationDocument:
    unchecked = UncheckedDocument(tensors=len(found.unchecked), nbytes=sum(info.nbytes for info in found.unchecked))
    return VerificationDocument(
        path=found.path, format=found.format or None, verdict=found.verdict, tensors=found.tensors,
        nbytes=found.nbytes, checksums=found.checksums, unchecked=unchecked,
        findings=finding_documents(found.findings),
    )  # fmt: skip


def _rows(found: Verification) -> Iterator[list[str]]:
    for f in found.findings:
        offset = "" if f.offset is None else str(f.offset)
        names = [name_text(f.key or ""), name_text(f.file or "")]
        texts = [name_text(f.message), name_text(f.advice), f.code]
        yield [name_text(found.path), f.severity, *names, offset, *texts]


def _lines(found: Verification) -> Iterator[str]:
    yield f"{name_text(found.path)}: {found.verdict}" + (f" ({_summary(found)})" if found.format else "")
    groups = group_findings(without_repeated(found.findings))
    for group in groups[:SHOWN]:
        yield from finding_lines(group)
    if len(groups) > SHOWN:
        yield f"  ... and {len(groups) - SHOWN:,} more: '--format json' has them all"


def _summary(found: Verification) -> str:
    read = f"{found.format}: {plural(found.tensors, 'tensor')}, {bytes_text(found.nbytes)} read"
    return f"{read}, {plural(found.checksums, 'checksum')} compared"
