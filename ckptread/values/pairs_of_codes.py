"""How often each pair of bytes occurs in two tensors of one-byte numbers: 65,536 counts hold their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ckptread.values.widening import code_values

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

CODES = 256


class CodePairs:
    """Counts pairs of bytes."""

    def __init__(self, a: np.dtype[Any], b: np.dtype[Any]) -> None:
        import numpy as np

        self._dtypes = (a, b)
        self.whole = a.kind in "biu" and b.kind in "biu"
        self._counts = np.zeros(CODES * CODES, np.int64)

    def add(self, a: Array, b: Array) -> None:
        """Count the pairs of two flat arrays."""
        import numpy as np

        pairs = np.left_shift(a.view(np.uint8), 8, dtype=np.uint16)
        pairs |= b.view(np.uint8)
        self._counts += np.bincount(pairs, minlength=CODES * CODES)

    def values(self) -> tuple[Array, Array, Array]:
        """Return the values of the pairs that occur on either side, as float64, and how often each pair does."""
        import numpy as np

        (present,) = np.nonzero(self._counts)
        one, other = (code_values(dtype) for dtype in self._dtypes)
        return one[present // CODES], other[present % CODES], self._counts[present]
