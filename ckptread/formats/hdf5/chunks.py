"""Chunks of an HDF5 dataset: where they are, and their bytes with the filters undone.

Every chunk must decode to exactly its size. libhdf5 pads short chunks with stale heap memory; here they are an error.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from typing import TYPE_CHECKING, Any

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.chunk_cache import DECODED
from ckptread.formats.hdf5.chunk_grid import Chunk
from ckptread.formats.hdf5.chunk_slabs import Box, element_number, holds, is_next, plan_slab
from ckptread.formats.hdf5.dataset_layout import DatasetLayout
from ckptread.formats.hdf5.filters import DEFLATE, FLETCHER32, LZF, SHUFFLE, decompress_lzf, fletcher32, unshuffle
from ckptread.limits import MAX_CHUNK_BYTES
from ckptread.slicing import overlap
from ckptread.storage.source import Source
from ckptread.tensors import element_count
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

FEW = 16
"""Up to so many chunks are visited whether they were written or not."""
SLACK_BYTES = 1 << 20
"""How much larger than the chunk its stored bytes may be: deflate adds little to what it cannot shrink."""


LARGE_BYTES = 8 << 20
"""Chunks from this size on are decoded by one thread at a time: each takes three times its size."""
_large = threading.Lock()


class Chunks:
    """The chunks of one dataset. A chunk that was never written consists of fill values."""

    def __init__(
        self,
        source: Source,
        key: str,
        layout: DatasetLayout,
        dtype: np.dtype[Any],
        table: Mapping[tuple[int, ...], Chunk],
        item_bytes: int,
        shape: tuple[int, ...] = (),
    ) -> None:
        """``dtype`` is that of what chunks are made of, ``item_bytes`` the size of the file's elements.

        With the dataset's ``shape``, blocks that are read one after the other do not decode chunks again and again.
        """
        self._shape = shape
        self._slab: Box | None = None
        self._end = 0
        """The number of the element after the last one that was read."""
        self._source = source
        self._key = key
        self._layout = layout
        self._dtype = dtype
        self._table = table
        self._item_bytes = item_bytes
        self._nbytes = element_count(layout.chunk) * dtype.itemsize
        self._starts: list[tuple[int, ...]] | None = None
        if self._nbytes > MAX_CHUNK_BYTES:
            raise UnsafeFileError(source.name, f"the chunks of {quoted(key)} take {self._nbytes:,} bytes each")

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], Chunk]]:
        return iter(self._table.items())

    def read(self, ranges: Sequence[range], out: Array) -> None:
        """Fill ``out`` with the ranges of the whole dataset."""
        slab = self._held_slab(ranges) if self._shape else None
        if slab is None:
            self._fill(ranges, out, self._piece)
        else:
            box, values = slab
            out[...] = values[
                tuple(slice(r.start - b.start, r.stop - b.start) for r, b in zip(ranges, box, strict=True))
            ]
        if self._shape:
            self._end = element_number(self._shape, [r[-1] for r in ranges]) + 1

    def _held_slab(self, ranges: Sequence[range]) -> tuple[Box, Array] | None:
        """Return what was decoded together, a block included; None where chunks are decoded one by one."""
        import numpy as np

        box = self._slab
        if box is not None and holds(box, ranges):
            values = DECODED.get((self, (-1, *(r.start for r in box))))
            if values is not None:
                return box, values
        box = plan_slab(self._shape, self._layout.chunk, self._dtype.itemsize, ranges)
        if box is None or not is_next(self._shape, ranges, self._end):
            return None
        DECODED.make_room(element_count(tuple(map(len, box))) * self._dtype.itemsize)
        values = np.empty(tuple(map(len, box)), self._dtype)
        self._fill(box, values, self._decoded)
        DECODED.keep((self, (-1, *(r.start for r in box))), values)
        self._slab = box
        return box, values

    def _fill(self, ranges: Sequence[range], out: Array, piece: Callable[[tuple[int, ...]], Array]) -> None:
        """Fill ``out`` chunk by chunk; ``piece`` gives the values of one."""
        steps = self._layout.chunk
        spans = [range(r[0] // n, r[-1] // n + 1) for r, n in zip(ranges, steps, strict=True)]
        if element_count(tuple(map(len, spans))) <= len(self._table) + FEW:
            starts: Iterable[tuple[int, ...]] = product(
                *(range(s[0] * n, s[-1] * n + 1, n) for s, n in zip(spans, steps, strict=True))
            )
        else:  # most chunks were never written: visit those that were
            out[...] = fill_value(self._layout, self._dtype, ranges)
            starts = self._written(spans[0][0] * steps[0], spans[0][-1] * steps[0])
        for start in starts:
            parts = [overlap(r, s, s + n) for r, s, n in zip(ranges, start, steps, strict=True)]
            found = [part for part in parts if part is not None]
            if len(found) == len(parts):
                where: tuple[Any, ...] = (*(part[0] for part in found), ...)
                with self._decoding():
                    out[where] = piece(start)[tuple(part[1] for part in found)]

    def _decoding(self) -> AbstractContextManager[object]:
        """Return a lock where chunks are large, so that one thread decodes at a time."""
        return nullcontext() if self._nbytes < LARGE_BYTES else _large

    def forget(self) -> None:
        """Drop the decoded chunks."""
        DECODED.forget(self)

    def _written(self, first: int, last: int) -> Sequence[tuple[int, ...]]:
        """Return the positions of stored chunks, from ``first`` to ``last`` on the first axis."""
        if self._starts is None:
            self._starts = sorted(self._table)
        return self._starts[bisect_left(self._starts, (first,)) : bisect_left(self._starts, (last + 1,))]

    def _piece(self, start: tuple[int, ...]) -> Array:
        """Return a chunk's values, or the fill value in its shape."""
        if start not in self._table:
            return self._decoded(start)
        values = DECODED.get((self, start))
        if values is None:
            DECODED.make_room(self._nbytes)
            values = self._decoded(start)
            DECODED.keep((self, start), values)
        return values

    def _decoded(self, start: tuple[int, ...]) -> Array:
        """Return a chunk's values, or the fill value in its shape, and keep neither."""
        import numpy as np

        chunk = self._table.get(start)
        if chunk is None:
            return np.broadcast_to(fill_value(self._layout, self._dtype), self._layout.chunk)
        return np.frombuffer(self.decode(start, chunk), self._dtype).reshape(self._layout.chunk)

    def check(self, start: tuple[int, ...], chunk: Chunk) -> bool:
        """Decode a chunk; return whether it has a checksum, which then matched. Raises as ``decode`` does."""
        with self._decoding():
            self.decode(start, chunk)
        filters = enumerate(self._layout.filters)
        return any(code == FLETCHER32 and not chunk.mask >> number & 1 for number, code in filters)

    def decode(self, start: tuple[int, ...], chunk: Chunk) -> bytes:
        """Return the bytes of a chunk. Raises DamagedFileError where a filter fails or the size is wrong."""
        if chunk.nbytes > self._nbytes + self._nbytes // 8 + SLACK_BYTES:
            raise self._damaged(start, chunk, f"takes {chunk.nbytes:,} bytes in the file, too many")
        data = self._source.read(chunk.offset, chunk.nbytes)
        for number in reversed(range(len(self._layout.filters))):
            if not chunk.mask >> number & 1:
                data = self._undo(self._layout.filters[number], data, start, chunk)
        if len(data) != self._nbytes:
            raise self._damaged(
                start,
                chunk,
                f"decodes to {len(data):,} bytes, not to the {self._nbytes:,} of a chunk",
                "hdf5-chunk-size",
            )
        return data

    def _undo(self, code: int, data: bytes, start: tuple[int, ...], chunk: Chunk) -> bytes:
        if code == DEFLATE:
            return self._inflate(data, start, chunk)
        if code == LZF:
            return self._expand(data, start, chunk)
        if code == SHUFFLE:
            return unshuffle(data, self._layout.shuffled or self._item_bytes)
        if code != FLETCHER32:
            raise self._damaged(start, chunk, f"went through the filter {code}")
        if len(data) < 4 or fletcher32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise self._damaged(start, chunk, "does not match its checksum", "hdf5-chunk-checksum")
        return data[:-4]

    def _expand(self, data: bytes, start: tuple[int, ...], chunk: Chunk) -> bytes:
        try:
            return decompress_lzf(data, self._nbytes + 4)
        except Malformed as error:
            raise self._damaged(start, chunk, f"cannot be decompressed: {error.problem}") from error

    def _inflate(self, data: bytes, start: tuple[int, ...], chunk: Chunk) -> bytes:
        limit = self._nbytes + 4  # a checksum may be inside
        inflater = zlib.decompressobj()
        try:
            inflated = inflater.decompress(data, limit)
        except zlib.error as error:
            raise self._damaged(start, chunk, "is not a deflate stream") from error
        if not inflater.eof and inflater.unconsumed_tail:
            raise self._damaged(
                start, chunk, f"inflates to more than the {self._nbytes:,} bytes of a chunk", "hdf5-chunk-size"
            )
        if not inflater.eof:
            raise self._damaged(
                start, chunk, f"is a deflate stream that ends early, after {len(inflated):,} bytes", "hdf5-chunk-size"
            )
        return inflated

    def _damaged(
        self, start: tuple[int, ...], chunk: Chunk, problem: str, code: str = "hdf5-chunk"
    ) -> DamagedFileError:
        file, offset = self._source.locate(chunk.offset)
        return DamagedFileError(
            file, f"the chunk of {quoted(self._key)} at {list(start)}, byte {offset:,}, {problem}",
            advice="the file is damaged: download it again", offset=offset, code=code,
        )  # fmt: skip


def fill_value(layout: DatasetLayout, dtype: np.dtype[Any], ranges: Sequence[range] = ()) -> Array:
    """Return what elements hold that were never written; of an array type, the part of it that ranges mean."""
    import numpy as np

    value = np.frombuffer(layout.fill, dtype).reshape(layout.dims) if layout.fill else np.zeros(layout.dims, dtype)
    inner = ranges[len(ranges) - len(layout.dims) :] if ranges else ()
    return value[tuple(slice(r.start, r.stop, r.step) for r in inner)]
