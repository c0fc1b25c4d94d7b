"""A comparison as rows and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptread.cli.options import DiffOrder
from ckptread.cli.tables import Table, name_text, number_text, shape_text
from ckptread.diff import Difference, TensorDifference
from ckptread.escape import escape

MARKS = {"added": "+", "removed": "-", "not-comparable": "!", "same": " ", "within-tolerance": " ", "renamed": " "}
"""Of what changed, the mark is ~."""
WORDS = {"added": "only in B", "removed": "only in A", "not-comparable": "not comparable"}


def ordered(entries: Sequence[TensorDifference], sort: DiffOrder) -> list[TensorDifference]:
    """Return the rows in the order that was asked for; what changed most on top."""
    if sort is DiffOrder.name:
        return sorted(entries, key=lambda entry: entry.name)
    return sorted(entries, key=_weight, reverse=True) if sort is DiffOrder.change else list(entries)


def _weight(entry: TensorDifference) -> tuple[int, float]:
    """What cannot be compared first, then changed values by how much they changed, then what stands alone."""
    group = {"not-comparable": 4, "shape": 3, "changed": 2, "dtype": 2, "transposed": 2, "removed": 1, "added": 1}
    change = entry.change
    size = change.relative_l2 if change and change.relative_l2 is not None else 0.0
    return group.get(entry.status, 0), math.inf if math.isnan(size) else size


def difference_table(entries: Sequence[TensorDifference]) -> Table:
    """Return a row per tensor that differs."""
    titles = ["name", "what", "dtype", "shape", ">changed", ">max abs", ">rel L2", "note"]
    rows = [_row(entry) for entry in entries]
    last = len(titles) if any(row[-1] for row in rows) else len(titles) - 1
    return Table(titles[:last], [row[:last] for row in rows])


def _row(entry: TensorDifference) -> list[str]:
    change = entry.change
    figures = ["", "", ""]
    if change is not None:
        figures = [
            f"{change.changed:,} of {change.count:,}",
            number_text(change.max_abs),
            number_text(change.relative_l2),
        ]
    return [
        f"{MARKS.get(entry.status, '~')} {name_text(entry.name)}",
        WORDS.get(entry.status, entry.status),
        _both([escape(t.dtype) for t in (entry.a, entry.b) if t is not None]),
        _both([shape_text(t.shape) for t in (entry.a, entry.b) if t is not None]),
        *figures,
        _note(entry),
    ]


def _both(sides: list[str]) -> str:
    """One text where the sides agree, or there is only one; else both."""
    return " -> ".join(dict.fromkeys(sides))


def _note(entry: TensorDifference) -> str:
    """What no figure says: NaN and Inf, zeros of two signs, why nothing could be compared."""
    change = entry.change
    notes = [name_text(entry.reason)] if entry.reason else []
    if change is not None:
        for word, one, other in (("NaN", change.nans_a, change.nans_b), ("Inf", change.infs_a, change.infs_b)):
            if one or other:
                notes.append(f"{word} {one:,} -> {other:,}")
        if change.signed_zeros:
            notes.append(f"{change.signed_zeros:,} zeros changed sign")
    return "; ".join(notes)


def unchanged(found: Difference) -> str:
    """Return the one line that says what did not change, or "" where everything did."""
    counts = found.counts
    parts = []
    if counts["same"]:
        parts.append(f"{counts['same']:,} the same, bit for bit")
    if counts["within-tolerance"]:
        parts.append(f"{counts['within-tolerance']:,} {_within(found)}")
    return "unchanged: " + ", ".join(parts) if parts else ""


def _within(found: Difference) -> str:
    if found.tolerance.exact:
        return "of equal values (zeros of another sign, or other NaN)"
    return f"within the tolerance (rtol {found.tolerance.rtol:g}, atol {found.tolerance.atol:g})"


def verdict(found: Difference) -> str:
    """Return the one line that says whether the two are the same, and what was compared."""
    compared = len(found.tensors)
    count = len(found.differences)
    noun = "tensor" if compared == 1 else "tensors"
    if found.stopped:
        return f"different: stopped at {count} of the differences, after {compared} {noun}"
    if not compared:
        return "same: neither holds a tensor that was asked for" if found.same else "different"
    what = "names, shapes, dtypes and values compared"
    if found.same:
        how = (
            "bit for bit"
            if set(found.counts) == {"same"}
            else "within the tolerance"
            if not found.tolerance.exact
            else "equal values"
        )
        return f"same: {compared:,} {noun}, {how} ({what})"
    return f"different: {count:,} of {compared:,} {noun} ({what}): {_counted(found)}"


def _counted(found: Difference) -> str:
    words = {"shape": "of another shape", "dtype": "of another dtype", "removed": "only in A", "added": "only in B",
             "not-comparable": "not comparable"}  # fmt: skip
    counted = [
        (status, n) for status, n in found.counts.items() if status not in {"same", "within-tolerance", "renamed"}
    ]
    return ", ".join(f"{n:,} {words.get(status, status)}" for status, n in counted)
