"""How ``ckptread show`` shows a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ckptread.operations.documents import CheckpointDocument, TensorDocument, tensor_fields
from ckptread.operations.show.pictures import heat_lines, histogram_lines
from ckptread.operations.show.values import value_list, values_text
from ckptread.reports.cells import bytes_text, dtype_text, name_text, number_text, percent_text, shape_text
from ckptread.reports.document import Document, Number
from ckptread.reports.report import Block, Facts, Line, Report, Table
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.show.image import SavedImage
    from ckptread.operations.show.show import TensorSlice, TensorStatistics
    from ckptread.tensors import TensorInfo
    from ckptread.values.running_statistics import Statistics

MOST_FACTS = 16
"""What the format records, in so many lines: a variable may have thousands of slices."""


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


class QuantileDocument(msgspec.Struct, kw_only=True):
    """The value that a share of all finite values does not exceed, as numpy interpolates it."""

    share: Number
    value: Number


class ShowDocument(CheckpointDocument, kw_only=True):
    """``ckptread show --format json``."""

    tensor: TensorDocument
    storage: dict[str, str]
    """What else the format records about how it is stored, by name: layout, chunks, filters, attributes."""
    statistics: StatisticsDocument
    sparsity: Number | None
    """The share of the values that are zero."""
    quantiles: list[QuantileDocument]
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
            storage=found.storage,
            statistics=statistics_document(found),
            sparsity=found.sparsity,
            quantiles=[QuantileDocument(share=each.share, value=each.value) for each in found.quantiles],
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
        yield from histogram_lines(self._found.histogram)
        yield from heat_lines(self._found.heat, self._found.tensor.shape or ())
        yield Line("first values", "heading")
        yield from _text_lines(values_text(self._found.first, whole=False))


class SliceReport(Report):
    """Part of a tensor."""

    def __init__(self, found: TensorSlice) -> None:
        self._found = found

    def document(self) -> msgspec.Struct:
        """Return the tensor and the values."""
        return SliceDocument(**tensor_fields(self._found.tensor), values=value_list(self._found.values))

    def lines(self) -> Iterator[Block]:
        """Yield the values as numpy prints them."""
        yield from _text_lines(values_text(self._found.values, whole=True))


class ImageDocument(Document, kw_only=True):
    """``ckptread show --image --format json``."""

    path: str
    tensor: TensorDocument
    width: int
    """In pixels."""
    height: int
    tiles: int
    """The filters that it shows; 0 for a matrix."""


class ImageReport(Report):
    """A picture that was written."""

    def __init__(self, saved: SavedImage) -> None:
        self._saved = saved

    def document(self) -> ImageDocument:
        """Return where the picture is, and how large."""
        saved = self._saved
        return ImageDocument(
            path=saved.path, tensor=TensorDocument(**tensor_fields(saved.tensor)), width=saved.width,
            height=saved.height, tiles=saved.tiles,
        )  # fmt: skip

    def lines(self) -> Iterator[Block]:
        """Yield where the picture is, and what it shows."""
        saved = self._saved
        what = plural(saved.tiles, "filter") if saved.tiles else "a heat map"
        yield Line(f"{name_text(saved.path)}: {what} of {name_text(saved.tensor.name)}, {saved.width} x {saved.height}")


def statistics_document(found: Statistics) -> StatisticsDocument:
    """Return the statistics of a tensor."""
    return StatisticsDocument(
        count=found.count, min=found.minimum, max=found.maximum, mean=found.mean, std=found.std, l2=found.l2,
        zeros=found.zeros, nan=found.nans, inf=found.infs, unjudged=found.unjudged or None,
    )  # fmt: skip


def _text_lines(text: str) -> Iterator[Line]:
    return map(Line, text.split("\n"))


def _facts(found: TensorStatistics) -> Iterator[tuple[str, str]]:
    info = found.tensor
    names = {"key": info.key if info.name != info.key else None, "layer": info.layer, "role": info.role,
             "same as": info.alias_of, "copy of": info.copy_of}  # fmt: skip
    yield from ((label, name_text(value)) for label, value in names.items() if value is not None)
    if info.trainable is not None:
        yield "trainable", "yes" if info.trainable else "no"
    yield "dtype", dtype_text(info.dtype_name)
    yield "shape", shape_text(info.shape)
    yield "parameters", f"{info.size:,}"
    yield "bytes", f"{info.nbytes:,}" + (f" ({bytes_text(info.nbytes)})" if info.nbytes >= 1024 else "")
    yield from _place(info, found)
    yield from _statistics_facts(found)


def _place(info: TensorInfo, found: TensorStatistics) -> Iterator[tuple[str, str]]:
    """Yield where the bytes are, in numbers that can be pasted into another command."""
    yield from ((name, name_text(text)) for name, text in islice(found.storage.items(), MOST_FACTS))
    if len(found.storage) > MOST_FACTS:
        yield "", f"... and {len(found.storage) - MOST_FACTS:,} more"
    if info.extent is None:
        if not found.storage:
            yield "stored", "not as one run of bytes"
        return
    yield "file", name_text(info.extent.file)
    yield "offset", str(info.extent.offset)
    yield "length", str(info.extent.nbytes)
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


def _statistics_facts(found: TensorStatistics) -> Iterator[tuple[str, str]]:
    if found.l2 is not None:
        values = {"min": found.minimum, "max": found.maximum, "mean": found.mean, "std": found.std, "L2": found.l2}
        yield from ((label, number_text(value)) for label, value in values.items())
    if found.quantiles:
        yield "quantiles", ", ".join(f"{100 * each.share:g}%={number_text(each.value)}" for each in found.quantiles)
    if found.zeros is not None:
        yield "zeros", f"{found.zeros:,}" + (f" ({percent_text(found.sparsity)})" if found.sparsity else "")
    counts = {"NaN": found.nans, "Inf": found.infs}
    yield from ((label, f"{count:,}") for label, count in counts.items() if count is not None)
    if found.unjudged:
        yield "not judged", f"{found.unjudged}: whether they are NaN or Inf is unknown"
