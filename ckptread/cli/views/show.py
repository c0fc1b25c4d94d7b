"""Figures and values of a tensor as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ckptread.cli.documents import number
from ckptread.reports.table import bytes_text, name_text, number_text, shape_text
from ckptread.wording import escape, plural

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Checksum, Region, TensorInfo
    from ckptread.values.statistics import Histogram, Statistics

    Array = np.ndarray[Any, Any]

BAR_WIDTH = 40
LABEL_WIDTH = 12
LEAST_DIGITS, MOST_DIGITS = 4, 17


def tensor_facts(info: TensorInfo, stats: Statistics, around: Region | None) -> Iterator[str]:
    """Yield what is known of a tensor, and the figures of its values; ``around`` has a checksum over its bytes too."""
    yield name_text(info.name)
    if info.name != info.key:
        yield _fact("key", name_text(info.key))
    for label, value in (("layer", info.layer), ("role", info.role), ("same as", info.alias_of)):
        if value is not None:
            yield _fact(label, name_text(value))
    if info.trainable is not None:
        yield _fact("trainable", "yes" if info.trainable else "no")
    yield _fact("dtype", name_text(info.dtype))
    yield _fact("shape", shape_text(info.shape))
    yield _fact("parameters", f"{info.size:,}")
    yield _fact("bytes", f"{info.nbytes:,}" + (f" ({bytes_text(info.nbytes)})" if info.nbytes >= 1024 else ""))
    yield from _place(info, around)
    yield from _figures(stats)


def _place(info: TensorInfo, around: Region | None) -> Iterator[str]:
    if info.extent is None:
        yield _fact("stored", "not as one run of bytes")
        return
    yield _fact("file", name_text(info.extent.file))
    yield _fact("offset", f"{info.extent.offset:,}, {plural(info.extent.nbytes, 'byte')}")
    yield _fact("checksum", _assurance(info.extent.checksum, around))


def _assurance(own: Checksum | None, around: Region | None) -> str:
    """Say what vouches for a tensor's bytes, all of which were read."""
    if own is not None:
        return f"{own.algorithm} {own.value:08x}, agrees"
    if around is None:
        return "none in this file"
    return f"none of its own; 'ckptread verify' compares that of {name_text(around.name)}"


def _figures(stats: Statistics) -> Iterator[str]:
    if stats.l2 is not None:
        yield _fact("min", number_text(stats.minimum))
        yield _fact("max", number_text(stats.maximum))
        yield _fact("mean", number_text(stats.mean))
        yield _fact("std", number_text(stats.std))
        yield _fact("L2", number_text(stats.l2))
    yield _fact("zeros", f"{stats.zeros:,}")
    yield _fact("NaN", f"{stats.nans:,}")
    yield _fact("Inf", f"{stats.infs:,}")


def _fact(label: str, value: str) -> str:
    return f"  {label.ljust(LABEL_WIDTH)}{value}"


def bars(spread: Histogram | None) -> Iterator[str]:
    """Yield a small histogram: the lower edge of each bin, a bar, the count."""
    if spread is None:
        return
    yield "histogram"
    most = max(spread.counts)
    for edge, count in zip(_edges(spread), spread.counts, strict=True):
        bar = "#" * -(-count * BAR_WIDTH // most)
        yield f"  {edge:>12}  {bar.ljust(BAR_WIDTH)}  {count:,}"


def _edges(spread: Histogram) -> list[str]:
    """The lower edges of the bins, in as many digits as tell them apart."""
    step = (spread.high - spread.low) / len(spread.counts)
    lower = [spread.low + place * step for place in range(len(spread.counts))]
    labels: list[str] = []
    for digits in range(LEAST_DIGITS, MOST_DIGITS + 1):
        labels = [f"{edge:#.{digits}g}" for edge in lower]
        if len(set(labels)) == len(labels):
            break
    return labels


def first_values(values: Array, *, whole: bool) -> str:
    """Return values as numpy prints them; strings escaped. ``whole`` leaves none out up to a thousand."""
    import numpy as np

    if values.dtype.hasobject or values.dtype.kind in "SUV":
        shown = values.reshape(-1).tolist()[: 1000 if whole else 8]
        return "  " + "  ".join(_string(value) for value in shown)
    plain = values if values.dtype.type.__module__ == "numpy" else values.astype(np.float32)
    text = np.array2string(plain, threshold=1000 if whole else 8, prefix="  ", separator=" ")
    return "  " + text


def _string(value: Any) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        return '"' + escape(text[:200]) + ('"…' if len(text) > 200 else '"')
    return escape(str(value)[:200])


def value_list(values: Array) -> Any:
    """Return values as JSON holds them: nested lists of numbers, strings for what is none."""
    import numpy as np

    if values.dtype.type.__module__ != "numpy":
        values = values.astype(np.float32)
    if values.dtype.kind == "c":
        return [[number(float(v.real)), number(float(v.imag))] for v in values.reshape(-1)]
    return _jsonable(values.tolist())


def _jsonable(value: Any) -> Any:
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return number(value) if isinstance(value, int | float) else str(value)
