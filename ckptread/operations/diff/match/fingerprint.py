"""A fingerprint of a tensor's values: the same under any order of its axes, and in any dtype that holds the values.

Every element is widened to float64, its bits are mixed (two rounds of multiplication and shift, the finalizer of
MurmurHash3: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp), and the mixed bits are summed
modulo 2^64, which no order changes. A second sum weighs each element by its place. Two zeros are one value, and so
are all NaN. Equal fingerprints only propose that two tensors hold the same values; they are then compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from ckptread.reader import BLOCK_BYTES, Tensor
from ckptread.values.numbers import is_numeric
from ckptread.values.widening import as_float

if TYPE_CHECKING:
    from ckptread.tensors import Array

PERIOD = 16 << 10
"""Elements that are mixed at once, 128 KiB: they stay in cache. Weights repeat after as many."""
FIRST, SECOND = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


class Fingerprint(msgspec.Struct, frozen=True):
    """What is known of a tensor's values after one pass over them."""

    values: int
    """The same for the same values in any order."""
    ordered: int
    """The same for the same values in the same C order, whatever the shape."""
    constant: bool
    """Whether all values are one and the same."""


def fingerprint(tensor: Tensor) -> Fingerprint:
    """Return a tensor's fingerprint. Raises CheckpointError as reading does, also for its checksum."""
    if not is_numeric(tensor.dtype):
        return _opaque(tensor)
    running = RunningFingerprint()
    for block in tensor.blocks(BLOCK_BYTES, out=tensor.buffer(BLOCK_BYTES)):
        running.add(block)
    return running.result()


def ordered_fingerprint(values: Array) -> int:
    """Return the ordered fingerprint that numbers have in the C order of this array."""
    running = RunningFingerprint()
    running.add(values)
    return running.result().ordered


class RunningFingerprint:
    """The fingerprint of numbers, in the making."""

    def __init__(self) -> None:
        self._size = self._values = self._ordered = 0
        self._first: int | None = None
        self._constant = True

    def add(self, block: Array) -> None:
        """Take in the next values, in C order."""
        flat = block.reshape(-1)
        if flat.dtype.kind == "c":
            flat = flat.astype("complex128").view("float64")
        at = 0
        while at < flat.size:
            place = (self._size + at) % PERIOD
            piece = flat[at : at + PERIOD - place]
            self._add_piece(mixed_fingerprint(piece), place, (self._size + at) // PERIOD)
            at += piece.size
        self._size += flat.size

    def _add_piece(self, hashes: Array, place: int, period: int) -> None:
        if self._first is None:
            self._first = int(hashes[0])
        if self._constant:
            self._constant = bool(hashes[-1] == self._first and (hashes == self._first).all())
        self._values += int(hashes.sum())
        hashes *= _weights()[place : place + hashes.size]
        self._ordered += int(hashes.sum()) * (_mix(period) | 1)

    def result(self) -> Fingerprint:
        """Return the fingerprint of all that was taken in."""
        return Fingerprint(self._values & MASK, self._ordered & MASK, self._constant)


def mixed_fingerprint(values: Array) -> Array:
    """Return 64 mixed bits of each number."""
    import numpy as np

    numbers = as_float(values)
    numbers += 0.0  # -0.0 becomes 0.0
    nan = np.isnan(numbers)
    if nan.any():
        numbers[nan] = np.nan
    bits = numbers.view(np.uint64)
    scratch = bits >> np.uint64(33)
    bits ^= scratch
    bits *= np.uint64(FIRST)
    np.right_shift(bits, np.uint64(33), out=scratch)
    bits ^= scratch
    bits *= np.uint64(SECOND)
    np.right_shift(bits, np.uint64(33), out=scratch)
    bits ^= scratch
    return bits


@lru_cache(maxsize=1)
def _weights() -> Array:
    """An odd number for each place of a period."""
    import numpy as np

    return mixed_fingerprint(np.arange(1.0, PERIOD + 1)) | np.uint64(1)


def _mix(number: int) -> int:
    """The same finalizer, of one integer."""
    number = (number + 1) * GOLDEN & MASK
    for factor in (FIRST, SECOND):
        number = (number ^ (number >> 33)) * factor & MASK
    return number ^ (number >> 33)


def _opaque(tensor: Tensor) -> Fingerprint:
    """Strings and records match only by equal bytes in the same order."""
    from hashlib import blake2b

    digest = blake2b(digest_size=8)
    first, constant = None, True
    for value in _pieces(tensor):
        digest.update(len(value).to_bytes(8, "little") + value)
        first = value if first is None else first
        constant = constant and value == first
    found = int.from_bytes(digest.digest(), "little")
    return Fingerprint(found, found, constant)


def _pieces(tensor: Tensor) -> Iterator[bytes]:
    """Yield the elements as bytes: strings one by one, others a block at a time."""
    import numpy as np

    for block in tensor.blocks():
        if block.dtype.hasobject:
            yield from (value if isinstance(value, bytes) else repr(value).encode() for value in block.ravel().tolist())
        else:
            yield np.ascontiguousarray(block).tobytes()
