"""A pair of tensors that are compared with each other, and why these two."""

from __future__ import annotations

from typing import Literal

import msgspec

from ckptread.operations.diff.match.layouts import Arrangement
from ckptread.tensors import TensorInfo

Basis = Literal["key", "variable", "content", "shape", "map", "given"]
Certainty = Literal["certain", "likely", "interchangeable", "guess"]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor of A and the one of B that it is compared with; None on the side where there is none."""

    a: TensorInfo | None
    b: TensorInfo | None
    by: Basis | None = None
    """What speaks for the pair: names, values, nothing but the shape, a saved mapping, or the user; None for none."""
    certainty: Certainty | None = None
    """How sure a pair by content or shape is; None where names, a mapping or the user say so."""
    why: str = ""
    """What speaks for it, or why a tensor stands alone, in words; "" where that goes without saying."""
    arrangement: Arrangement | None = None
    """How A's values are laid out in B; None where they are in the same order, under the same shape."""
    confirmed: bool = False
    """Whether the values were already found to be the same, bit for bit."""
    suspect: bool = False
    """Whether the layout is not that of its siblings: probably a kernel that was transposed once too often."""
    problem: str = ""
    """Why the values could not be read when a partner was looked for."""
