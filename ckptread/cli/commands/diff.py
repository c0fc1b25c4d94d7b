"""``ckptread diff``: what changed between two checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer

import ckptread
from ckptread.cli import documents, render
from ckptread.cli.parse.combinations import DIFF, either, refuse
from ckptread.cli.parse.options import (
    Backend,
    CheckpointA,
    CheckpointB,
    DiffOrder,
    Exclude,
    Force,
    Frozen,
    OutputFormat,
    Role,
    Trainable,
    UseBackend,
    UseLayout,
    finite,
)
from ckptread.cli.views.diff import diff_verdict, difference_table, full_table, layer_table, rest, sort_differences
from ckptread.errors import UsageError
from ckptread.operations.diff.diff import Difference, compare
from ckptread.operations.diff.match.by_name import choose
from ckptread.operations.diff.match.pairing import How, pair, two_tensors
from ckptread.operations.diff.match.pairs import Pair
from ckptread.operations.diff.match.saved_mapping import SavedMapping, load, save
from ckptread.operations.extract.file_names import spare
from ckptread.reports.cells import name_text
from ckptread.storage.addresses import kind_of
from ckptread.storage.progress import Meter
from ckptread.tensors import TensorInfo
from ckptread.values.difference import Tolerance
from ckptread.wording import escape

FORMULA = "Values count as the same where |a-b| <= ATOL + RTOL*|b|."
WANTED_HELP = (
    "Two names, of a tensor of A and of one of B: these two are compared. Else: a key or variable name, a path "
    "(everything below it), or a glob, on either side; one name alone, or three, are patterns too."
)
MATCH_HELP = (
    "What pairs tensors: 'key', 'variable', 'content' (equal values, also under permuted axes; then unique shapes), a "
    "FILE of --save-map, or 'auto': key, variable name, and equal values for what is left."
)
HOWS: tuple[How, ...] = ("auto", "key", "variable", "content")

Wanted = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=WANTED_HELP, show_default=False)]
Match = Annotated[str, typer.Option("--match", metavar="HOW", help=MATCH_HELP)]


def diff_command(
    a: CheckpointA,
    b: CheckpointB,
    names: Wanted = None,
    exclude: Exclude = None,
    role: Role = None,
    trainable: Trainable = False,
    frozen: Frozen = False,
    match: Match = "auto",
    save_map: Annotated[
        str | None,
        typer.Option("--save-map", metavar="FILE", help="Write what was paired with what, as JSON."),
    ] = None,
    force: Force = False,
    rtol: Annotated[
        float, typer.Option("--rtol", "-p", min=0, callback=finite, help="Relative tolerance. " + FORMULA)
    ] = 0.0,
    atol: Annotated[
        float, typer.Option("--atol", "-d", min=0, callback=finite, help="Absolute tolerance, as above.")
    ] = 0.0,
    nan_unequal: Annotated[bool, typer.Option("--nan-unequal", help="NaN does not equal NaN.")] = False,
    ignore_dtype: Annotated[
        bool, typer.Option("--ignore-dtype", help="Equal values are the same in any dtype.")
    ] = False,
    stop_after: Annotated[int | None, typer.Option("-n", "--count", min=1, help="Stop after N differences.")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Only the verdict.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Nothing but the exit code.")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also where they differ, as git wants.")
    ] = False,
    layers: Annotated[bool, typer.Option("--layers", help="One row per layer.")] = False,
    sort: Annotated[DiffOrder, typer.Option("--sort", help="The order of the rows.")] = DiffOrder.change,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Compare two checkpoints, values and all.

    They may be of any two formats, or one and the same file. Another name for the same values is no difference;
    another shape or dtype is, and so is whatever cannot be compared, and another order of axes unless it was asked
    for by --match content or FILE. Exit 0: the same, 1: different, 2: trouble.
    """
    refuse(DIFF, {
        "--quiet": quiet, "--brief": brief, "--format": layout is not OutputFormat.table, "--layers": layers,
        "--format json": layout is OutputFormat.json, "--trainable": trainable, "--frozen": frozen,
    })  # fmt: skip
    only = either(trainable, frozen)
    if save_map == "-":
        raise UsageError("--save-map writes a file, and '-' is none: give its name")
    how = _how(match)
    with ckptread.open(a, backend=backend.value) as one, ckptread.open(b, backend=backend.value) as other:
        pairs = two_tensors(one, other, names or ())
        scope = _scope(None if pairs else names, exclude, role, only)
        chosen = [pairs] if pairs else _chosen(one, other, how, names or [], exclude or [], role, only)
        if save_map is not None:
            for reader in (one, other):
                spare(reader, save_map)
            save(save_map, chosen, one.path, other.path, force=force)
        _refuse_nothing(one, other, chosen, scope)
        with render.Progress() as progress:
            meter = Meter(progress, _size(chosen))
            found = compare(
                one, other, chosen, tolerance=Tolerance(rtol, atol, not nan_unequal), ignore_dtype=ignore_dtype,
                layout_counts=how in HOWS and how != "content", stop_after=1 if quiet else stop_after,
                meter=meter,
            )  # fmt: skip
    if not quiet:
        _report(found, diff_verdict(found, scope), sort, layout, layers=layers, brief=brief)
    render.unreadable(found)
    raise typer.Exit(2 if found.unreadable else int(not found.same and not exit_zero))


def _how(match: str) -> How | SavedMapping:
    known = next((how for how in HOWS if how == match), None)
    if known is None and kind_of(match) is None:
        ways = ", ".join(HOWS)
        raise UsageError(
            f"there is no way of matching {escape(match)!r} and no such file; the ways are {ways}, or a file"
        )
    return known or load(match)


def _chosen(
    a: ckptread.Reader, b: ckptread.Reader, how: How | SavedMapping, names: list[str], exclude: list[str],
    role: str | None, trainable: bool | None,
) -> list[Pair]:  # fmt: skip
    nbytes = sum(t.nbytes for reader in (a, b) for t in reader.tensors.values())
    with render.Progress() as progress:
        pairs = pair(a, b, how, Meter(progress, nbytes))
    of_role = choose(a, b, pairs, names, exclude, role)
    render.untold([a, b], map(_telling, of_role), role, trainable)
    return choose(a, b, of_role, (), trainable=trainable)


def _telling(pair: Pair) -> TensorInfo:
    """Return the side that tells whether it is trainable, if either does."""
    sides = [info for info in (pair.a, pair.b) if info is not None]
    return next((info for info in sides if info.trainable is not None), sides[0])


def _refuse_nothing(a: ckptread.Reader, b: ckptread.Reader, pairs: list[Pair], scope: str) -> None:
    """Raise UsageError where nothing is left to compare of checkpoints that are not empty."""
    if not pairs and (a.tensors or b.tensors):
        raise UsageError(f"nothing was compared: no tensor of either is left ({scope})")


def _report(
    found: Difference, summary: str, sort: DiffOrder, layout: OutputFormat, *, layers: bool, brief: bool
) -> None:
    if layout is OutputFormat.json:
        render.json_document(documents.difference(found, sort_differences(found.tensors, sort), summary))
        return
    if not brief:
        rows = sort_differences(found.differences, sort)
        table = layer_table if layers else difference_table if layout is OutputFormat.table else full_table
        render.differences(table(found.tensors if layers else rows), rest(found), layout)
    if brief or layout is OutputFormat.table:
        render.prose([summary])


def _scope(names: list[str] | None, exclude: list[str] | None, role: str | None, trainable: bool | None) -> str:
    """Say what of the checkpoints was asked for, or ""."""
    said = [f"role {role}"] if role else []
    said += [] if trainable is None else ["trainable" if trainable else "frozen"]
    said += [" ".join(map(name_text, names))] if names else []
    said += ["without " + " ".join(map(name_text, exclude))] if exclude else []
    return ", ".join(said)


def _size(pairs: list[Pair]) -> int:
    return sum(max(t.nbytes for t in (pair.a, pair.b) if t is not None) for pair in pairs)
