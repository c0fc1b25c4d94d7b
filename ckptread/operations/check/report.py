"""How ``ckptread check`` shows the results of rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from ckptread.operations.check.check import CheckedCheckpoint, CheckResult
from ckptread.operations.check.rule_checker import RuleResult
from ckptread.reports.cells import name_text
from ckptread.reports.document import Document, Number
from ckptread.reports.report import Line, Report, Table
from ckptread.wording import plural

SHOWN = 10
"""Offenders that are listed for a rule; JSON, CSV and Markdown have all."""

PassOrFail = Literal["pass", "fail"]


class OffenderDocument(msgspec.Struct, kw_only=True):
    """A tensor that breaks a rule, or with the rule 'safe' an object, whose key is ""."""

    name: str
    key: str
    reason: str
    unreadable: bool


class RuleResultDocument(msgspec.Struct, kw_only=True):
    """The result of a rule for a checkpoint."""

    rule: str
    pattern: str | None
    value: str | Number | None
    against: str | None
    """The checkpoint that was compared with."""
    result: PassOrFail
    checked: int
    """Tensors that the rule is about."""
    found: str | None
    """What was measured or judged, in words."""
    problem: str | None
    """Why the rule as a whole fails."""
    offenders: list[OffenderDocument]


class CheckedCheckpointDocument(msgspec.Struct, kw_only=True):
    """A checkpoint, and the result of each rule."""

    path: str
    problem: str | None
    """Why it could not be opened."""
    rules: list[RuleResultDocument]


class CheckDocument(Document, kw_only=True):
    """``ckptread check --format json``."""

    verdict: PassOrFail
    checkpoints: list[CheckedCheckpointDocument]


class CheckReport(Report):
    """The rules for each checkpoint, and the tensors that break them."""

    def __init__(self, found: CheckResult) -> None:
        self._found = found

    def document(self) -> CheckDocument:
        """Return the result of every rule."""
        checkpoints = [_checkpoint_document(entry) for entry in self._found.checkpoints]
        return CheckDocument(verdict=_pass_or_fail(self._found.passed), checkpoints=checkpoints)

    def tables(self) -> list[Table]:
        """Return a row per rule, or per tensor that breaks it."""
        rows = [row for entry in self._found.checkpoints for row in _rows(entry)]
        return [Table(["checkpoint", "rule", "result", "tensor", "reason"], rows)]

    def lines(self) -> Iterator[Line]:
        """Yield a line per rule, the tensors that break it, and the verdict."""
        for entry in self._found.checkpoints:
            if not entry.outcomes and not entry.problem:
                continue  # the first one, which the next is compared with
            yield Line(name_text(entry.path), "title")
            yield from _lines(entry)
            yield Line()
        yield Line(_verdict(self._found))

    def notes(self) -> Iterator[str]:
        """Yield what the files do not record."""
        yield from self._found.notes


def _pass_or_fail(passed: bool) -> PassOrFail:
    return "pass" if passed else "fail"


def _checkpoint_document(entry: CheckedCheckpoint) -> CheckedCheckpointDocument:
    rules = [_rule_document(outcome) for outcome in entry.outcomes]
    return CheckedCheckpointDocument(path=entry.path, problem=entry.problem or None, rules=rules)


def _rule_document(outcome: RuleResult) -> RuleResultDocument:
    return RuleResultDocument(
        rule=outcome.rule.name,
        pattern=outcome.rule.pattern,
        value=outcome.rule.value,
        against=outcome.against,
        result=_pass_or_fail(outcome.passed),
        checked=outcome.checked,
        found=outcome.found or None,
        problem=outcome.problem or None,
        offenders=[OffenderDocument(**msgspec.structs.asdict(offender)) for offender in outcome.offenders],
    )


def _rows(entry: CheckedCheckpoint) -> Iterator[list[str]]:
    path = name_text(entry.path)
    if entry.problem:
        yield [path, "", "fail", "", entry.problem]
    for outcome in entry.outcomes:
        begin = [path, name_text(outcome.rule.text), _pass_or_fail(outcome.passed)]
        offenders = [[name_text(o.name), name_text(o.reason)] for o in outcome.offenders]
        for end in offenders or [["", outcome.problem]]:
            yield [*begin, *end]


def _lines(entry: CheckedCheckpoint) -> Iterator[Line]:
    if entry.problem:
        yield Line(f"  FAIL  {entry.problem}", "bad")
    width = max((len(name_text(outcome.rule.text)) for outcome in entry.outcomes), default=0)
    for outcome in entry.outcomes:
        text = f"{name_text(outcome.rule.text).ljust(width)}  {_summary(outcome)}".rstrip()
        yield Line(f"  pass  {text}", "good") if outcome.passed else Line(f"  FAIL  {text}", "bad")
        for offender in outcome.offenders[:SHOWN]:
            yield Line(f"          {name_text(offender.name)}: {name_text(offender.reason)}")
        if len(outcome.offenders) > SHOWN:
            yield Line(f"          ... and {len(outcome.offenders) - SHOWN:,} more")


def _summary(outcome: RuleResult) -> str:
    """Return how many tensors a rule is about, and how many break it."""
    if outcome.problem:
        return outcome.problem
    if outcome.rule.name == "safe":
        return outcome.found
    count = plural(outcome.checked, "tensor")
    count = outcome.found or count
    against = f", against {name_text(outcome.against)}" if outcome.against is not None else ""
    broken = f"{len(outcome.offenders):,} of " if outcome.offenders and not outcome.found else ""
    return broken + count + against


def _verdict(found: CheckResult) -> str:
    """Return the one line that says whether all rules hold."""
    outcomes = [outcome for entry in found.checkpoints for outcome in entry.outcomes]
    broken = sum(not outcome.passed for outcome in outcomes)
    unopened = sum(bool(entry.problem) for entry in found.checkpoints)
    parts = [f"{broken:,} of {plural(len(outcomes), 'rule')} failed"] if broken else []
    if outcomes and not broken:
        parts.append(f"{plural(len(outcomes), 'rule')} passed")
    if unopened:
        parts.append(f"{plural(unopened, 'checkpoint')} could not be opened")
    return "; ".join(parts)
