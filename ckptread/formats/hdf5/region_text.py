"""The part of a dataset that a region reference selects, as text: ``[0:2, 1:5]``.

Specification: HDF5 File Format Specification 3.0, VIII "Appendix D: Encoding for Dataspace and Reference".
"""

from __future__ import annotations

from struct import Struct, error

NONE, POINTS, BLOCKS, ALL = range(4)
_HEAD = Struct("<II")
_LIST = Struct("<IIIIII")
"""Kind, version, reserved, length, rank, and the number of points or blocks."""


def region_text(selection: bytes) -> str | None:
    """Return a selection as text; None for one that is not written as in HDF5 1.0."""
    try:
        kind, version = _HEAD.unpack_from(selection)
        if version != 1 or kind in (NONE, ALL):
            return {NONE: "[]", ALL: "[...]"}.get(kind) if version == 1 else None
        *_, rank, count = _LIST.unpack_from(selection)
        width = rank * (2 if kind == BLOCKS else 1)
        if kind not in (POINTS, BLOCKS) or not width or 4 * width * count > len(selection):
            return None
        numbers = Struct(f"<{width * count}I").unpack_from(selection, _LIST.size)
    except error:
        return None
    rows = [numbers[at : at + width] for at in range(0, len(numbers), width)]
    return ", ".join(_block(row) if kind == BLOCKS else str(list(row)) for row in rows)


def _block(row: tuple[int, ...]) -> str:
    """Return a block as numpy slices it; the file has the first and the last index of each dimension."""
    rank = len(row) // 2
    return "[" + ", ".join(f"{row[at]}:{row[rank + at] + 1}" for at in range(rank)) + "]"
