"""Views of storages: the elements of a tensor at equal distances along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ckptread.tensors import element_count

if TYPE_CHECKING:
    import numpy as np

    from ckptread.slicing import ReadInto
    from ckptread.tensors import Array


def reach(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many elements of the storage lie between the first element of a view and the end of its last.

    >>> reach((2, 3), (5, 1))
    8
    """
    if not element_count(tuple(shape)):
        return 0
    return 1 + sum((dim - 1) * stride for dim, stride in zip(shape, strides, strict=True))


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether a view has the elements in C order, one after another.

    >>> is_contiguous((2, 3), (3, 1)), is_contiguous((2, 3), (1, 2))
    (True, False)
    """
    expected = 1
    for dim, stride in zip(reversed(shape), reversed(strides), strict=True):
        if dim > 1 and stride != expected:
            return not element_count(tuple(shape))
        expected *= dim
    return True


def read_view(read_into: ReadInto, dtype: np.dtype[Any], shape: Sequence[int], strides: Sequence[int]) -> Array:
    """Return the values of a view that begins where ``read_into`` counts from. Reads all that the view spans."""
    import numpy as np

    span = np.empty(reach(shape, strides), dtype)
    if span.size:
        read_into(0, span.view("u1").data)
    bits = span.view(f"u{dtype.itemsize}") if dtype.itemsize in (1, 2, 4, 8) else span  # as_strided loses float8
    steps = [stride * dtype.itemsize for stride in strides]
    view = np.lib.stride_tricks.as_strided(bits, tuple(shape), steps, writeable=False)
    return view.copy().view(dtype) if bits is not span else view.copy()
