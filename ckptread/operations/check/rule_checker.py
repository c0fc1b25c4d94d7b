"""Whether the tensors of one open checkpoint obey rules, each read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import msgspec

from ckptread.errors import CheckpointError, TensorNotFoundError
from ckptread.operations.check.pair_rules import Offender, judge_movement, offender_of_pair
from ckptread.operations.check.rules import Rule
from ckptread.operations.check.safety import dangers, judged
from ckptread.operations.check.value_rules import OF_VALUES, Measured, applies, measure, violation
from ckptread.operations.copies import copy_notes, tensors_to_judge
from ckptread.operations.diff.choose_pairs import choose_pairs, pairs_without_bookkeeping
from ckptread.operations.diff.diff import compare_pairs
from ckptread.operations.diff.match.by_name import align
from ckptread.operations.diff.match.pairs import Pair
from ckptread.operations.digest.canonical import canonical_dtype
from ckptread.operations.each_tensor import TensorResult, for_each_tensor
from ckptread.operations.inspect.layers import summarize
from ckptread.operations.inspect.totals import total
from ckptread.operations.opening import opened
from ckptread.operations.selection import without_bookkeeping
from ckptread.reader import Reader
from ckptread.select import filter_tensors, match_tensors
from ckptread.storage.progress import SILENT, Meter
from ckptread.tensors import TensorInfo
from ckptread.wording import plural

OF_PAIRS = frozenset({"frozen", "changed", "max-change"})
"""The rules that compare with another checkpoint."""


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a rule for a checkpoint."""

    rule: Rule
    checked: int
    """Tensors, or pairs of tensors, that it is about."""
    offenders: tuple[Offender, ...] = ()
    problem: str = ""
    """Why the rule as a whole is broken: its pattern matches nothing, say; or ""."""
    unreadable: bool = False
    """Whether that is because something could not be read."""
    against: str | None = None
    """The checkpoint that was compared with."""
    found: str = ""
    """What was measured or judged, in words; "" where the count of tensors says it."""

    @property
    def passed(self) -> bool:
        """Whether the rule holds."""
        return not self.offenders and not self.problem

    @property
    def trouble(self) -> bool:
        """Whether something could not be read."""
        return self.unreadable or any(offender.unreadable for offender in self.offenders)


def check_rules(
    reader: Reader,
    rules: Iterable[Rule],
    *,
    before: Reader | None = None,
    role: str | None = None,
    meter: Meter = SILENT,
    notes: list[str] | None = None,
) -> list[RuleResult]:
    """Return the result of each rule; the values of each tensor that a rule is about are read once.

    ``before`` is the checkpoint that 'frozen' and 'changed' compare with; without one they are left out. ``role``
    keeps the tensors of one role, for all rules. What a user should know of the tensors is added to ``notes``.
    """
    wanted = [rule for rule in rules if before is not None or rule.name not in OF_PAIRS]
    checker = _RuleChecker(reader, before, role, meter)
    results = checker.results(wanted)
    if notes is not None:
        notes.extend(checker.notes())
    return results


class _RuleChecker:
    """A checkpoint, and the statistics of its tensors."""

    def __init__(self, reader: Reader, before: Reader | None, role: str | None, meter: Meter) -> None:
        self._reader = reader
        self._before = before
        self._role = role
        self._meter = meter
        self._measured: dict[str, TensorResult[Measured]] = {}

    def results(self, rules: Sequence[Rule]) -> list[RuleResult]:
        """Return the result of each rule."""
        self._measure(rule for rule in rules if rule.name in OF_VALUES)
        return [self._result(rule) for rule in rules]

    def notes(self) -> Iterator[str]:
        """Yield which copies differ from their originals, of the tensors whose values were read."""
        yield from copy_notes(entry.tensor for entry in self._measured.values())

    def _measure(self, rules: Iterable[Rule]) -> None:
        """Read the values of every tensor that a rule is about, once."""
        wanted: dict[str, TensorInfo] = {}
        for rule in rules:
            try:
                wanted |= {tensor.key: tensor for tensor in self._tensors(rule)}
            except TensorNotFoundError:
                continue  # the rule's own outcome says so
        for entry in for_each_tensor(self._reader, wanted.values(), measure, meter=self._meter):
            self._measured[entry.tensor.key] = entry

    def _tensors(self, rule: Rule) -> list[TensorInfo]:
        patterns = [] if rule.pattern is None else [rule.pattern]
        matching = match_tensors(self._reader.path, self._reader.tensors, patterns)
        chosen = filter_tensors(self._reader.tensors, matching, self._role)
        if rule.name != "has":
            chosen = without_bookkeeping(self._reader, chosen, patterns, self._role)
        if rule.name in OF_VALUES:
            return self._judged(chosen)
        keys = {tensor.key for tensor in chosen}
        return [tensor for tensor in chosen if tensor.repeats not in keys]

    def _judged(self, chosen: Sequence[TensorInfo]) -> list[TensorInfo]:
        """Leave out what repeats another of these tensors, as ``tensors_to_judge`` does."""
        keys = {tensor.key for tensor in chosen}
        return [self._to_judge.get(t.key, t) for t in chosen if t.key in self._to_judge or t.repeats not in keys]

    @cached_property
    def _to_judge(self) -> dict[str, TensorInfo]:
        """The tensors of the checkpoint, without copies that are the same: the copies are read for this once."""
        return {tensor.key: tensor for tensor in tensors_to_judge(self._reader, self._reader.tensors.values())}

    def _result(self, rule: Rule) -> RuleResult:
        try:
            if rule.name == "params":
                return self._params(rule)
            if rule.name == "safe":
                return self._safe(rule)
            if rule.name == "same-as":
                with opened(str(rule.value)) as other:
                    return self._compared(rule, other)
            if rule.name in OF_PAIRS and self._before is not None:
                return self._compared(rule, self._before)
            return self._of_tensors(rule)
        except TensorNotFoundError as error:
            return RuleResult(rule=rule, checked=0, problem=advised(error))
        except CheckpointError as error:
            return RuleResult(rule=rule, checked=0, problem=str(error), unreadable=True)

    def _of_tensors(self, rule: Rule) -> RuleResult:
        tensors = self._tensors(rule)
        if not tensors:
            return RuleResult(rule=rule, checked=0, problem=self._nothing())
        if rule.name == "has":
            return RuleResult(rule=rule, checked=len(tensors))
        judged = [self._dtype(rule, t) if rule.name == "dtype" else self._values(rule, t) for t in tensors]
        offenders = tuple(offender for offender in judged if offender is not None)
        of_values = rule.name in OF_VALUES
        idle = of_values and not offenders and not any(applies(rule, self._measured[t.key].value) for t in tensors)
        return RuleResult(rule=rule, checked=len(tensors), offenders=offenders, problem=_idle(tensors) if idle else "")

    def _nothing(self) -> str:
        return "there are no tensors" + ("" if self._role is None else f" of the role {self._role} that it is about")

    def _dtype(self, rule: Rule, tensor: TensorInfo) -> Offender | None:
        try:
            found = canonical_dtype(tensor.dtype)
        except CheckpointError:
            found = tensor.dtype
        return None if found == rule.value else Offender(tensor.name, tensor.key, found)

    def _values(self, rule: Rule, tensor: TensorInfo) -> Offender | None:
        entry = self._measured[tensor.key]
        if entry.value is None:
            return Offender(tensor.name, tensor.key, entry.problem, unreadable=True)
        reason = violation(rule, entry.value)
        return Offender(tensor.name, tensor.key, reason) if reason else None

    def _params(self, rule: Rule) -> RuleResult:
        """Compare the number of the model's parameters, as Keras counts them; of all if the file records no roles."""
        tensors = filter_tensors(self._reader.tensors, self._reader.tensors.values(), self._role)
        everything = total(tensors).parameters
        told = self._role is None and any(t.role is not None for t in tensors)
        found = summarize(self._reader).totals.model.parameters if told else everything
        if found == rule.value:
            return RuleResult(rule=rule, checked=len(tensors))
        rest = f" in the model, {everything:,} in all" if told else ""
        return RuleResult(rule=rule, checked=len(tensors), problem=f"there are {found:,}{rest}")

    def _safe(self, rule: Rule) -> RuleResult:
        offenders = tuple(Offender(name, "", why) for name, why in dangers(self._reader))
        found = plural(len(offenders), "danger") if offenders else judged(self._reader)
        return RuleResult(rule=rule, checked=len(self._reader.tensors), offenders=offenders, found=found)

    def _compared(self, rule: Rule, other: Reader) -> RuleResult:
        aligned = align(*(list(side.tensors.values()) for side in (other, self._reader)))
        patterns = [] if rule.pattern is None else [rule.pattern]
        pairs = choose_pairs(other, self._reader, aligned, patterns, role=self._role)
        pairs = pairs_without_bookkeeping(other, self._reader, pairs, patterns, self._role)
        if not pairs:
            return RuleResult(rule=rule, checked=0, problem=self._nothing(), against=other.path)
        of_change = rule.name == "max-change"
        found = compare_pairs(other, self._reader, _without_second_names(pairs), norms=of_change, meter=self._meter)
        if of_change:
            return RuleResult(rule=rule, checked=len(pairs), against=other.path, **judge_movement(rule, found.tensors))
        broken = [offender_of_pair(rule, entry) for entry in found.tensors]
        return RuleResult(
            rule=rule, checked=len(pairs), offenders=tuple(o for o in broken if o is not None), against=other.path
        )


def _without_second_names(pairs: Sequence[Pair]) -> list[Pair]:
    """Leave out second names on either side: their tensors are compared under their first."""
    return [pair for pair in pairs if not all(t is None or t.alias_of is not None for t in (pair.a, pair.b))]


def _idle(tensors: Sequence[TensorInfo]) -> str:
    return f"nothing was judged: {plural(len(tensors), 'tensor')} without a value that this rule can judge"


def advised(error: CheckpointError) -> str:
    """Return an error in words, with its advice."""
    return error.problem + (f"; {error.advice}" if error.advice else "")
