"""Compare two checkpoints, values and all.

A verdict is honest: it names what was compared, and whatever could not be compared counts as a difference.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ckptread.errors import UsageError
from ckptread.operations.copies import copies_by_original, is_same
from ckptread.operations.diff.choose_pairs import ChosenPairs, PairFilter, pairs_to_compare
from ckptread.operations.diff.compare_assets import AssetDifference, compare_assets
from ckptread.operations.diff.hints import map_hint, order_notes
from ckptread.operations.diff.match.by_name import align
from ckptread.operations.diff.match.pairing import Matching, read_matching
from ckptread.operations.diff.match.pairs import Pair
from ckptread.operations.diff.match.saved_mapping import SavedMapping, save_mapping
from ckptread.operations.diff.opaque import read_opaque_alike
from ckptread.operations.diff.tensor_difference import PairComparer, Status, TensorDifference
from ckptread.operations.extract.file_names import spare
from ckptread.operations.opening import Checkpoint, as_texts, opened
from ckptread.operations.selection import trainable_flag
from ckptread.reader import Reader
from ckptread.reports.report import Report, Reportable
from ckptread.storage.progress import SILENT, Meter, Progress
from ckptread.tensors import TensorInfo
from ckptread.values.difference import Tolerance
from ckptread.wording import plural, quoted

DiffSort = Literal["change", "name", "stored"]


class ComparedCheckpoint(msgspec.Struct, frozen=True):
    """One side of a comparison, as its file describes itself."""

    format: str = ""
    writer: str = ""
    """The program that wrote it, and its version; "" where the file does not record it."""


class Difference(Reportable, msgspec.Struct, frozen=True, kw_only=True):
    """The result of comparing two checkpoints. It is true where they differ."""

    a: str
    """The path of the first checkpoint."""
    b: str
    """The path of the second, the reference of a tolerance."""
    tensors: tuple[TensorDifference, ...]
    """Every pair that was compared, and every tensor that is only on one side, in the order of A."""
    tolerance: Tolerance
    sides: tuple[ComparedCheckpoint, ComparedCheckpoint] = (ComparedCheckpoint(), ComparedCheckpoint())
    """The format and the writer of A and of B."""
    stopped: bool = False
    """Whether the comparison ended early, at the number of differences that was asked for."""
    counts: Counter[Status] = msgspec.field(default_factory=Counter)
    """How many tensors have each status."""
    assets: tuple[AssetDifference, ...] = ()
    """Every pair of assets, and every asset that is only on one side, where both formats can have assets."""
    scope: str = ""
    """The tensors that were asked for, in words; "" for all."""
    notes: tuple[str, ...] = ()
    """What was asked for and the files do not record."""

    @property
    def differences(self) -> list[TensorDifference]:
        """The tensors that differ, or could not be compared."""
        return [t for t in self.tensors if t.differs]

    @property
    def asset_differences(self) -> list[AssetDifference]:
        """The assets that differ, or could not be compared."""
        return [asset for asset in self.assets if asset.differs]

    @property
    def same(self) -> bool:
        """Whether nothing differs, and everything could be compared."""
        return not self.differences and not self.asset_differences

    @property
    def unreadable(self) -> bool:
        """Whether a tensor or an asset could not be read."""
        return any(t.unreadable for t in self.tensors) or any(asset.unreadable for asset in self.assets)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 for the same, 1 for different, 2 where something could not be read."""
        return 2 if self.unreadable else int(not self.same)

    def report(
        self,
        *,
        sort: DiffSort = "change",
        layers: bool = False,
        depth: int | None = None,
        brief: bool = False,
        fold: bool = True,
    ) -> Report:
        """Return what ``ckptread diff`` prints.

        ``sort`` is the order of the rows: 'change' puts the largest changes first. ``layers`` makes a row per layer,
        ``depth`` one per path of so many components; both are exact where ``diff`` was asked for ``norms``. ``brief``
        leaves out everything but the verdict. ``fold`` counts the optimizer's tensors and metrics in a line each,
        where other tensors differ.
        """
        from ckptread.operations.diff.report import DiffReport, DiffView

        return DiffReport(self, DiffView(sort=sort, layers=layers, depth=depth, brief=brief, fold=fold))

    def __bool__(self) -> bool:
        return not self.same

    def __repr__(self) -> str:
        differ = f"{len(self.differences):,} of {plural(len(self.tensors), 'tensor')}"
        if self.assets:
            differ += f" and {len(self.asset_differences):,} of {plural(len(self.assets), 'asset')}"
        return f"<Difference of {quoted(self.a)} and {quoted(self.b)}: {differ} differ>"


def diff(
    a: Checkpoint,
    b: Checkpoint,
    names: str | Sequence[str] = (),
    *,
    exclude: str | Sequence[str] = (),
    role: str | None = None,
    trainable: bool = False,
    frozen: bool = False,
    match: str | os.PathLike[str] = "auto",
    save_map: str | os.PathLike[str] | None = None,
    force: bool = False,
    rtol: float = 0.0,
    atol: float = 0.0,
    nan_unequal: bool = False,
    ignore_dtype: bool = False,
    count: int | None = None,
    norms: bool = False,
    backend: str = "auto",
    progress: Progress | None = None,
) -> Difference:
    """Compare two checkpoints, of any two formats, tensor by tensor and value by value.

    ``names`` are two tensors, one of A and one of B, to compare with each other; or else patterns of either side.
    ``exclude``, ``role``, ``trainable`` and ``frozen`` choose tensors as in ``inspect``. ``match`` is how tensors are
    paired: 'key', 'variable', 'content' (equal values, also under permuted axes), 'auto', or a file that ``save_map``
    wrote before; ``force`` replaces that file. Values are the same if ``|a - b| <= atol + rtol * |b|``, and NaN equals
    NaN unless ``nan_unequal``. With ``ignore_dtype`` equal values are the same in any dtype. ``count`` stops after
    that many differences. ``norms`` reads unchanged tensors again for their norm, which rows per layer are relative to.
    ``progress(done, total)`` is called with bytes. Assets, such as vocabularies, are compared too, unless ``names``, a
    flag or another role leaves them out.


    Raises CheckpointError where a checkpoint cannot be opened, TensorNotFoundError for a pattern that matches nothing,
    UsageError for invalid options and where no tensor is left to compare. An unreadable tensor is part of the result.

    >>> import ckptread
    >>> difference = ckptread.diff("fixtures/tf-object/ckpt-1", "fixtures/tf-object/ckpt-1")
    >>> difference
    <Difference of 'fixtures/tf-object/ckpt-1' and 'fixtures/tf-object/ckpt-1': 0 of 16 tensors differ>
    >>> bool(difference)
    False
    """
    if save_map == "-":
        raise UsageError("--save-map writes a file, not to stdout: give the name of a file")
    tolerance = _tolerance(rtol, atol, nan_unequal)
    matching = read_matching(match)
    wanted = PairFilter(as_texts(names), as_texts(exclude), role, trainable_flag(trainable, frozen))
    with opened(a, backend) as given_a, opened(b, backend) as given_b:
        one, other, notes = read_opaque_alike(given_a, given_b)
        chosen = pairs_to_compare(one, other, matching, wanted, Meter(progress, _bytes_of([one, other])))
        if save_map is not None:
            _save_map(one, other, chosen, os.fspath(save_map), force)
        found = compare_pairs(
            one, other, chosen.pairs, tolerance=tolerance, ignore_dtype=ignore_dtype,
            layout_counts=_layout_counts(matching), stop_after=count, norms=norms,
            meter=Meter(progress, sum(map(_pair_bytes, chosen.pairs))),
        )  # fmt: skip
        notes += order_notes(one, other, chosen.pairs)
        notes += [] if save_map or isinstance(matching, SavedMapping) else map_hint(chosen.pairs)
        whole = not (found.stopped or wanted.some)
        assets, left_out = compare_assets(one, other, wanted.exclude, role) if whole else ([], [])
    return msgspec.structs.replace(
        found, scope=chosen.scope, notes=(*chosen.notes, *notes, *left_out), assets=tuple(assets)
    )


def _tolerance(rtol: float, atol: float, nan_unequal: bool) -> Tolerance:
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name} must be a finite number that is not negative, not {value}")
    return Tolerance(rtol, atol, not nan_unequal)


def _layout_counts(matching: Matching) -> bool:
    """Whether another order of axes is a difference: not where a user pairs by content or by a mapping."""
    return matching != "content" and not isinstance(matching, SavedMapping)


def _save_map(a: Reader, b: Reader, chosen: ChosenPairs, path: str, force: bool) -> None:
    for reader in (a, b):
        spare(reader, path)
    save_mapping(path, chosen.pairs, a.path, b.path, force=force)


def _bytes_of(readers: Sequence[Reader]) -> int:
    return sum(tensor.nbytes for reader in readers for tensor in reader.tensors.values())


def _copies_alone(a: Reader, b: Reader, pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Pair each copy that differs from its original with what that is paired with, if only one side has the copy."""
    of_a, of_b = copies_by_original(a), copies_by_original(b)
    known = {info.key for pair in pairs for info in (pair.a, pair.b) if info is not None and info.copy_of is not None}
    for pair in pairs if of_a or of_b else ():
        if pair.a is not None and pair.b is not None and pair.by in {"key", "variable"}:
            one, other = pair.a, pair.b
            ours = (c for c in of_a.get(one.key, ()) if c.key not in known and not is_same(a, c, one))
            yield from (_copy_pair(copy, other) for copy in ours)
            theirs = (c for c in of_b.get(other.key, ()) if c.key not in known and not is_same(b, c, other))
            yield from (_copy_pair(one, copy) for copy in theirs)


def _copy_pair(a: TensorInfo, b: TensorInfo) -> Pair:
    copy, original = (a, b) if a.copy_of is not None else (b, a)
    return Pair(a=a, b=b, by="variable", why=f"{copy.key} is a copy of {original.name}, and differs from it")


def _pair_bytes(pair: Pair) -> int:
    return max(tensor.nbytes for tensor in (pair.a, pair.b) if tensor is not None)


def compare_pairs(
    a: Reader,
    b: Reader,
    pairs: Sequence[Pair] | None = None,
    *,
    tolerance: Tolerance | None = None,
    ignore_dtype: bool = False,
    layout_counts: bool = True,
    stop_after: int | None = None,
    norms: bool = False,
    meter: Meter = SILENT,
) -> Difference:
    """Compare pairs of tensors of two open checkpoints; None pairs all tensors by their names.

    ``stop_after`` ends at that many differences. With ``ignore_dtype`` equal values of different dtypes are the same;
    with ``layout_counts`` equal values under permuted axes are a difference. With ``norms`` unchanged tensors have
    their norm, if anything differs.
    """
    tolerance = tolerance or Tolerance()
    chosen = align(list(a.tensors.values()), list(b.tensors.values())) if pairs is None else pairs
    comparer = PairComparer(a, b, tolerance, ignore_dtype=ignore_dtype, layout_counts=layout_counts)
    found: list[TensorDifference] = []
    differing, stopped = 0, False
    for pair in chosen:
        stopped = stop_after is not None and differing >= stop_after
        if stopped:
            break
        found.append(comparer.compare(pair))
        differing += found[-1].differs
        meter.add(_pair_bytes(pair))
    if not stopped:
        extra = map(comparer.compare, _copies_alone(a, b, chosen))
        found += [entry for entry in extra if entry.differs]
    if norms and any(entry.differs for entry in found):
        found = list(map(comparer.with_norm, found))
    return Difference(
        a=a.path, b=b.path, tensors=tuple(found), tolerance=tolerance, sides=(_described(a), _described(b)),
        stopped=stopped, counts=Counter(entry.status for entry in found),
    )  # fmt: skip


def _described(reader: Reader) -> ComparedCheckpoint:
    return ComparedCheckpoint(reader.format, reader.metadata.get("writer", ""))
