"""Sizes, shapes, numbers and names as text that is safe to print."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.literals import read_literal
from ckptread.wording import escape, printable

ELLIPSIS = "…"
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@lru_cache(maxsize=1024)
def bytes_text(nbytes: int) -> str:
    """Return a size as people read it: ``1.5 MiB``."""
    size, unit = float(nbytes), 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{nbytes:,} B" if unit == 0 else f"{size:.1f} {UNITS[unit]}"


@lru_cache(maxsize=1024)
def shape_text(shape: tuple[int, ...] | None) -> str:
    """Return a shape as numpy writes it; ``-`` where there is none."""
    if shape is None:
        return "-"
    return str(shape) if len(shape) <= 16 else f"({', '.join(map(str, shape[:16]))}, {ELLIPSIS})"


@lru_cache(maxsize=1024)
def dtype_text(dtype: str) -> str:
    """Return a dtype as it is shown: a record with gaps by its fields, as one without them.

    >>> dtype_text("{'names': ['a', 'b'], 'formats': ['<u4', '<f4'], 'offsets': [0, 4], 'itemsize': 16}")
    "[('a', '<u4'), ('b', '<f4')], 16 bytes each"
    """
    return name_text(_fields_text(dtype) if dtype.startswith("{") else dtype)


def _fields_text(dtype: str) -> str:
    try:
        record = read_literal(dtype)
        fields = list(zip(record["names"], record["formats"], strict=True))
        return f"{fields}, {int(record['itemsize'])} bytes each"
    except (Malformed, KeyError, TypeError, ValueError):
        return dtype


def number_text(value: float | None) -> str:
    """Return a figure in few digits; ``-`` where there is none."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def rounded_text(count: int) -> str:
    """Return a count in three digits or so.

    >>> rounded_text(15_012_362), rounded_text(640_514), rounded_text(90)
    ('15.0 M', '641 K', '90')
    """
    if count < 1000:
        return str(count)
    if count < 999_500:
        return f"{count / 1e3:.3g} K"
    return f"{count / 1e6:.1f} M" if count < 1e9 else f"{count / 1e9:.1f} G"


def percent_text(ratio: float) -> str:
    """Return a ratio in percent, of two digits or more: ``0.10 %``, ``1,250 %``."""
    percent = 100 * ratio
    if percent == 0:
        return "0 %"
    return (f"{percent:,.0f}" if 100 <= percent < 1e9 else f"{percent:#.2g}".rstrip(".")) + " %"


def safe_row(row: Sequence[str]) -> list[str]:
    """Return a row's cells as every renderer prints them: nothing in them is more than text."""
    return list(map(printable, row))


def name_text(name: str) -> str:
    """Return a name from a file, safe to print."""
    return escape(name)
