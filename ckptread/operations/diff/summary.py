"""The verdict on two checkpoints, in words."""

from __future__ import annotations

from collections import Counter

from ckptread.operations.diff.diff import Difference
from ckptread.operations.diff.movement import Movement, beside_model, movement
from ckptread.operations.diff.tensor_difference import TensorDifference
from ckptread.reports.cells import percent_text
from ckptread.wording import plural

COUNTED = {"shape": "of another shape", "dtype": "of another dtype", "removed": "only in A", "added": "only in B",
           "not-comparable": "not comparable"}  # fmt: skip
"""Statuses as they are counted in a sentence."""


def model_pairs(found: Difference) -> list[TensorDifference]:
    """Return the tensors of the model that are on both sides."""
    return [e for e in found.tensors if e.a is not None and e.b is not None and not beside_model(e)]


def overall_movement(found: Difference) -> Movement:
    """Return how far the model moved: all of it where the norms of unchanged tensors are known, or what changed."""
    pairs = model_pairs(found)
    everything = any(entry.norm is not None for entry in pairs)
    return movement(entry for entry in pairs if everything or _changed(entry))


def _changed(entry: TensorDifference) -> bool:
    return entry.differs and entry.change is not None and entry.change.changed > 0


def overall_text(found: Difference) -> str:
    """Return one line on how far the model moved, or ""."""
    pairs = model_pairs(found)
    changed = sum(map(_changed, pairs))
    if found.stopped or not changed:
        return ""
    moved = overall_movement(found)
    counted = f"{changed:,} of {plural(len(pairs), 'tensor')} changed"
    distance = "" if not moved.ratio else "from zero" if moved.from_zero else f"{percent_text(moved.ratio)} in norm"
    parts = [counted, f"{'it' if changed == 1 else 'they'} moved {distance}" if distance else ""]
    if moved.tensors > changed:
        parts = [f"moved {distance}" if distance else "", counted]
    return "; ".join(filter(None, [*parts, f"{moved.new_nans:,} with new NaN" if moved.new_nans else ""]))


def folded_texts(folded: list[TensorDifference]) -> list[str]:
    """Return a line per role on differences that have no row."""
    roles: dict[str, Counter[str]] = {}
    for entry in folded:
        roles.setdefault(beside_model(entry), Counter())[COUNTED.get(entry.status, entry.status)] += 1
    counts = {role: ", ".join(f"{count:,} {word}" for word, count in words.items()) for role, words in roles.items()}
    return [f"{role}: {text} (--role {role})" for role, text in counts.items()]


def matched_text(found: Difference) -> str:
    """Return one line that counts the pairs with other names that were made by their shapes, or ""."""
    count = sum(entry.by == "shape" for entry in found.tensors)
    return f"paired by shape: {plural(count, 'tensor')}, each the only one of its shape in its layer" if count else ""


def unchanged_text(found: Difference) -> str:
    """Return one line that counts the tensors that do not differ, or ""."""
    counts = found.counts
    parts = []
    if counts["same"]:
        parts.append(f"{counts['same']:,} the same, bit for bit")
    if counts["renamed"]:
        parts.append(f"{counts['renamed']:,} the same under another name")
    turned = sum(entry.status == "transposed" and not entry.differs for entry in found.tensors)
    if turned:
        parts.append(f"{turned:,} the same with their axes permuted")
    if counts["reordered"]:
        parts.append(f"{counts['reordered']:,} with the same rows in another order")
    if counts["within-tolerance"]:
        parts.append(f"{counts['within-tolerance']:,} {_within(found)}")
    if kept := len(found.assets) - len(found.asset_differences):
        parts.append(f"{plural(kept, 'asset')} the same")
    return "unchanged: " + ", ".join(parts) if parts else ""


def _within(found: Difference) -> str:
    if not found.tolerance.exact:
        return f"within the tolerance (rtol {found.tolerance.rtol:g}, atol {found.tolerance.atol:g})"
    changes = [entry.change for entry in found.tensors if entry.status == "within-tolerance"]
    zeros = sum(change.signed_zeros for change in changes if change)
    return "of equal values" + (f" ({zeros:,} zeros changed sign)" if zeros else " (another dtype, or other NaN)")


def difference_text(found: Difference) -> str:
    """Return one line that says whether the two are the same, and what was compared."""
    compared, count, scope = len(found.tensors), len(found.differences), found.scope
    noun = "tensor" if compared == 1 else "tensors"
    assets = plural(len(found.assets), "asset") if found.assets else ""
    if found.stopped:
        return f"different: stopped at {count} of the differences, after {compared:,} {noun}"
    if not compared and not assets:
        return f"same: there is nothing to compare{f' ({scope})' if scope else ''}"
    what = "shapes, dtypes and values compared" if _by_values(found) else "names, shapes, dtypes and values compared"
    what += f"; {scope}" if scope else ""
    if found.same:
        return f"same: {compared:,} {noun}{assets and f' and {assets}'}, {_manner(found)} ({what})"
    assets = assets and f" and {len(found.asset_differences):,} of {assets}"
    return f"different: {count:,} of {compared:,} {noun}{assets} ({what}): {_counted(found)}"


def _by_values(found: Difference) -> bool:
    """Whether no pair was made by names."""
    paired = [entry for entry in found.tensors if entry.by is not None]
    return bool(paired) and all(entry.by in {"content", "shape", "given"} for entry in paired)


def _manner(found: Difference) -> str:
    counts = found.counts
    if counts["within-tolerance"] or any(entry.change for entry in found.tensors):
        manner = "equal values" if found.tolerance.exact else "within the tolerance"
    else:
        manner = "bit for bit"
    apart = [f"{counts['renamed']:,} under another name"] if counts["renamed"] else []
    apart += [f"{counts['transposed']:,} with permuted axes"] if counts["transposed"] else []
    apart += [f"{counts['reordered']:,} with rows in another order"] if counts["reordered"] else []
    return manner + (", " + " and ".join(apart) if apart else "")


def _counted(found: Difference) -> str:
    counts: dict[str, int] = {}
    for entry in found.differences:
        word = "wrongly transposed?" if entry.suspect else COUNTED.get(entry.status, entry.status)
        counts[word] = counts.get(word, 0) + 1
    for asset in found.asset_differences:
        word = f"asset {COUNTED.get(asset.status, asset.status)}"
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())
