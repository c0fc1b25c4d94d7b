"""What came of rules, as lines, rows and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ckptread.cli import render
from ckptread.cli.documents import SCHEMA
from ckptread.operations.check.check import Offender, RuleResult
from ckptread.reports.cells import name_text
from ckptread.reports.report import Table
from ckptread.wording import plural

SHOWN = 10
"""Offenders that are listed of a rule; JSON, CSV and Markdown have all."""


class CheckedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint, and what came of the rules."""

    path: str
    outcomes: tuple[RuleResult, ...]
    problem: str = ""
    """Why it could not be opened, or ""."""

    @property
    def passed(self) -> bool:
        """Whether all rules hold."""
        return not self.problem and all(outcome.passed for outcome in self.outcomes)

    @property
    def trouble(self) -> bool:
        """Whether something could not be read."""
        return bool(self.problem) or any(outcome.trouble for outcome in self.outcomes)


def outcome_lines(checked: Sequence[CheckedCheckpoint]) -> Iterator[str]:
    """Yield a line per rule, and the tensors that break it."""
    for entry in checked:
        yield render.styled(name_text(entry.path), "bold")
        if entry.problem:
            yield f"  {render.styled('FAIL', 'red')}  {entry.problem}"
        width = max((len(name_text(outcome.rule.text)) for outcome in entry.outcomes), default=0)
        for outcome in entry.outcomes:
            yield from _outcome_lines(outcome, width)
        yield ""


def _outcome_lines(outcome: RuleResult, width: int) -> Iterator[str]:
    mark = render.styled("pass", "green") if outcome.passed else render.styled("FAIL", "red")
    yield f"  {mark}  {name_text(outcome.rule.text).ljust(width)}  {_about(outcome)}".rstrip()
    for offender in outcome.offenders[:SHOWN]:
        yield f"          {name_text(offender.name)}: {name_text(offender.reason)}"
    if len(outcome.offenders) > SHOWN:
        yield f"          ... and {len(outcome.offenders) - SHOWN:,} more"


def _about(outcome: RuleResult) -> str:
    """Say how many tensors a rule is about, and how many break it."""
    if outcome.problem:
        return outcome.problem
    count = plural(outcome.checked, "tensor")
    against = f", against {name_text(outcome.against)}" if outcome.against is not None else ""
    return (f"{len(outcome.offenders):,} of {count}" if outcome.offenders else count) + against


def check_verdict(checked: Sequence[CheckedCheckpoint]) -> str:
    """Return the one line that says whether all rules hold."""
    outcomes = [outcome for entry in checked for outcome in entry.outcomes]
    broken = sum(not outcome.passed for outcome in outcomes)
    unopened = sum(bool(entry.problem) for entry in checked)
    said = [f"{broken:,} of {plural(len(outcomes), 'rule')} failed"] if broken else []
    if outcomes and not broken:
        said.append(f"{plural(len(outcomes), 'rule')} passed")
    if unopened:
        said.append(f"{plural(unopened, 'checkpoint')} could not be opened")
    return "; ".join(said)


def outcome_table(checked: Sequence[CheckedCheckpoint]) -> Table:
    """Return a row per rule, or per tensor that breaks it."""
    rows = [row for entry in checked for row in _rows(entry)]
    return Table(["checkpoint", "rule", "result", "tensor", "reason"], rows)


def _rows(entry: CheckedCheckpoint) -> Iterator[list[str]]:
    path = name_text(entry.path)
    if entry.problem:
        yield [path, "", "fail", "", entry.problem]
    for outcome in entry.outcomes:
        begin = [path, name_text(outcome.rule.text), "pass" if outcome.passed else "fail"]
        offenders = [[name_text(o.name), name_text(o.reason)] for o in outcome.offenders]
        for end in offenders or [["", outcome.problem]]:
            yield [*begin, *end]


def outcome_document(checked: Sequence[CheckedCheckpoint]) -> dict[str, Any]:
    """Return what came of every rule."""
    failed = not all(entry.passed for entry in checked)
    return {
        "schema": SCHEMA,
        "verdict": "fail" if failed else "pass",
        "checkpoints": [
            {
                "path": entry.path,
                "problem": entry.problem or None,
                "rules": [_outcome(outcome) for outcome in entry.outcomes],
            }
            for entry in checked
        ],
    }


def _outcome(outcome: RuleResult) -> dict[str, Any]:
    return {
        "rule": outcome.rule.name,
        "pattern": outcome.rule.pattern,
        "value": outcome.rule.value,
        "against": outcome.against,
        "result": "pass" if outcome.passed else "fail",
        "checked": outcome.checked,
        "problem": outcome.problem or None,
        "offenders": [_offender(offender) for offender in outcome.offenders],
    }


def _offender(offender: Offender) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(offender)
    return document
