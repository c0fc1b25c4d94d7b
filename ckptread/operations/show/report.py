"""How ``ckptread show`` shows a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.operations.documents import CheckpointDocument, TensorDocument, tensor_fields
from ckptread.operations.show.values import value_list, values_text
from ckptread.reports.cells import bytes_text, dtype_text, name_text, number_text, shape_text
from ckptread.reports.document import Number
from ckptread.reports.report import Block, Facts, Line, Report, Table
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.show.show import TensorSlice, TensorStatistics
    from ckptread.tensors import TensorInfo
    from ckptread.values.statistics import Histogram, Statistics

BAR_WIDTH = 40
LEAST_DIGITS, MOST_DIGITS = 4, 17


class StatisticsDocument(msgspec.Struct, kw_only=True):
    """Statistics of a tensor's values; null where they have no meaning."""

    count: int
    min: Number | None
    max: Number | None
    mean: Number | None
    std: Number | None
    l2: Number | None
    zeros: int | None
    nan: int | None
    inf: int | None
    """null where nothing was counted."""
    unjudged: str | None
    """What in the values cannot be judged: 'opaque bytes', 'references' or 'dates'."""


class HistogramDocument(msgspec.Struct, kw_only=True):
    """How the finite values are spread over equal bins from ``low`` to ``high``."""

    low: Number
    high: Number
    counts: tuple[int, ...]


class ShowDocument(CheckpointDocument, kw_only=True):
    """``ckptread show --format json``."""

    tensor: TensorDocument
    statistics: StatisticsDocument
    histogram: HistogramDocument | None
    first: Any
    """The first values."""


SliceDocument = msgspec.defstruct(
    "SliceDocument",
    [("schema", Literal[1], 1), *((field.name, field.type) for field in msgspec.structs.fields(TensorDocument)),
     ("values", Any)],
    kw_only=True,
)  # fmt: skip
"""``ckptread show --slice --format json``: the fields of the tensor, and nested lists of its values."""


class ShowReport(Report):
    """All about one tensor."""

    def __init__(self, found: TensorStatistics) -> None:
        self._found = found

    def document(self) -> ShowDocument:
        """Return the tensor, its statistics and its first values."""
        found = self._found
        spread = found.histogram
        return ShowDocument(
            **found.checkpoint,
            tensor=TensorDocument(**tensor_fields(found.tensor)),
            statistics=statistics_document(found),
            histogram=None if spread is None else HistogramDocument(**msgspec.structs.asdict(spread)),
            first=value_list(found.first.reshape(-1)),
        )

    def tables(self) -> list[Table]:
        """Return a row per fact."""
        return [Table(["what", "value"], list(_facts(self._found)))]

    def lines(self) -> Iterator[Block]:
        """Yield the facts, a histogram and the first values."""
        yield Line(name_text(self._found.tensor.name), "title")
        yield Facts(list(_facts(self._found)), indent="  ")
        yield from _bars(self._found.histogram)
        yield Line("first values")
        yield Line(values_text(self._found.first, whole=False))


class SliceReport(Report):
    """Part of a tensor."""

    def __init__(self, found: TensorSlice) -> None:
        self._found = found

    def document(self) -> msgspec.Struct:
        """Return the tensor and the values."""
        return SliceDocument(**tensor_fields(self._found.tensor), values=value_list(self._found.values))

    def lines(self) -> Iterator[Block]:
        """Yield the values as numpy prints them."""
        yield Line(values_text(self._found.values, whole=True))


def statistics_document(found: Statistics) -> StatisticsDocument:
    """Return the statistics of a tensor."""
    return StatisticsDocument(
        count=found.count, min=found.minimum, max=found.maximum, mean=found.mean, std=found.std, l2=found.l2,
        zeros=found.zeros, nan=found.nans, inf=found.infs, unjudged=found.unjudged or None,
    )  # fmt: skip


def _facts(found: TensorStatistics) -> Iterator[tuple[str, str]]:
    info = found.tensor
    names = {"key": info.key if info.name != info.key else None, "layer": info.layer, "role": info.role,
             "same as": info.alias_of, "copy of": info.copy_of}  # fmt: skip
    yield from ((label, name_text(value)) for label, value in names.items() if value is not None)
    if info.trainable is not None:
        yield "trainable", "yes" if info.trainable else "no"
    yield "dtype", dtype_text(info.dtype)
    yield "shape", shape_text(info.shape)
    yield "parameters", f"{info.size:,}"
    yield "bytes", f"{info.nbytes:,}" + (f" ({bytes_text(info.nbytes)})" if info.nbytes >= 1024 else "")
    yield from _place(info, found)
    yield from _statistics_facts(found)


def _place(info: TensorInfo, found: TensorStatistics) -> Iterator[tuple[str, str]]:
    if info.extent is None:
        yield "stored", "not as one run of bytes"
        return
    yield "file", name_text(info.extent.file)
    yield "offset", f"{info.extent.offset:,}, {plural(info.extent.nbytes, 'byte')}"
    yield "checksum", _checksum(found)


def _checksum(found: TensorStatistics) -> str:
    """Name the checksum that covers a tensor's bytes, all of which were read."""
    own = found.tensor.extent.checksum if found.tensor.extent is not None else None
    if own is not None:
        return f"{own.algorithm} {own.value:08x}, agrees"
    if found.checked_within:
        return "stored with the values, agrees"
    if found.covered_by is None:
        return "none in this file"
    return f"none of its own; 'ckptread verify' compares that of {name_text(found.covered_by.name)}"


def _statistics_facts(found: Statistics) -> Iterator[tuple[str, str]]:
    if found.l2 is not None:
        values = {"min": found.minimum, "max": found.maximum, "mean": found.mean, "std": found.std, "L2": found.l2}
        yield from ((label, number_text(value)) for label, value in values.items())
    counts = {"zeros": found.zeros, "NaN": found.nans, "Inf": found.infs}
    yield from ((label, f"{count:,}") for label, count in counts.items() if count is not None)
    if found.unjudged:
        yield "not judged", f"{found.unjudged}: whether they are NaN or Inf is unknown"


def _bars(spread: Histogram | None) -> Iterator[Line]:
    """Yield a small histogram: the lower edge of each bin, a bar, the count."""
    if spread is None:
        return
    yield Line("histogram")
    most = max(spread.counts)
    for edge, count in zip(_edges(spread), spread.counts, strict=True):
        bar = "#" * -(-count * BAR_WIDTH // most)
        yield Line(f"  {edge:>12}  {bar.ljust(BAR_WIDTH)}  {count:,}")


def _edges(spread: Histogram) -> list[str]:
    """Return the lower edges of the bins, in as many digits as tell them apart."""
    step = (spread.high - spread.low) / len(spread.counts)
    lower = [spread.low + place * step for place in range(len(spread.counts))]
    labels: list[str] = []
    for digits in range(LEAST_DIGITS, MOST_DIGITS + 1):
        labels = [f"{edge:#.{digits}g}" for edge in lower]
        if len(set(labels)) == len(labels):
            break
    return labels
