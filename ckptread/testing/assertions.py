"""An assertion on two checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ckptread.operations.diff.diff import Difference, diff
from ckptread.operations.opening import Checkpoint
from ckptread.reports.report import Table
from ckptread.reports.text import block_lines


def assert_same(
    a: Checkpoint, b: Checkpoint, *, rtol: float = 0.0, atol: float = 0.0, worst: int = 10, **options: Any
) -> None:
    """Raise AssertionError unless two checkpoints have the same tensors with the same values.

    ``a`` and ``b`` are paths or open readers. Values are the same if ``|a - b| <= atol + rtol * |b|``. The message has
    the verdict of ``ckptread diff`` and the ``worst`` rows of its table. ``options`` are those of ``ckptread.diff``.
    Raises CheckpointError where a checkpoint cannot be opened, and UsageError where there is nothing to compare.

    >>> from ckptread.testing import assert_same
    >>> assert_same("fixtures/keras3/model.keras", "fixtures/keras3/model.keras")
    """
    difference = diff(a, b, rtol=rtol, atol=atol, **options)
    if difference:
        raise AssertionError("\n".join(_lines(difference, worst)))


def _lines(difference: Difference, worst: int) -> Iterator[str]:
    for block in difference.report().lines():
        if not isinstance(block, Table):
            yield from block_lines(block, None, colour=False)
            continue
        rows = list(block.rows)
        yield from block_lines(msgspec.structs.replace(block, rows=rows[:worst]), None, colour=False)
        if len(rows) > worst:
            yield f"... and {len(rows) - worst:,} more"
    yield f"A: {difference.a}"
    yield f"B: {difference.b}"
