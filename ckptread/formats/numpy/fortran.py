"""Arrays in Fortran order, whose first axis varies fastest: the elements of a row are spread over the whole array.

Read in C order block by block, every block would touch the whole array again. So a band of rows is read at once
and kept, and the blocks are taken from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ckptread.slicing import ReadInto, read_box

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

BAND_BYTES = 64 << 20


class FortranArray:
    """An array in Fortran order; ``read_into`` fills a buffer from an offset in its bytes.

    ``verify`` is called with all values in the order of the file where they are read at once, and with None before the
    first of many blocks is returned: the blocks are not in the order of the file.
    """

    def __init__(
        self,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        read_into: ReadInto,
        verify: Callable[[Array | None], None],
        *,
        inflated: bool = False,
    ) -> None:
        self._shape = shape
        self._dtype = dtype
        self._read_into = read_into
        self._verify = verify
        self._inflated = inflated
        self._axis = next((axis for axis, dim in enumerate(shape) if dim > 1), 0)
        self._band = range(0)
        self._kept: Array | None = None

    def fill(self, ranges: Sequence[range], out: Array) -> None:
        """Read ``ranges`` into ``out``, of one axis per range."""
        band = self._band_of(ranges)
        if band is None:
            out[...] = self._read(ranges).T
            return
        first = ranges[self._axis]
        if first[-1] >= band.stop:  # a block over the end of a band
            inside = len(range(first.start, band.stop, first.step))
            for part in (slice(inside), slice(inside, None)):
                self.fill(self._with_rows(ranges, first[part]), out[(slice(None),) * self._axis + (part,)])
            return
        if self._kept is None or band != self._band:
            self._kept, self._band = None, band  # the old band goes before the new one comes
            self._kept = self._read(self._with_rows([range(dim) for dim in self._shape], band))
        rows = range(first.start - band.start, first.stop - band.start, first.step)
        out[...] = self._kept.T[tuple(slice(r.start, r.stop, r.step) for r in self._with_rows(ranges, rows))]

    def _with_rows(self, ranges: Sequence[range], rows: range) -> list[range]:
        """Return the ranges with other rows: an axis of one element before them is none."""
        return [*ranges[: self._axis], rows, *ranges[self._axis + 1 :]]

    def _band_of(self, ranges: Sequence[range]) -> range | None:
        """Return the band of rows that contains the first of the ranges; None where they are better read alone."""
        count = self._rows_of_band()
        if not count or not all(ranges) or not _is_run(ranges, self._shape):
            return None
        start = ranges[self._axis][0] // count * count
        return range(start, min(start + count, self._shape[self._axis]))

    def _rows_of_band(self) -> int:
        """Return how many rows are read at once: of what is inflated for it, half of all rows at least."""
        if not self._shape:
            return 0
        row = self._dtype.itemsize
        for dim in self._shape[self._axis + 1 :]:
            row *= dim
        half = (self._shape[self._axis] + 1) // 2
        return max(BAND_BYTES // max(1, row), half if self._inflated else 0)

    def _read(self, ranges: Sequence[range]) -> Array:
        """Return the values of the ranges, with the axes in the order of the file."""
        import numpy as np

        part = np.empty([len(r) for r in reversed(ranges)], self._dtype)
        read_box(self._read_into, self._shape[::-1], ranges[::-1], part)
        if [len(r) for r in ranges] == list(self._shape):
            self._verify(part)
        elif all(r and r[0] == 0 for r in ranges) and _is_run(ranges, self._shape):  # the first of many blocks
            self._verify(None)
        return part


def _is_run(ranges: Sequence[range], shape: Sequence[int]) -> bool:
    """Whether the ranges, read in C order, follow each other without a gap."""
    inner = True
    for r, dim in zip(reversed(ranges), reversed(shape), strict=True):
        if not inner and len(r) > 1:
            return False
        if len(r) < dim:
            inner = False
            if len(r) > 1 and r.step > 1:
                return False
    return True
