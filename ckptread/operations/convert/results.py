"""What became of the tensors of a conversion."""

from __future__ import annotations

import msgspec

from ckptread.reports.report import Report, Reportable
from ckptread.tensors import TensorInfo
from ckptread.wording import plural, quoted


class ConvertedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor that is written, or would be."""

    tensor: TensorInfo
    name: str
    """Its name in the new file."""
    dtype: str
    shape: tuple[int, ...]
    file: str
    note: str = ""
    """What was done to the values, or ""."""


class OmittedTensor(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor that is not written."""

    tensor: TensorInfo
    reason: str
    harmless: bool = False
    """Whether nothing is lost: it is an alias or a copy of one that is written."""


class Conversion(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """What was written from a checkpoint. False where something could not be."""

    path: str
    """The checkpoint that was read."""
    output: str
    tensors: tuple[ConvertedTensor, ...]
    omitted: tuple[OmittedTensor, ...]
    files: tuple[str, ...]
    """The files that were written, or would be; empty where nothing is, because of what cannot be held."""
    nbytes: int
    """The bytes of the values, as written."""
    dry_run: bool
    skip: bool
    """Whether what cannot be held was to be left out."""
    digest: str | None = None
    """The digest of the checkpoint, which is in the metadata of the new file; None if it was not asked for."""

    @property
    def lost(self) -> tuple[OmittedTensor, ...]:
        """The tensors that the new file does not hold."""
        return tuple(each for each in self.omitted if not each.harmless)

    @property
    def complete(self) -> bool:
        """Whether everything was written, or left out because that was asked for."""
        return self.skip or not self.lost

    def report(self) -> Report:
        """Return what ``ckptread convert`` prints."""
        from ckptread.operations.convert.report import ConvertReport

        return ConvertReport(self)

    def __bool__(self) -> bool:
        return self.complete

    def __repr__(self) -> str:
        return f"<Conversion of {quoted(self.path)}: {plural(len(self.tensors), 'tensor')}, {len(self.lost):,} lost>"
