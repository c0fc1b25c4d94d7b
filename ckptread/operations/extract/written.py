"""What became of the tensors that were to be written."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptread.errors import CheckpointError
from ckptread.reports.report import Report, Reportable
from ckptread.tensors import TensorInfo
from ckptread.wording import plural


class WrittenTensor(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """A tensor that was written."""

    tensor: TensorInfo
    path: str
    """The file; for a member of an archive, with its name in brackets; "-" for stdout."""
    dtype: str
    """The dtype in the file."""
    shape: tuple[int, ...]
    """The shape in the file: that of the slice."""
    note: str
    """What was done to the values, or ""."""
    error: None = None

    def report(self) -> Report:
        """Return the line that ``ckptread extract`` prints."""
        from ckptread.operations.extract.report import ExtractReport

        return ExtractReport([self])


class SkippedTensor(Reportable, msgspec.Struct, frozen=True):
    """A tensor that could not be written: it cannot be read, or .npy cannot hold it."""

    tensor: TensorInfo
    error: CheckpointError

    def report(self) -> Report:
        """Return the line that ``ckptread extract`` prints."""
        from ckptread.operations.extract.report import ExtractReport

        return ExtractReport([self])


class Extraction(Reportable, msgspec.Struct, frozen=True):
    """What became of each tensor, in order. It is iterable, and has a length."""

    tensors: tuple[WrittenTensor | SkippedTensor, ...]

    @property
    def written(self) -> tuple[WrittenTensor, ...]:
        """The tensors that were written."""
        return tuple(each for each in self.tensors if isinstance(each, WrittenTensor))

    @property
    def skipped(self) -> tuple[SkippedTensor, ...]:
        """The tensors that could not be written."""
        return tuple(each for each in self.tensors if isinstance(each, SkippedTensor))

    def report(self) -> Report:
        """Return what ``ckptread extract`` prints."""
        from ckptread.operations.extract.report import ExtractReport

        return ExtractReport(self.tensors)

    def __iter__(self) -> Iterator[WrittenTensor | SkippedTensor]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __repr__(self) -> str:
        return f"<extraction: {plural(len(self.written), 'tensor')} written, {len(self.skipped):,} skipped>"
