"""All about one tensor: where its bytes are, statistics of its values, a histogram, the first of them; or a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.operations.documents import checkpoint_fields
from ckptread.operations.opening import Checkpoint, opened
from ckptread.operations.verify.coverage import around, has_checksum_within
from ckptread.reports.report import Report, Reportable
from ckptread.tensors import Region, TensorInfo
from ckptread.values import statistics as of_values
from ckptread.values.heat_map import heat_map
from ckptread.values.quantiles import quantiles
from ckptread.values.running_statistics import Statistics
from ckptread.values.statistics import Histogram

if TYPE_CHECKING:
    from ckptread.reader import Reader, Tensor
    from ckptread.slicing import Selection
    from ckptread.tensors import Array

FIRST = 8
"""How many values are shown."""
SHARES = (0.01, 0.25, 0.5, 0.75, 0.99)
HEAT_ROWS, HEAT_COLUMNS = 12, 64


class Quantile(msgspec.Struct, frozen=True):
    """The value that a share of all finite values does not exceed."""

    share: float
    value: float


class TensorStatistics(Reportable, Statistics, frozen=True, kw_only=True, eq=False):
    """One tensor, with statistics of its values.

    >>> import ckptread
    >>> found = ckptread.statistics("fixtures/tf-object/ckpt-1", "sequential/dense/kernel")
    >>> found.tensor.shape, found.count, found.nans
    ((4, 2), 8, 0)
    """

    tensor: TensorInfo
    histogram: Histogram | None
    """How the finite values are spread; None if they are all equal, or not numbers."""
    quantiles: tuple[Quantile, ...]
    """Exact quantiles of the finite values; empty where there are none."""
    heat: Array | None
    """The mean magnitude of blocks of rows and columns; None for what is not a matrix of numbers."""
    first: Array
    """The first values: at most eight."""
    storage: dict[str, str]
    """What else the format records about how it is stored, by name: layout, chunks, filters, attributes."""
    checkpoint: dict[str, Any]
    """Path, format, backend and metadata of the checkpoint."""
    covered_by: Region | None
    """The part of the file whose checksum covers the bytes of the tensor and others; None if there is none."""
    checked_within: bool = False
    """Whether the bytes contain a checksum of their own, as strings of TensorFlow do, and it agrees."""

    @property
    def sparsity(self) -> float | None:
        """The share of the values that are zero; None where that has no meaning."""
        return None if self.zeros is None or not self.count else self.zeros / self.count

    def report(self) -> Report:
        """Return what ``ckptread show`` prints."""
        from ckptread.operations.show.report import ShowReport

        return ShowReport(self)


class TensorSlice(Reportable, msgspec.Struct, frozen=True, eq=False):
    """Part of a tensor."""

    tensor: TensorInfo
    values: Array

    def report(self) -> Report:
        """Return what ``ckptread show --slice`` prints."""
        from ckptread.operations.show.report import SliceReport

        return SliceReport(self)


def show(
    checkpoint: Checkpoint,
    name: str,
    *,
    slice: Selection | None = None,  # noqa: A002 - called as on the command line
    backend: str = "auto",
) -> TensorStatistics | TensorSlice:
    """Return all about one tensor, or a slice of it: what ``ckptread show`` prints.

    ``slice`` is numpy's basic slicing: an integer, a slice, an Ellipsis, or a tuple of them; None reads all values for
    their statistics. Raises CheckpointError, and IndexError as numpy does.
    """
    if slice is None:
        return tensor_statistics(checkpoint, name, backend=backend)
    with opened(checkpoint, backend) as reader:
        tensor = reader[name]
        return TensorSlice(tensor.info, tensor.read(slice))


def tensor_statistics(checkpoint: Checkpoint, name: str, *, backend: str = "auto") -> TensorStatistics:
    """Return statistics of all values of one tensor, and a histogram of them.

    ``checkpoint`` is a path or an open reader, ``name`` a key or variable name, ``backend`` who reads the values of a
    path: "auto", "native" or "tensorflow". Raises CheckpointError as reading does, also if a checksum does not agree.

    >>> import ckptread
    >>> ckptread.statistics("fixtures/tf-object/ckpt-1", "sequential/dense/kernel").histogram.counts
    (1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1)
    """
    with opened(checkpoint, backend) as reader:
        return _statistics(reader, reader[name])


def _statistics(reader: Reader, tensor: Tensor) -> TensorStatistics:
    stats = of_values.statistics(tensor)
    spread = of_values.histogram(tensor, stats)
    finite = stats.count - (stats.nans or 0) - (stats.infs or 0)
    found = quantiles(tensor, finite, SHARES) if stats.mean is not None else None
    first = next(tensor.blocks(FIRST * tensor.dtype.itemsize), None)
    return TensorStatistics(
        **msgspec.structs.asdict(stats),
        tensor=tensor.info,
        histogram=spread,
        quantiles=tuple(map(Quantile, SHARES, found or ())),
        heat=heat_map(tensor, HEAT_ROWS, HEAT_COLUMNS),
        storage=dict(reader.describe_storage(tensor.info.key)),
        first=tensor.read() if first is None else first,  # a tensor without elements has no blocks
        checkpoint=checkpoint_fields(reader),
        covered_by=around(reader, tensor.info),
        checked_within=has_checksum_within(reader, tensor.info),
    )
