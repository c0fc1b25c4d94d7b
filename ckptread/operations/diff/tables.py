"""The differences of two checkpoints as rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import msgspec

from ckptread.operations.diff.compare_assets import AssetDifference
from ckptread.operations.diff.diff import DiffSort
from ckptread.operations.diff.summary import COUNTED
from ckptread.operations.diff.tensor_difference import TensorDifference
from ckptread.reports.cells import dtype_text, name_text, number_text, shape_text
from ckptread.reports.report import Table
from ckptread.values.difference import FIGURES, larger

MARKS = {"added": "+", "removed": "-", "not-comparable": "!"}
"""Any other difference is marked with ~."""
WORDS = {"added": "only in B", "removed": "only in A", "not-comparable": "not comparable"}
BESIDE_MODEL = {"optimizer", "metric", "bookkeeping"}
"""The roles of tensors that are not part of the model itself."""


def sort_differences(entries: Sequence[TensorDifference], sort: DiffSort) -> list[TensorDifference]:
    """Return the differences in this order; the largest changes first, by 'change'."""
    if sort == "name":
        return sorted(entries, key=lambda entry: entry.name)
    return sorted(entries, key=_weight, reverse=True) if sort == "change" else list(entries)


def _weight(entry: TensorDifference) -> tuple[bool, bool, int, float]:
    """Where a NaN appeared, incomparable tensors, changed ones by relative change, and those on one side only.

    The optimizer's state, metrics and counters come after all these: they always change.
    """
    group = {"not-comparable": 4, "shape": 3, "changed": 2, "dtype": 2, "transposed": 2, "removed": 1, "added": 1}
    change = entry.change
    size = change.relative_l2 if change and change.relative_l2 is not None else 0.0
    rank = 3 if entry.suspect else group.get(entry.status, 0)
    tensor = entry.a or entry.b
    behind = tensor is not None and tensor.role in BESIDE_MODEL
    appeared = change is not None and change.nans_b > change.nans_a
    return appeared, not behind, rank, math.inf if math.isnan(size) else size


def difference_table(entries: Sequence[TensorDifference], assets: Sequence[AssetDifference] = ()) -> Table:
    """Return a row per tensor or asset that differs, for people, without empty columns."""
    titles = ["name", "what", "shape", ">changed", ">max abs", ">rel L2", "note"]
    rows = [*map(_row, entries), *map(_asset_row, assets)]
    kept = [n for n in range(len(titles)) if n < 3 or any(row[n] for row in rows)]
    return Table([titles[n] for n in kept], [[row[n] for n in kept] for row in rows])


def _row(entry: TensorDifference) -> list[str]:
    change = entry.change
    numbers = ["", "", ""]
    if change is not None:
        numbers = [
            f"{change.changed:,} of {change.count:,}",
            number_text(change.max_abs),
            number_text(change.relative_l2),
        ]
    shapes = _both([shape_text(t.shape) for t in (entry.a, entry.b) if t is not None])
    return [f"{MARKS.get(entry.status, '~')} {_names(entry)}", WORDS.get(entry.status, entry.status), shapes,
            *numbers, _note(entry)]  # fmt: skip


def _asset_row(entry: AssetDifference) -> list[str]:
    name = f"{MARKS.get(entry.status, '~')} {name_text(entry.name)}"
    return [name, WORDS.get(entry.status, entry.status), "", "", "", "", _asset_note(entry)]


def _asset_note(entry: AssetDifference) -> str:
    """Return the sizes of an asset, or why it could not be read."""
    sizes = [
        f"{asset.nbytes:,} bytes" for asset in (entry.a, entry.b) if asset is not None and asset.nbytes is not None
    ]
    return name_text(entry.reason) if entry.reason else f"asset of {_both(sizes)}"


def _names(entry: TensorDifference) -> str:
    """Return one name if both sides have the same, or were paired by their names."""
    if entry.by in {None, "key", "variable"} or entry.a is None or entry.b is None:
        return name_text(entry.name)
    return _both([name_text(entry.a.name), name_text(entry.b.name)])


def _both(sides: list[str]) -> str:
    """Return one text if the sides agree, or there is only one; else both."""
    return " -> ".join(dict.fromkeys(sides))


def _note(entry: TensorDifference) -> str:
    """Return what no number shows: dtypes, NaN and Inf, signed zeros, permuted axes, reasons."""
    notes = []
    if entry.a and entry.b and entry.a.dtype != entry.b.dtype:
        notes.append(_both([dtype_text(entry.a.dtype), dtype_text(entry.b.dtype)]) + _values_agree(entry))
    if entry.arrangement is not None and entry.a is not None and not entry.suspect:
        notes.append(entry.arrangement.text(entry.a.shape or ()))
    if (entry.reason and (entry.by != "content" or entry.suspect) and entry.status != "transposed") or entry.suspect:
        notes.append(name_text(entry.reason))
    change = entry.change
    if change is not None:
        for word, one, other in (("NaN", change.nans_a, change.nans_b), ("Inf", change.infs_a, change.infs_b)):
            if one or other:
                notes.append(f"{word} {one:,} -> {other:,}")
        if change.signed_zeros:
            notes.append(f"{change.signed_zeros:,} zeros changed sign")
    return "; ".join(notes)


def _values_agree(entry: TensorDifference) -> str:
    """Return whether values of two dtypes are equal after widening, in words."""
    if entry.status != "dtype":
        return ""
    if entry.change is None or not entry.change.changed:
        return ", equal values"
    return ", equal within the tolerance" if not entry.change.beyond else ""


def full_table(entries: Sequence[TensorDifference], assets: Sequence[AssetDifference] = ()) -> Table:
    """Return a row per tensor or asset that differs with every statistic, for programs."""
    titles = ["name", "status", "a", "b", "dtype a", "dtype b", "shape a", "shape b", "matched by", "certainty",
              *(">" + name.replace("_", " ") for name in FIGURES), "note"]  # fmt: skip
    return Table(titles, [*map(_full_row, entries), *(_full_asset_row(asset, len(titles)) for asset in assets)])


def _full_row(entry: TensorDifference) -> list[str]:
    sides = (entry.a, entry.b)
    statistics = msgspec.to_builtins(entry.change) if entry.change else {}
    return [
        name_text(entry.name),
        entry.status,
        *("" if t is None else name_text(t.key) for t in sides),
        *("" if t is None else name_text(t.dtype) for t in sides),
        *("" if t is None else shape_text(t.shape) for t in sides),
        entry.by or "",
        entry.certainty or "",
        *("" if statistics.get(name) is None else repr(statistics[name]) for name in FIGURES),
        _note(entry),
    ]


def _full_asset_row(entry: AssetDifference, cells: int) -> list[str]:
    known = [name_text(entry.name), entry.status, *("" if side is None else side.name for side in (entry.a, entry.b))]
    return [*known, *[""] * (cells - len(known) - 1), _asset_note(entry)]


def layer_table(entries: Sequence[TensorDifference], assets: Sequence[AssetDifference] = ()) -> Table:
    """Return a row per layer that has a difference: how many of its tensors differ, and the largest changes.

    Assets that differ follow, a row each.
    """
    layers: dict[str, list[TensorDifference]] = {}
    for entry in entries:
        tensor = entry.a or entry.b
        layers.setdefault(tensor.place if tensor else "", []).append(entry)
    changed = {layer: members for layer, members in layers.items() if any(entry.differs for entry in members)}
    order = sorted(changed.items(), key=lambda item: max(map(_weight, item[1])), reverse=True)
    titles = ["layer", ">tensors", ">differ", ">changed", ">max abs", ">max rel L2", "note"]
    files = [[name_text(asset.name), "0", "0", "0", "", "", _asset_note(asset)] for asset in assets]
    return Table(titles, [*(_layer_row(layer, members) for layer, members in order), *files])


def _layer_row(layer: str, members: list[TensorDifference]) -> list[str]:
    changes = [entry.change for entry in members if entry.change is not None]
    counts: dict[str, int] = {}
    for entry in members:
        if entry.differs:
            word = COUNTED.get(entry.status, entry.status)
            counts[word] = counts.get(word, 0) + 1
    return [
        name_text(layer),
        f"{len(members):,}",
        f"{sum(entry.differs for entry in members):,}",
        f"{sum(change.changed for change in changes):,}",
        *(_largest([getattr(change, name) for change in changes]) for name in ("max_abs", "relative_l2")),
        ", ".join(f"{count:,} {word}" for word, count in counts.items()),
    ]


def _largest(numbers: Sequence[float | None]) -> str:
    known = [number for number in numbers if number is not None]
    return number_text(reduce(larger, known)) if known else ""
