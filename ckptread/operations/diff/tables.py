"""The differences of two checkpoints as rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from ckptread.operations.diff.compare_assets import AssetDifference
from ckptread.operations.diff.diff import DiffSort
from ckptread.operations.diff.movement import Movement, beside_model, movement
from ckptread.operations.diff.summary import COUNTED
from ckptread.operations.diff.tensor_difference import TensorDifference
from ckptread.reports.cells import dtype_text, name_text, percent_text, shape_text
from ckptread.reports.glyphs import bar
from ckptread.reports.report import Cell, Style, Table
from ckptread.values.difference import FIGURES

MARKS = {"added": "+", "removed": "-", "not-comparable": "!"}
"""Any other difference is marked with ~."""
WORDS = {"added": "only in B", "removed": "only in A", "not-comparable": "not comparable", "transposed": "transposed"}
"""What a note says of a difference that is not one of values; of shapes and dtypes it has both."""
GROUPS = {"not-comparable": 4, "shape": 3, "changed": 2, "dtype": 2, "transposed": 2, "removed": 1, "added": 1}
ALARMING = {"removed", "not-comparable"}
FROM_ZERO = "from zero"
BAR_WIDTH = 10
MANY = 10_000
"""From so many elements on, a share of them is shown in percent."""

Groups = Sequence[tuple[str, Movement, Sequence[TensorDifference]]]


def sort_differences(entries: Sequence[TensorDifference], sort: DiffSort) -> list[TensorDifference]:
    """Return the differences in this order; the largest changes first, by 'change'."""
    if sort == "name":
        return sorted(entries, key=lambda entry: entry.name)
    return sorted(entries, key=_weight, reverse=True) if sort == "change" else list(entries)


def _weight(entry: TensorDifference) -> tuple[bool, bool, int, tuple[bool, float]]:
    """Where a NaN appeared, incomparable tensors, changed ones by how far they moved, and those on one side only.

    The optimizer's state, metrics and counters come after all these: they always change.
    """
    rank = 3 if entry.suspect else GROUPS.get(entry.status, 0)
    moved = movement([entry])
    return moved.spoiled, not beside_model(entry), rank, _distance(moved)


def _distance(moved: Movement) -> tuple[bool, float]:
    """Return how far tensors moved, relative to where they were; those that were zero come after all others."""
    if moved.ratio is None:
        return False, -1.0
    if moved.from_zero:
        return False, moved.distance or 0.0
    return True, math.inf if math.isnan(moved.ratio) else moved.ratio


def difference_table(entries: Sequence[TensorDifference], assets: Sequence[AssetDifference] = ()) -> Table:
    """Return a row per tensor or asset that differs, for people, without empty columns."""
    titles = ["name", ">moved", ">max abs", ">changed", "shape", "note"]
    rows = [*map(_row, entries), *map(_asset_row, assets)]
    kept = [n for n in range(len(titles)) if n < 1 or any(row[n] for row in rows)]
    shown = [titles[n] for n in kept]
    return Table(shown, [[row[n] for n in kept] for row in rows], ["shape", "changed", "max abs"])


def _row(entry: TensorDifference) -> list[str]:
    change = entry.change
    count = "" if change is None else _share(change.changed, change.count)
    largest = "" if change is None else _largest(change.max_abs)
    shape = "" if entry.status == "shape" else _shapes(entry)
    return [_marked(entry.status, _names(entry)), moved_text(movement([entry])), largest, count, shape, _note(entry)]


def _asset_row(entry: AssetDifference) -> list[str]:
    return [_marked(entry.status, name_text(entry.name)), "", "", "", "", _asset_note(entry)]


def _asset_note(entry: AssetDifference) -> str:
    """Return the sizes of an asset, or why it could not be read."""
    sizes = [
        f"{asset.nbytes:,} bytes" for asset in (entry.a, entry.b) if asset is not None and asset.nbytes is not None
    ]
    return name_text(entry.reason) if entry.reason else f"asset of {_both(sizes)}"


def _share(part: int, count: int) -> str:
    """Return how many elements changed: exactly, where it takes little room."""
    if part == count:
        return "all"
    return f"{part:,} of {count:,}" if count < MANY else percent_text(part / count)


def _largest(size: float | None) -> str:
    return "" if size is None else f"{size:,}" if isinstance(size, int) else f"{size:.3g}"


def _shapes(entry: TensorDifference) -> str:
    return _both([shape_text(t.shape) for t in (entry.a, entry.b) if t is not None])


def _marked(status: str, name: str) -> Cell:
    style: Style = "added" if status == "added" else "removed" if status in ALARMING else "changed"
    return Cell(f"{MARKS.get(status, '~')} {name}", style)


def moved_text(moved: Movement) -> str:
    """Return how far tensors moved: in percent of their norm."""
    if moved.spoiled:
        return Cell("new NaN" if moved.new_nans else "new Inf", "nan")
    if not moved.ratio:
        return ""  # of another shape, only on one side, or unchanged
    return FROM_ZERO if moved.from_zero else percent_text(moved.ratio)


def _names(entry: TensorDifference) -> str:
    """Return one name if both sides have the same, or were paired by their names."""
    if entry.by in {None, "key", "variable"} or entry.a is None or entry.b is None:
        return name_text(entry.name)
    if entry.a.positional != entry.b.positional:  # a position is not a name
        return name_text(entry.b.name if entry.a.positional else entry.a.name)
    return _both([name_text(entry.a.name), name_text(entry.b.name)])


def _both(sides: list[str]) -> str:
    """Return one text if the sides agree, or there is only one; else both."""
    return " -> ".join(dict.fromkeys(sides))


def _note(entry: TensorDifference) -> str:
    """Return what no number shows: dtypes, NaN and Inf, signed zeros, permuted axes, reasons."""
    notes = [WORDS[entry.status]] if entry.status in WORDS else []
    if entry.status == "shape":
        notes.append(f"shape {_shapes(entry)}")
    if entry.a and entry.b and entry.a.dtype_name != entry.b.dtype_name:
        notes.append(_both([dtype_text(entry.a.dtype_name), dtype_text(entry.b.dtype_name)]) + _values_agree(entry))
    if entry.arrangement is not None and entry.a is not None and not entry.suspect:
        notes.append(entry.arrangement.text(entry.a.shape or ()))
    if (
        entry.reason and (entry.by not in {"content", "shape"} or entry.suspect) and entry.status != "transposed"
    ) or entry.suspect:
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
        *("" if t is None else name_text(t.dtype_name) for t in sides),
        *("" if t is None else shape_text(t.shape) for t in sides),
        entry.by or "",
        entry.certainty or "",
        *("" if statistics.get(name) is None else repr(statistics[name]) for name in FIGURES),
        _note(entry),
    ]


def _full_asset_row(entry: AssetDifference, cells: int) -> list[str]:
    known = [name_text(entry.name), entry.status, *("" if side is None else side.name for side in (entry.a, entry.b))]
    return [*known, *[""] * (cells - len(known) - 1), _asset_note(entry)]


def group_rows(groups: Mapping[str, Sequence[TensorDifference]]) -> Groups:
    """Return the groups that have a difference, those that moved most first."""
    moved = [(name, movement(members), members) for name, members in groups.items()]
    return sorted((group for group in moved if group[1].differ), key=_group_weight, reverse=True)


def _group_weight(group: tuple[str, Movement, Sequence[TensorDifference]]) -> tuple[bool, bool, bool, int, float]:
    _, moved, members = group
    apart = max((_weight(entry)[1:3] for entry in members if entry.differs), default=(False, 0))
    known, size = _distance(moved)
    return moved.spoiled, apart[0], known, apart[1], size


def group_table(groups: Groups, title: str, assets: Sequence[AssetDifference] = ()) -> Table:
    """Return a row per layer or path that has a difference, with a bar of how far it moved, and one per asset."""
    sizes = (_distance(moved) for _, moved, members in groups if _is_of_model(members))
    most = max((size for known, size in sizes if known), default=0.0)
    rows = [_group_row(*group, most) for group in groups]
    rows += map(_asset_row, assets)
    return Table([title, ">moved", "", ">max abs", ">tensors", "note"], rows, ["max abs", "tensors"])


def _group_row(name: str, moved: Movement, members: Sequence[TensorDifference], most: float) -> list[str]:
    known, size = _distance(moved)
    length = bar(size, most, BAR_WIDTH) if known and _is_of_model(members) else ""
    tensors = f"{moved.differ:,} of {moved.tensors:,}"
    name = _marked("changed", name_text(name))
    return [name, moved_text(moved), length, _largest(moved.max_abs), tensors, _counted(members)]


def _is_of_model(members: Sequence[TensorDifference]) -> bool:
    """Whether a group has a bar: counters change as they should."""
    return not all(map(beside_model, members))


def _counted(members: Sequence[TensorDifference]) -> str:
    """Return how many tensors differ otherwise than by their values."""
    counts = Counter(COUNTED[entry.status] for entry in members if entry.differs and entry.status in COUNTED)
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


def full_group_table(groups: Groups, title: str, assets: Sequence[AssetDifference] = ()) -> Table:
    """Return a row per layer or path with every statistic, for programs, and one per asset."""
    titles = [
        title,
        ">tensors",
        ">differ",
        ">changed",
        ">max abs",
        ">max rel L2",
        "note",
        ">distance",
        ">norm",
        ">moved",
    ]
    files = [[name_text(asset.name), "0", "0", "0", "", "", _asset_note(asset), "", "", ""] for asset in assets]
    return Table(titles, [*(_full_group_row(*group) for group in groups), *files])


def _full_group_row(name: str, moved: Movement, members: Sequence[TensorDifference]) -> list[str]:
    changes = [entry.change for entry in members if entry.change is not None]
    ratios = [change.relative_l2 for change in changes if change.relative_l2 is not None]
    numbers = [moved.max_abs, max(ratios, default=None)]
    ends = [moved.distance, moved.norm, moved.ratio]
    return [
        name_text(name), str(moved.tensors), str(moved.differ), str(sum(change.changed for change in changes)),
        *map(_exact, numbers), _counted(members), *map(_exact, ends),
    ]  # fmt: skip


def _exact(number: float | None) -> str:
    return "" if number is None else repr(number)
