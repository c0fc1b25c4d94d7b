"""The values of weights that are not plain numbers: strings, and numbers in fewer bits."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ckptread.formats.tensorflowjs.manifest import Quantization
from ckptread.formats.tensorflowjs.shards import JoinedShards
from ckptread.limits import MAX_STRINGS_BYTES
from ckptread.untrusted.binary import Malformed, fixed32, take
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.tensors import Array

LENGTH_BYTES = 4
WINDOW_BYTES = 64 << 10
"""How much is read at once for the lengths of strings."""


def measure_strings(joined: JoinedShards, start: int, count: int) -> int:
    """Return how many bytes strings and their lengths take from ``start`` on. Raises Malformed where they end early."""
    window, base, at = b"", start, start
    for _ in range(count):
        if at + LENGTH_BYTES > base + len(window):
            base, window = at, _read(joined, at, WINDOW_BYTES)
        nbytes, _ = fixed32(window, at - base)
        at += LENGTH_BYTES + nbytes
        if at > joined.size:
            raise Malformed("the strings end early", at)
    if at - start > MAX_STRINGS_BYTES:
        raise Malformed(f"the strings take {plural(at - start, 'byte')}; at most {MAX_STRINGS_BYTES:,} are read", at)
    return at - start


def _read(joined: JoinedShards, at: int, most: int) -> bytes:
    nbytes = min(most, joined.size - at)
    if nbytes <= 0 or joined.pieces(at, nbytes)[1] is not None:
        raise Malformed("the strings end early", at)
    buffer = bytearray(nbytes)
    joined.read_into(at, memoryview(buffer))
    return bytes(buffer)


def decode_string_values(data: bytes, count: int) -> list[bytes]:
    """Return strings that each have their length before them, in four bytes. Raises Malformed where they end early."""
    strings, at = [], 0
    for _ in range(count):
        nbytes, at = fixed32(data, at)
        string, at = take(data, at, nbytes)
        strings.append(string)
    return strings


def widen(stored: Array, quantization: Quantization, dtype: str) -> Array:
    """Return the values that TensorFlow.js computes of quantized ones."""
    if quantization.dtype == "float16":
        return stored.astype(dtype)
    values: Array = _table(quantization, dtype)[stored]
    return values


@lru_cache(maxsize=16)
def _table(quantization: Quantization, dtype: str) -> Array:
    """Return the value of every number that may be stored. JavaScript computes in 64 bits, and rounds once."""
    import numpy as np

    numbers = np.arange(1 << 8 * np.dtype(quantization.dtype).itemsize)
    exact = numbers * quantization.scale + quantization.min
    with np.errstate(over="ignore"):
        if dtype == "float32":
            return exact.astype(np.float32)
    rounded = np.floor(exact + 0.5)  # as Math.round does; Int32Array keeps the lowest 32 bits
    values: Array = np.remainder(rounded, 2.0**32).astype(np.uint32).view(np.int32)
    return values
