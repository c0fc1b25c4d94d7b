"""``ckptread check``: whether checkpoints obey rules."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.from_list import checkpoint_or_list
from ckptread.cli.parse.combinations import VERIFY, refuse
from ckptread.cli.parse.options import (
    Backend,
    FromList,
    OutputFormat,
    Resume,
    Role,
    RunsOrList,
    UseBackend,
    UseLayout,
    Workers,
)

Texts = list[str] | None

RULES_HELP = (
    "Read more rules from a TOML file: below [check], the names of these options without dashes, as in finite = true "
    "or frozen = ['backbone/**']."
)

EXAMPLES = """
ckptread check model.keras --safe --finite        # no code runs on loading
ckptread check run/ckpt-1 run/ckpt-2 --frozen '**/dense'    # not trained
ckptread check run/ckpt-2 --base run/ckpt-1 --max-change 'sequential/**=0.1'
ckptread check --from runs.txt --finite --workers 4 > checked.jsonl
"""


def check_command(
    paths: RunsOrList = None,
    safe: Annotated[
        bool,
        typer.Option("--safe", help="Require that loading runs no code of the file's own, and uses no other files."),
    ] = False,
    no_nan: Annotated[bool, typer.Option("--no-nan", help="Require that no value is NaN.")] = False,
    no_inf: Annotated[bool, typer.Option("--no-inf", help="Require that no value is infinite.")] = False,
    finite: Annotated[bool, typer.Option("--finite", help="Require that no value is NaN or infinite.")] = False,
    no_zero: Annotated[
        Texts, typer.Option("--no-zero", metavar="PATTERN", help="Require that none of these is all zeros.")
    ] = None,
    dtype: Annotated[Texts, typer.Option("--dtype", metavar="[PATTERN=]DTYPE", help="Require this dtype.")] = None,
    max_abs: Annotated[
        Texts, typer.Option("--max-abs", metavar="[PATTERN=]NUMBER", help="Require |x| <= NUMBER.")
    ] = None,
    has: Annotated[Texts, typer.Option("--has", metavar="KEY", help="Require that this tensor exists.")] = None,
    params: Annotated[int | None, typer.Option("--params", min=0, help="Require this number of parameters.")] = None,
    frozen: Annotated[
        Texts,
        typer.Option("--frozen", metavar="PATTERN", help="Require that these did not change since the CKPT before."),
    ] = None,
    changed: Annotated[
        Texts,
        typer.Option("--changed", metavar="PATTERN", help="Require that each of these changed since the CKPT before."),
    ] = None,
    max_change: Annotated[
        Texts,
        typer.Option(
            "--max-change",
            metavar="[PATTERN=]RATIO",
            help="Require that these moved at most so far since the CKPT before: 0.01 is 1 % of their norm.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="CKPT", help="Compare each CKPT with this one instead.")
    ] = None,
    same_as: Annotated[
        Texts, typer.Option("--same-as", metavar="CKPT", help="Require the same values as in this CKPT.")
    ] = None,
    role: Role = None,
    rules: Annotated[str | None, typer.Option("--rules", metavar="FILE", help=RULES_HELP)] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing; only set the exit code.")] = False,
    layout: UseLayout = OutputFormat.table,
    backend: UseBackend = Backend.auto,
    listing: FromList = None,
    resume: Resume = None,
    workers: Workers = 1,
) -> None:
    """Check that checkpoints obey rules.

    Use it in CI. A rule whose pattern matches nothing fails.
    Exit 0: all rules hold, 1: one fails, 2: something cannot be read.
    """
    refuse(VERIFY, {
        "--quiet": quiet, "--format": layout is not OutputFormat.table, f"--format {layout.value}": layout,
        "--from": listing, "CKPT": paths or None,
    })  # fmt: skip
    options: dict[str, Any] = {
        "safe": safe, "no_nan": no_nan, "no_inf": no_inf, "finite": finite, "no_zero": no_zero or (),
        "dtype": dtype or (), "max_abs": max_abs or (), "has": has or (), "params": params, "frozen": frozen or (),
        "changed": changed or (), "max_change": max_change or (), "same_as": same_as or (), "base": base,
        "role": role and role.value, "rules": rules or (), "backend": backend.value,
    }  # fmt: skip
    given = checkpoint_or_list("check", paths, listing, resume, workers, options)
    with render.Progress() as progress:
        found = ckptread.check(ckptread.find_checkpoints(*given), **options, progress=progress)
    render.notes(found.report()) if quiet else render.report(found.report(), layout)
    raise typer.Exit(found.exit_code)
