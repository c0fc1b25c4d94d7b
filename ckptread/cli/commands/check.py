"""``ckptread check``: does a checkpoint keep its promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.parse.options import Backend, Checkpoints, OutputFormat, Role, UseBackend, UseLayout
from ckptread.cli.views.check import CheckedCheckpoint, check_verdict, outcome_document, outcome_lines, outcome_table
from ckptread.errors import CheckpointError, UsageError
from ckptread.operations.check.check import OF_PAIRS
from ckptread.operations.check.check import check as check_rules
from ckptread.operations.check.rules import Rule, RuleFile, read_rules, rules_from
from ckptread.storage.progress import Meter

Texts = list[str] | None


def check_command(
    paths: Checkpoints,
    no_nan: Annotated[bool, typer.Option("--no-nan", help="No value is NaN.")] = False,
    no_inf: Annotated[bool, typer.Option("--no-inf", help="No value is infinite.")] = False,
    finite: Annotated[bool, typer.Option("--finite", help="No value is NaN or infinite.")] = False,
    no_zero: Annotated[
        Texts, typer.Option("--no-zero", metavar="PATTERN", help="None of these tensors is all zeros.")
    ] = None,
    dtype: Annotated[
        Texts, typer.Option("--dtype", metavar="[PATTERN=]DTYPE", help="All of these are of this dtype.")
    ] = None,
    max_abs: Annotated[
        Texts, typer.Option("--max-abs", metavar="[PATTERN=]NUMBER", help="No value is larger, whatever its sign.")
    ] = None,
    has: Annotated[Texts, typer.Option("--has", metavar="KEY", help="There is such a tensor.")] = None,
    params: Annotated[int | None, typer.Option("--params", min=0, help="The model has N parameters.")] = None,
    frozen: Annotated[
        Texts, typer.Option("--frozen", metavar="PATTERN", help="None of these has changed since the CKPT before.")
    ] = None,
    changed: Annotated[
        Texts, typer.Option("--changed", metavar="PATTERN", help="Each of these has changed since the CKPT before.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="CKPT", help="Compare each with this one, not the one before.")
    ] = None,
    same_as: Annotated[
        Texts, typer.Option("--same-as", metavar="CKPT", help="All values are the same as in this one.")
    ] = None,
    role: Role = None,
    rules: Annotated[str | None, typer.Option("--rules", metavar="FILE", help="More rules, in a TOML file.")] = None,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
) -> None:
    """Check that checkpoints keep promises, in CI for instance.

    A rule whose pattern matches nothing fails. Exit 0: all hold, 1: one does not, 2: trouble.
    """
    given = {
        "no-nan": no_nan, "no-inf": no_inf, "finite": finite, "no-zero": no_zero, "dtype": dtype, "max-abs": max_abs,
        "has": has, "params": params, "frozen": frozen, "changed": changed, "same-as": same_as,
    }  # fmt: skip
    file = read_rules(rules) if rules is not None else RuleFile(())
    wanted = [*rules_from(given), *file.rules]
    base, kept = base or file.base, role.value if role else file.role
    _refuse_none(wanted, paths, base)
    checked = list(_each(paths, wanted, base, kept, backend.value))
    if layout is OutputFormat.json:
        render.json_document(outcome_document(checked))
    elif layout is OutputFormat.table:
        render.lines([*outcome_lines(checked), check_verdict(checked)])
    else:
        render.table(outcome_table(checked), layout)
    raise typer.Exit(2 if any(c.trouble for c in checked) else int(not all(c.passed for c in checked)))


def _refuse_none(rules: Sequence[Rule], paths: Sequence[str], base: str | None) -> None:
    """Raise UsageError where there is nothing to check, or nothing to compare with."""
    if not rules:
        raise UsageError("no rule is given: see 'ckptread check --help'")
    pairwise = [rule.name for rule in rules if rule.name in OF_PAIRS]
    if pairwise and base is None and len(paths) < 2:
        raise UsageError(f"--{pairwise[0]} compares two checkpoints: give another, or one to compare with by --base")


def _each(
    paths: Sequence[str], rules: Sequence[Rule], base: str | None, role: str | None, backend: str
) -> Iterator[CheckedCheckpoint]:
    """Yield what came of each checkpoint; one that cannot be opened hides no other. Two are open at a time."""
    with ExitStack() as stack:
        before = first = stack.enter_context(ckptread.open(base, backend=backend)) if base is not None else None
        for path in paths:
            try:
                reader = ckptread.open(path, backend=backend)
            except CheckpointError as error:
                yield CheckedCheckpoint(path, (), error.problem + (f"; {error.advice}" if error.advice else ""))
                continue
            stack.callback(reader.close)
            render.untold([reader], (), role)
            with render.Progress() as progress:
                meter = Meter(progress, _size(reader, rules))
                found = check_rules(reader, rules, before=before, role=role, meter=meter)
            yield CheckedCheckpoint(reader.path, tuple(found))
            if first is None:
                if before is not None:
                    before.close()
                before = reader


def _size(reader: ckptread.Reader, rules: Sequence[Rule]) -> int:
    """About how many bytes there are to read: all, once for values and once for each comparison."""
    passes = sum(rule.name in OF_PAIRS or rule.name == "same-as" for rule in rules) + 1
    return passes * sum(t.nbytes for t in reader.tensors.values())
