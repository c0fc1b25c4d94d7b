"""How ``ckptread salvage`` shows what was saved and lost, and the manifest that it writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ckptread.operations.documents import FindingDocument, finding_documents
from ckptread.operations.salvage.salvage import Salvage, SavedTensor, Trust
from ckptread.operations.verify.findings import SHOWN, finding_lines, group_findings
from ckptread.reports.cells import name_text
from ckptread.reports.document import Document
from ckptread.reports.report import Line, Report, Table
from ckptread.tensors import TensorInfo
from ckptread.wording import plural

TRUST = {
    "unchecked": "its values have no checksum",
    "doubtful": "a checksum over it is wrong, or its name is lost",
}


class SourceDocument(msgspec.Struct, kw_only=True):
    """Where the bytes of a tensor are stored."""

    file: str
    offset: int
    nbytes: int


class LostDocument(msgspec.Struct, kw_only=True):
    """A tensor that was lost."""

    key: str
    variable: str | None
    dtype: str
    shape: tuple[int, ...] | None
    reason: str
    source: SourceDocument | None
    """Null where its bytes are not one run."""


class SavedDocument(msgspec.Struct, kw_only=True):
    """A tensor that was saved."""

    key: str
    variable: str | None
    dtype: str
    shape: tuple[int, ...] | None
    file: str
    """The name of the .npy file in the folder."""
    file_dtype: str
    note: str | None
    """How the values were changed, or null."""
    sha256: str
    """The digest of the .npy file."""
    trust: Trust
    source: SourceDocument | None


class ManifestDocument(Document, kw_only=True):
    """``manifest.json``: what was saved of a checkpoint, and what was lost."""

    path: str
    format: str
    whole: bool
    """Whether nothing is lost or in doubt."""
    saved: list[SavedDocument]
    lost: list[LostDocument]
    findings: list[FindingDocument]


class SalvageReport(Report):
    """What is wrong with the file, what was lost, and how much was saved."""

    def __init__(self, found: Salvage) -> None:
        self._found = found

    def document(self) -> ManifestDocument:
        """Return the manifest."""
        found = self._found
        return ManifestDocument(
            path=found.path,
            format=found.format,
            whole=found.whole,
            saved=[_saved(saved) for saved in found.saved],
            lost=[LostDocument(**_about(lost.tensor), reason=lost.reason) for lost in found.lost],
            findings=finding_documents(found.findings),
        )

    def records(self) -> list[msgspec.Struct]:
        """Return a record per tensor, saved or lost."""
        document = self.document()
        return [*document.saved, *document.lost]

    def tables(self) -> list[Table]:
        """Return a row per tensor."""
        saved = [[name_text(s.tensor.name), "saved", s.trust, name_text(s.file), s.note] for s in self._found.saved]
        lost = [[name_text(e.tensor.name), "lost", "", "", name_text(e.reason)] for e in self._found.lost]
        return [Table(["name", "result", "trust", "file", "note"], [*saved, *lost])]

    def lines(self) -> Iterator[Line]:
        """Yield the findings, the lost tensors and a summary."""
        yield from (Line(text, "prose") for text in _lines(self._found))


def _saved(saved: SavedTensor) -> SavedDocument:
    return SavedDocument(
        **_about(saved.tensor), file=saved.file, file_dtype=saved.dtype, note=saved.note or None, sha256=saved.sha256,
        trust=saved.trust,
    )  # fmt: skip


def _about(info: TensorInfo) -> dict[str, Any]:
    extent = info.extent
    source = extent and SourceDocument(file=extent.file, offset=extent.offset, nbytes=extent.nbytes)
    return {"key": info.key, "variable": info.variable, "dtype": info.dtype_name, "shape": info.shape, "source": source}


def _counts(found: Salvage, tensors: int, hidden: bool) -> Iterator[str]:
    """Yield how much was saved and lost; where damage hides tensors from the listing, those are at least so many."""
    least = "at least " if hidden else ""
    if not found.saved:
        yield f"nothing was saved: {'no tensor is intact' if tensors or hidden else 'the checkpoint has no tensors'}"
    if not tensors:
        if hidden:
            yield "an unknown number of tensors is lost"
        return
    count = f"{len(found.saved):,} of {least}{plural(tensors, 'tensor')}"
    gone = f"{least}{len(found.lost):,}" if found.lost or not hidden else "an unknown number"
    yield f"{count} saved to {name_text(found.folder)}; {gone} lost"


def _lines(found: Salvage) -> Iterator[str]:
    lost = {missing.tensor.key for missing in found.lost}
    tensors = lost | {saved.tensor.key for saved in found.saved}
    for group in group_findings([finding for finding in found.findings if finding.key not in lost])[:SHOWN]:
        yield from finding_lines(group)
    for missing in found.lost[:SHOWN]:
        yield f"lost: {name_text(missing.tensor.name)}: {name_text(missing.reason)}"
    if len(found.lost) > SHOWN:
        yield f"... and {len(found.lost) - SHOWN:,} more lost tensors"
    hidden = any(finding.severity == "error" and finding.key not in tensors for finding in found.findings)
    yield from _counts(found, len(tensors), hidden)
    for trust, meaning in TRUST.items():
        if number := sum(saved.trust == trust for saved in found.saved):
            yield f"{number:,} of the saved {'is' if number == 1 else 'are'} {trust}: {meaning}"
    if hidden:
        yield "tensors that the damage hides from the listing are not counted: download the file again if possible"
    yield f"the manifest: {name_text(found.manifest)}"
