"""How ``ckptread digest`` shows digests, and the results of comparing them with a listing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from ckptread.operations.assets import Asset
from ckptread.operations.digest.canonical import canonical_dtype
from ckptread.operations.digest.digest import NAMINGS, Digest
from ckptread.operations.digest.listing import WITH_ASSETS, LineResult, LineVerdict
from ckptread.operations.documents import CheckpointDocument
from ckptread.operations.each_tensor import TensorResult
from ckptread.reports.cells import name_text
from ckptread.reports.document import Document
from ckptread.reports.report import Line, Report, Table
from ckptread.wording import plural

VERDICTS = {"ok": "OK", "unreadable": "FAILED to read", "missing": "FAILED, missing", "unlisted": "FAILED, not listed"}
"""Any other verdict is plainly FAILED, as sha256sum prints it."""


class TensorDigestDocument(msgspec.Struct, kw_only=True):
    """The digest of a tensor."""

    key: str
    variable: str | None
    shape: tuple[int, ...] | None
    dtype: str
    digest: str | None
    """64 hexadecimal digits; null if the tensor cannot be read."""
    problem: str | None
    """Why it cannot be read."""


class AssetDigestDocument(msgspec.Struct, kw_only=True):
    """The digest of an asset: a file that the model needs besides its tensors."""

    name: str
    nbytes: int | None
    digest: str | None
    """64 hexadecimal digits; null if the asset cannot be read."""
    problem: str | None
    """Why it cannot be read."""


class DigestDocument(CheckpointDocument, kw_only=True):
    """``ckptread digest --format json``."""

    role: str
    names: str | None
    """Which names count in the digest of all tensors: 'key', 'variable', or null for none."""
    digest: str | None
    """The digest of all tensors together; null if one of them cannot be read."""
    digest_with_assets: str | None
    """The digest of all tensors and assets; null if there are no assets, or one of them cannot be read."""
    assets: list[AssetDigestDocument]
    tensors: list[TensorDigestDocument]


class LineResultDocument(msgspec.Struct, kw_only=True):
    """The result for a line of a listing, or for a tensor without one."""

    name: str
    verdict: LineVerdict
    note: str | None


class DigestCheckDocument(Document, kw_only=True):
    """``ckptread digest --check --format json``."""

    path: str
    digest: str | None
    verdict: Literal["same", "different"]
    checked: list[LineResultDocument]


class DigestReport(Report):
    """A line per tensor and asset, as sha256sum prints it, and a last one for all tensors."""

    def __init__(self, found: Digest) -> None:
        self._found = found

    def document(self) -> DigestDocument:
        """Return the digests."""
        found = self._found
        return DigestDocument(
            path=found.path, format=found.format, backend=found.backend, metadata=dict(found.metadata), role=found.role,
            names=found.names, digest=found.whole, digest_with_assets=found.with_assets,
            assets=[_asset_document(asset) for asset in found.assets],
            tensors=[_tensor_document(entry) for entry in found.tensors],
        )  # fmt: skip

    def tables(self) -> list[Table]:
        """Return a row per readable tensor and asset, and one or two for all of them."""
        return [Table(["sha256", "name"], list(self._rows()))]

    def lines(self) -> Iterator[Line]:
        """Yield the same as lines that can be saved as a listing."""
        yield from (Line("  ".join(row)) for row in self._rows())

    def notes(self) -> Iterator[str]:
        """Yield the tensors that cannot be read, and what the file does not record."""
        yield from unreadable_notes(self._found)

    def _rows(self) -> Iterator[tuple[str, str]]:
        naming = NAMINGS[self._found.names or "variable"]
        for entry in self._found.tensors:
            if entry.value is not None:
                yield entry.value, name_text(naming(entry.tensor))
        for asset in self._found.assets:
            if asset.sha256 is not None:
                yield asset.sha256, name_text(asset.name)
        if self._found.with_assets is not None:
            yield self._found.with_assets, name_text(self._found.path) + WITH_ASSETS
        if self._found.whole is not None:
            yield self._found.whole, name_text(self._found.path)


class DigestCheckReport(Report):
    """A line per digest of a listing, as ``sha256sum --check`` prints it."""

    def __init__(self, found: Digest, *, quiet: bool = False) -> None:
        self._found = found
        self._shown = [entry for entry in found.checked or () if not (quiet and entry.verdict == "ok")]

    def document(self) -> DigestCheckDocument:
        """Return the result of every line."""
        return DigestCheckDocument(
            path=self._found.path,
            digest=self._found.whole,
            verdict="same" if self._found.agrees else "different",
            checked=[
                LineResultDocument(name=entry.name, verdict=entry.verdict, note=entry.note or None)
                for entry in self._found.checked or ()
            ],
        )

    def tables(self) -> list[Table]:
        """Return a row per digest."""
        return [Table(["name", "verdict", "note"], [[e.name, e.verdict, e.note] for e in self._shown])]

    def lines(self) -> Iterator[Line]:
        """Yield a line per digest."""
        yield from (Line(_check_line(entry)) for entry in self._shown)

    def notes(self) -> Iterator[str]:
        """Yield how many digests differ, and what could not be read."""
        checked = self._found.checked or ()
        failed = sum(entry.verdict != "ok" for entry in checked)
        if failed:
            yield f"ckptread: {failed:,} of {plural(len(checked), 'digest')} did NOT agree"
        yield from unreadable_notes(self._found)


def unreadable_notes(found: Digest) -> Iterator[str]:
    """Yield the tensors that cannot be read, and what the file does not record."""
    for entry in found.unreadable:
        name = entry.name if isinstance(entry, Asset) else entry.tensor.name
        yield f"{name_text(name)} could not be read: {entry.problem}"
    yield from found.notes


def _tensor_document(entry: TensorResult[str]) -> TensorDigestDocument:
    info = entry.tensor
    return TensorDigestDocument(
        key=info.key, variable=info.variable, shape=info.shape,
        dtype=info.dtype_name if entry.value is None else canonical_dtype(info.dtype), digest=entry.value,
        problem=entry.problem or None,
    )  # fmt: skip


def _asset_document(asset: Asset) -> AssetDigestDocument:
    return AssetDigestDocument(name=asset.name, nbytes=asset.nbytes, digest=asset.sha256, problem=asset.problem or None)


def _check_line(entry: LineResult) -> str:
    note = f" ({entry.note})" if entry.note and entry.verdict == "ok" else ""
    return f"{entry.name}: {VERDICTS.get(entry.verdict, 'FAILED')}{note}"
