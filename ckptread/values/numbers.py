"""The numbers inside values of any dtype, and whether values can be judged at all.

Numbers can be NaN or infinite, and so can those in the fields of a record, in arrays within them and in lists of
variable length. Text cannot. Of opaque bytes, references and dates this is unknown: a verdict must not pass them over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

NUMERIC = "biufc"
OPAQUE, REFERENCES, DATES = "opaque bytes", "references", "dates"


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Whether values of this dtype are numbers, of numpy or ml_dtypes."""
    return dtype.kind in NUMERIC or (dtype.kind == "V" and dtype.names is None and dtype.type.__module__ != "numpy")


def numbers_in(values: Array) -> Iterator[Array]:
    """Yield the numbers in values as arrays: the values, or those of each field and list in them, however deep."""
    if is_numeric(values.dtype):
        yield values.reshape(-1)
    elif values.dtype.names is not None:
        for name in values.dtype.names:
            yield from numbers_in(values[name])
    elif values.dtype.hasobject:
        yield from _joined(numbers for each in _lists(values) for numbers in numbers_in(each))


def _joined(arrays: Iterable[Array]) -> Iterator[Array]:
    """Join arrays of one dtype: lists are short, and there may be millions of them."""
    import numpy as np

    alike: dict[np.dtype[Any], list[Array]] = {}
    for array in arrays:
        alike.setdefault(array.dtype, []).append(array)
    yield from map(np.concatenate, alike.values())


def _lists(values: Array) -> Iterator[Array]:
    import numpy as np

    return (each for each in values.reshape(-1).tolist() if isinstance(each, np.ndarray))


def why_unjudged(values: Array) -> str:
    """Return what in these values cannot be judged: opaque bytes, references or dates; "" if all can be."""
    kind = values.dtype.kind
    if values.dtype.names is not None:
        return next(filter(None, (why_unjudged(values[name]) for name in values.dtype.names)), "")
    if values.dtype.hasobject:
        return next(filter(None, map(_why_object, values.reshape(-1).tolist())), "")
    if is_numeric(values.dtype) or kind in "SU" or not values.size:
        return ""
    return DATES if kind in "mM" else OPAQUE


def _why_object(value: Any) -> str:
    import numpy as np

    if isinstance(value, bytes | str):
        return ""
    return why_unjudged(value) if isinstance(value, np.ndarray) else REFERENCES
