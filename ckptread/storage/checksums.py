"""Checksums of runs of bytes, extended piece by piece, and combined from those of two runs.

CRC-32 (zlib, zip) and CRC-32C (Castagnoli: TensorFlow). A CRC is the remainder of a polynomial over GF(2), so that
of a long run can be combined from those of its pieces, computed by several threads: see ``crc32_combine`` of
zlib, https://github.com/madler/zlib/blob/master/crc32.c.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

Algorithm = Literal["crc32c", "crc32", "fletcher32"]
Extend = Callable[[int, Any], int]

POLYNOMIALS = {"crc32": 0xEDB88320, "crc32c": 0x82F63B78}
"""Bit-reversed: the highest bit is the coefficient of x^0."""
ONE = 1 << 31
ALL = 0xFFFFFFFF


def checksum_function(algorithm: Algorithm) -> Extend:
    """Return ``extend(state, data)``, the checksum of all the data so far; it starts from 0."""
    if algorithm == "crc32":
        import zlib

        return lambda state, data: zlib.crc32(data, state)
    import google_crc32c

    extend: Extend = google_crc32c.extend
    return extend


def combine_checksums(algorithm: Algorithm, first: int, second: int, nbytes: int) -> int:
    """Return the checksum of two adjoining runs of bytes from those of each; the second has ``nbytes``."""
    return _multiply(POLYNOMIALS[algorithm], _shift(POLYNOMIALS[algorithm], nbytes), first) ^ second


def checksum_of_zeros(algorithm: Algorithm, nbytes: int, state: int = 0) -> int:
    """Return the checksum ``state``, extended by ``nbytes`` zero bytes."""
    polynomial = POLYNOMIALS[algorithm]
    return _multiply(polynomial, _shift(polynomial, nbytes), state ^ ALL) ^ ALL


@lru_cache(maxsize=256)
def _shift(polynomial: int, nbytes: int) -> int:
    """Return x^(8 * nbytes) modulo the polynomial."""
    result, power = ONE, 1 << 23  # x^0, x^8
    while nbytes:
        if nbytes & 1:
            result = _multiply(polynomial, power, result)
        power = _multiply(polynomial, power, power)
        nbytes >>= 1
    return result


def _multiply(polynomial: int, a: int, b: int) -> int:
    """Return the product of two polynomials modulo the third, all bit-reversed."""
    product = 0
    while a:
        if a & ONE:
            product ^= b
        a = a << 1 & ALL
        b = b >> 1 ^ (polynomial if b & 1 else 0)
    return product
