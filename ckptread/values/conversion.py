"""How many values another dtype cannot hold. Rounding from float to float does not count as a loss.

An integer cannot hold NaN, infinities, fractions and numbers outside its range; a float cannot hold finite numbers
that would become infinite; a bool holds 0 and 1 only; a real dtype cannot hold an imaginary part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

    Dtype = np.dtype[Any]


def is_lossless(source: Dtype, target: Dtype) -> bool:
    """Whether one dtype can hold every value of another."""
    import numpy as np

    return np.can_cast(source, target, "safe")


def count_lost(values: Array, target: Dtype) -> int:
    """Return how many of these numbers ``target`` cannot hold."""
    import numpy as np

    with np.errstate(all="ignore"):
        return int(np.count_nonzero(~_fit_any(values, target)))


def _fit_any(values: Array, target: Dtype) -> Array:
    if values.dtype.kind != "c":
        return _fit_real(_widen_short(values), target)
    kept: Array = values.imag == 0 if target.kind != "c" else _fit_real(values.imag, target)
    return kept & _fit_real(values.real, target)


def _widen_short(values: Array) -> Array:
    """Return short numbers, and those of ml_dtypes, in a dtype that holds the bounds of any integer."""
    short = values.dtype.itemsize < 4 or values.dtype.type.__module__ != "numpy"
    return values.astype("float64") if short else values


def _fit_real(values: Array, target: Dtype) -> Array:
    """Return which real numbers ``target`` can hold."""
    import numpy as np

    if target.kind == "b":
        fit: Array = (values == 0) | (values == 1)
    elif target.kind in "fcV":  # V: the floats of ml_dtypes
        fit = ~np.isfinite(values) | np.isfinite(values.astype(target))
    else:
        fit = _fit_integer(values, int(np.iinfo(target).min), int(np.iinfo(target).max))
    return fit


def _fit_integer(values: Array, low: int, high: int) -> Array:
    """Return which real numbers are integers from ``low`` to ``high``."""
    import numpy as np

    if values.dtype.kind != "f":
        fit: Array = (values >= low) & (values <= high)
        return fit
    whole: Array = np.trunc(values) == values  # also true for infinities
    return whole & (values >= float(low)) & (values < float(high + 1))  # powers of two: exact in any float
