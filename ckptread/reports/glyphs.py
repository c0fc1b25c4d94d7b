"""Numbers as blocks: bars and sparklines."""

from __future__ import annotations

import math
from collections.abc import Sequence

BAR = "▏▎▍▌▋▊▉█"
SPARK = "▁▂▃▄▅▆▇█"
NO_NUMBER = "·"
"""Where a sparkline has no number."""
BEYOND = "!"
"""Where a sparkline has NaN or infinity."""


def bar(value: float, most: float, width: int) -> str:
    """Return a bar of at most ``width`` columns: full for ``most``, and at least a sliver for anything above zero.

    >>> bar(1, 4, 8), bar(0.001, 4, 8), bar(0, 4, 8)
    ('██', '▏', '')
    """
    if not (value > 0 and most > 0) or math.isinf(most):
        return ""
    eighths = max(1, round(min(1.0, value / most) * width * 8))
    full, rest = divmod(eighths, 8)
    return BAR[-1] * full + (BAR[rest - 1] if rest else "")


def sparkline(values: Sequence[float | None]) -> str:
    """Return one block per number, from the smallest to the largest; all in the middle where they are the same.

    >>> sparkline([0, 1, None, 2, float("nan")]), sparkline([3, 3])
    ('▁▅·█!', '▄▄')
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known, default=0), max(known, default=0)
    return "".join(_block(value, low, high) for value in values)


def _block(value: float | None, low: float, high: float) -> str:
    if value is None:
        return NO_NUMBER
    if not math.isfinite(value):
        return BEYOND
    share = 0.4 if low == high else value / (high - low) - low / (high - low)
    return SPARK[min(len(SPARK) - 1, int(share * len(SPARK)))]
