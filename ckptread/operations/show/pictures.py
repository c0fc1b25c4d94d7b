"""The values of a tensor as pictures of text: a histogram, and a heat map of their magnitudes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptread.reports.cells import number_text, shape_text
from ckptread.reports.glyphs import bar
from ckptread.reports.report import Line
from ckptread.values.statistics import Histogram

if TYPE_CHECKING:
    from ckptread.tensors import Array

BAR_WIDTH = 40
LEAST_DIGITS, MOST_DIGITS = 4, 17
STEEP = 8 * BAR_WIDTH
"""Where the highest bar is so many times the lowest, or more, bars have a logarithmic scale."""
SHADES = " ░▒▓█"
NOT_FINITE = "!"
NARROW = 32
"""Columns of a heat map that are shown in double width."""


def histogram_lines(spread: Histogram | None) -> Iterator[Line]:
    """Yield a small histogram: the lower edge of each bin, a bar, the count."""
    if spread is None:
        return
    most, least = max(spread.counts), min(count for count in spread.counts if count)
    steep = most >= STEEP * least
    yield Line("histogram" + (", bars in a log scale" if steep else ""), "heading")
    for edge, count in zip(_edges(spread), spread.counts, strict=True):
        length, full = (math.log1p(count), math.log1p(most)) if steep else (count, most)
        yield Line(f"  {edge:>12}  {bar(length, full, BAR_WIDTH).ljust(BAR_WIDTH)}  {count:,}".rstrip())


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


def heat_lines(heat: Array | None, shape: tuple[int, ...]) -> Iterator[Line]:
    """Yield a heat map: a character, or two, for the mean magnitude of a block of rows and columns."""
    if heat is None:
        return
    known = [value for row in heat.tolist() for value in row if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if low == high:
        return
    across = 2 if heat.shape[1] <= NARROW else 1
    yield Line(f"heat map of mean |x|: rows {shape_text(shape[:-1])}, columns {shape[-1]}", "heading")
    for row in heat.tolist():
        yield Line(("  " + "".join(across * _shade(value, low, high) for value in row)).rstrip())
    yield Line(f"  from {number_text(low)} (blank) to {number_text(high)} ({SHADES[-1]})")


def _shade(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return NOT_FINITE
    return SHADES[min(len(SHADES) - 1, int((value - low) / (high - low) * len(SHADES)))]
