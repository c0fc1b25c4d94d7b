"""Numbers as float64, and sums of their products.

Pieces of 32,768 elements stay in the processor's cache. Numbers of one byte have 256 values: a table widens them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

    Dtype = np.dtype[Any]

ROW = 8 << 10
"""Elements of one dot product: for more than 10,000, OpenBLAS starts threads of its own."""
PIECE = 4 * ROW
"""Elements that are processed at once: 256 KiB as float64."""


def as_float(values: Array) -> Array:
    """Return a copy of numbers as float64 (complex numbers as complex128), exact if 64 bits can hold them."""
    import numpy as np

    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        if values.dtype.kind == "c":
            return values.astype(np.complex128)
        if values.dtype.itemsize == 1:
            return np.take(code_values(values.dtype), values.view(np.uint8))
        if values.dtype.kind == "V":
            return values.astype(np.float32).astype(np.float64)  # ml_dtypes converts slowly to float64
        return values.astype(np.float64)


def widen_into(buffer: Array, values: Array) -> Array:
    """Put real numbers into the beginning of a buffer of float64, and return that part of it."""
    import numpy as np

    part = buffer[: values.size]
    if values.dtype.itemsize == 1:
        np.take(code_values(values.dtype), values.view(np.uint8), out=part, mode="clip")
    else:
        part[:] = values.astype(np.float32) if values.dtype.kind == "V" else values
    return part


@lru_cache(maxsize=32)
def code_values(dtype: Dtype) -> Array:
    """Return the 256 values of a dtype of one byte, as float64."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.arange(256, dtype=np.uint8).view(dtype).astype(np.float64)


def fits_float(dtype: Dtype) -> bool:
    """Whether values are real numbers, of numpy or ml_dtypes, each of which a float64 holds exactly."""
    return (dtype.kind in "fV" and dtype.itemsize <= 8) or (dtype.kind in "biu" and dtype.itemsize <= 4)


def exact_float(values: Array) -> Array:
    """Return numbers as floats that hold them exactly: 64-bit integers as long doubles, with 64-bit significands."""
    import numpy as np

    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return values.astype(np.longdouble)
    return values if values.dtype == np.longdouble else as_float(values)


def dot(one: Array, other: Array) -> float:
    """Return the dot product of flat floats, in rows too short for BLAS to start threads of its own."""
    import numpy as np

    if one.size <= ROW:
        return float(np.dot(one, other))
    even = one.size - one.size % ROW
    rows = np.matmul(one[:even].reshape(-1, 1, ROW), other[:even].reshape(-1, ROW, 1))
    return float(rows.sum() + np.dot(one[even:], other[even:]))


def product_sum(one: Array, other: Array) -> float:
    """Return the real part of the dot product of flat floats or complex numbers, the first conjugated."""
    import numpy as np

    if one.dtype.kind == "c":
        one, other = one.view(np.float64), other.view(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return dot(one, other)
