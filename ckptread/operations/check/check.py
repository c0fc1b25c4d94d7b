"""Check that checkpoints obey rules.

A rule about tensors that are missing or unreadable fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from ckptread.errors import CheckpointError, UsageError
from ckptread.operations.check.rule_checker import OF_PAIRS, RuleResult, advised, check_rules
from ckptread.operations.check.rules import Rule, RuleFile, read_rules, rules_from
from ckptread.operations.notes import role_notes
from ckptread.operations.opening import Checkpoint, as_sequence, opened
from ckptread.reader import Reader
from ckptread.reports.report import Report, Reportable
from ckptread.storage.progress import Meter, Progress
from ckptread.wording import plural

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Patterns = str | Sequence[str]


class CheckedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint, and the result of each rule."""

    path: str
    outcomes: tuple[RuleResult, ...]
    problem: str = ""
    """Why it could not be opened, or ""."""

    @classmethod
    def unopened(cls, path: str, error: CheckpointError) -> CheckedCheckpoint:
        """Return the result for a checkpoint that cannot be opened."""
        return cls(path, (), advised(error))

    @property
    def passed(self) -> bool:
        """Whether all rules hold."""
        return not self.problem and all(outcome.passed for outcome in self.outcomes)

    @property
    def trouble(self) -> bool:
        """Whether something could not be read."""
        return bool(self.problem) or any(outcome.trouble for outcome in self.outcomes)


class CheckResult(Reportable, msgspec.Struct, frozen=True):
    """The results of all rules for all checkpoints. It is true where every rule holds for every one."""

    checkpoints: tuple[CheckedCheckpoint, ...]
    notes: tuple[str, ...] = ()
    """What a user should know of the choice of tensors."""

    @property
    def passed(self) -> bool:
        """Whether every rule holds for every checkpoint."""
        return all(entry.passed for entry in self.checkpoints)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 where all rules hold, 1 where one fails, 2 where something is unreadable."""
        return 2 if any(entry.trouble for entry in self.checkpoints) else int(not self.passed)

    def __bool__(self) -> bool:
        return self.passed

    def report(self) -> Report:
        """Return what ``ckptread check`` prints."""
        from ckptread.operations.check.report import CheckReport

        return CheckReport(self)

    def __repr__(self) -> str:
        failed = sum(not entry.passed for entry in self.checkpoints)
        verdict = f"{failed:,} of {plural(len(self.checkpoints), 'checkpoint')} failed" if failed else "passed"
        return f"<CheckResult of {plural(len(self.checkpoints), 'checkpoint')}: {verdict}>"


def check(
    checkpoints: Checkpoint | Iterable[Checkpoint],
    *,
    safe: bool = False,
    no_nan: bool | Patterns = False,
    no_inf: bool | Patterns = False,
    finite: bool | Patterns = False,
    no_zero: Patterns = (),
    dtype: Patterns | Mapping[str, str] = (),
    max_abs: Patterns | float | Mapping[str, float] = (),
    has: Patterns = (),
    params: int | None = None,
    frozen: Patterns = (),
    changed: Patterns = (),
    max_change: Patterns | float | Mapping[str, float] = (),
    same_as: Patterns = (),
    base: Checkpoint | None = None,
    role: str | None = None,
    rules: str | os.PathLike[str] | Iterable[Rule] = (),
    backend: str = "auto",
    progress: Progress | None = None,
) -> CheckResult:
    """Check that checkpoints obey rules.

    Each rule takes a pattern, or several; ``dtype``, ``max_abs`` and ``max_change`` take values for all tensors
    ('float32', 10.0), texts 'PATTERN=VALUE', or a mapping from patterns to values. ``frozen``, ``changed`` and
    ``max_change`` compare each checkpoint with the one before it, or with ``base``; ``max_change`` is the largest norm
    of the difference of these tensors together, divided by their norm before. ``safe`` is that loading runs no code and
    uses no files. ``rules`` is the path of a TOML file with more rules, or ``Rule`` objects.
    A rule whose pattern matches nothing fails, and so does one that meets a tensor that cannot be read.

    Raises UsageError where there is no rule or a rule's value is invalid, CheckpointError where the file of rules is.
    A checkpoint that cannot be opened is part of the result.

    >>> import ckptread
    >>> result = ckptread.check("fixtures/tf-object/ckpt-1", finite=True, has="**/kernel")
    >>> bool(result), [outcome.checked for outcome in result.checkpoints[0].outcomes]
    (True, [14, 2])
    """
    file = _rule_file(rules)
    given = {
        "safe": safe, "no-nan": no_nan, "no-inf": no_inf, "finite": finite, "no-zero": no_zero, "dtype": dtype,
        "max-abs": max_abs, "has": has, "params": params, "frozen": frozen, "changed": changed,
        "max-change": max_change, "same-as": same_as,
    }  # fmt: skip
    wanted = [*rules_from({name: _plain(value) for name, value in given.items()}), *file.rules]
    listed, base = as_sequence(checkpoints), file.base if base is None else base
    _refuse_nothing(wanted, listed, base)
    role = role or file.role
    notes: list[str] = []
    checked = tuple(_check_each(listed, wanted, base, role, backend, notes, progress))
    return CheckResult(checked, tuple(notes))


def _rule_file(rules: str | os.PathLike[str] | Iterable[Rule]) -> RuleFile:
    return read_rules(os.fspath(rules)) if isinstance(rules, str | os.PathLike) else RuleFile(tuple(rules))


def _plain(value: Any) -> Any:
    """Return an option as a file of rules would have it."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else value


def _refuse_nothing(rules: Sequence[Rule], checkpoints: Sequence[object], base: object) -> None:
    """Raise ValueError where there is nothing to check, or nothing to compare with."""
    if not rules:
        raise UsageError("no rule is given: see 'ckptread check --help'")
    pairwise = [rule.name for rule in rules if rule.name in OF_PAIRS]
    if pairwise and base is None and len(checkpoints) < 2:
        raise UsageError(f"--{pairwise[0]} compares two checkpoints: give another, or one to compare with by --base")


def _check_each(
    checkpoints: Iterable[Checkpoint],
    rules: Sequence[Rule],
    base: Checkpoint | None,
    role: str | None,
    backend: str,
    notes: list[str],
    progress: Progress | None,
) -> Iterator[CheckedCheckpoint]:
    """Yield the result of each checkpoint, also of one that cannot be opened. Two are open at a time."""
    with ExitStack() as stack:
        fixed = None if base is None else stack.enter_context(opened(base, backend))
        before, previous = fixed, ExitStack()
        for checkpoint in checkpoints:
            current = stack.enter_context(ExitStack())
            try:
                reader = current.enter_context(opened(checkpoint, backend))
            except CheckpointError as error:
                yield CheckedCheckpoint.unopened(os.fspath(checkpoint), error)  # type: ignore[arg-type]
                continue
            notes.extend(role_notes([reader], role))
            meter = Meter(progress, _bytes_to_check(reader, rules))
            outcomes = check_rules(reader, rules, before=before, role=role, meter=meter, notes=notes)
            yield CheckedCheckpoint(reader.path, tuple(outcomes))
            previous.close()
            before, previous = (reader if fixed is None else fixed), current


def _bytes_to_check(reader: Reader, rules: Sequence[Rule]) -> int:
    """About how many bytes there are to read: all, once for values and once for each comparison."""
    passes = sum(rule.name in OF_PAIRS or rule.name == "same-as" for rule in rules) + 1
    return passes * sum(t.nbytes for t in reader.tensors.values())
