"""How many values do not survive in another dtype. Rounding within floats is no loss; all else is one.

Lost are, to an integer: NaN, infinities, fractions and what is out of its range; to a float: what becomes infinite; to
a bool: all but 0 and 1; to a real dtype: an imaginary part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

    Dtype = np.dtype[Any]


def lossless(source: Dtype, target: Dtype) -> bool:
    """Return whether every value of one dtype has a place in another."""
    import numpy as np

    return np.can_cast(source, target, "safe")


def lost(values: Array, target: Dtype) -> int:
    """Return how many of these numbers do not survive in ``target``."""
    import numpy as np

    with np.errstate(all="ignore"):
        return int(np.count_nonzero(~_survive(values, target)))


def _survive(values: Array, target: Dtype) -> Array:
    if values.dtype.kind != "c":
        return _fit(_plain(values), target)
    kept: Array = values.imag == 0 if target.kind != "c" else _fit(values.imag, target)
    return kept & _fit(values.real, target)


def _plain(values: Array) -> Array:
    """Short numbers, and those of ml_dtypes, in a dtype that holds the bounds of any integer."""
    wide = values.dtype.itemsize < 4 or values.dtype.type.__module__ != "numpy"
    return values.astype("float64") if wide else values


def _fit(values: Array, target: Dtype) -> Array:
    """Return which real numbers have a place in ``target``."""
    import numpy as np

    if target.kind == "b":
        fit: Array = (values == 0) | (values == 1)
    elif target.kind in "fc":
        fit = ~np.isfinite(values) | np.isfinite(values.astype(target))
    else:
        fit = _fit_integer(values, int(np.iinfo(target).min), int(np.iinfo(target).max))
    return fit


def _fit_integer(values: Array, low: int, high: int) -> Array:
    """Return which real numbers are integers of ``low`` to ``high``."""
    import numpy as np

    if values.dtype.kind != "f":
        fit: Array = (values >= low) & (values <= high)
        return fit
    whole: Array = np.trunc(values) == values  # which an infinity is too
    return whole & (values >= float(low)) & (values < float(high + 1))  # powers of two: exact in any float
