"""Follow the weights of a model through a training run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import msgspec

from ckptread.errors import UsageError
from ckptread.operations.history.follow_steps import By, Followed, GroupStatistics, StepStatistics, follow_steps
from ckptread.operations.history.steps import Step, find_steps, order_steps
from ckptread.operations.opening import Checkpoint, as_sequence, as_texts
from ckptread.reader import Reader
from ckptread.reports.report import Report, Reportable
from ckptread.storage.progress import Progress
from ckptread.wording import escape, plural, quoted


class History(Reportable, msgspec.Struct, frozen=True):
    """The weights of a model at each step of a training run."""

    steps: tuple[StepStatistics, ...]

    @property
    def first_nan(self) -> tuple[StepStatistics, GroupStatistics] | None:
        """The first step with a NaN, and its group that has most of them; None where there is none."""
        return find_first_nan(self.steps)

    @property
    def complete(self) -> bool:
        """Whether every checkpoint could be opened, and every tensor read."""
        return not any(step.problem or step.unreadable for step in self.steps)

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, or 2 where something could not be read."""
        return 0 if self.complete else 2

    def report(self) -> Report:
        """Return what ``ckptread history`` prints."""
        from ckptread.operations.history.report import HistoryReport

        return HistoryReport(self)

    def __repr__(self) -> str:
        labels = [step.step.label for step in self.steps if not step.problem]
        span = f", {escape(labels[0])} to {escape(labels[-1])}" if len(labels) > 1 else ""
        return f"<History of {plural(len(self.steps), 'checkpoint')}{span}>"


def history(
    checkpoints: Checkpoint | Iterable[Checkpoint],
    *,
    by: By = "layer",
    pattern: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    role: str = "model",
    backend: str = "auto",
    progress: Progress | None = None,
) -> History:
    """Follow the weights through a training run: norms, changes since the step before, and NaN.

    ``checkpoints`` are paths, folders (all checkpoints in them) or open readers, in the order of the numbers in their
    names. ``by`` is what is summed up together: each layer, each tensor, or all; with ``pattern``, what each of these
    patterns matches. ``progress`` counts checkpoints.

    Raises CheckpointError for a folder without checkpoints, UsageError where no step has a tensor to follow. A step
    that cannot be opened is part of the result.

    >>> import ckptread
    >>> run = ckptread.history(["fixtures/tf-object/ckpt-1", "fixtures/tf-object/ckpt-1"], by="all")
    >>> run.steps[0].groups[0].nans
    0
    """
    followed = Followed(role, by, as_texts(pattern), as_texts(exclude))
    readers, steps = _steps_of(as_sequence(checkpoints))
    found: list[StepStatistics] = []
    for step in follow_steps(steps, followed, readers=readers, backend=backend):
        found.append(step)
        if progress is not None:
            progress(len(found), len(steps))
    _refuse_nothing(found, followed)
    return History(tuple(found))


def _steps_of(checkpoints: Iterable[Checkpoint]) -> tuple[dict[str, Reader], list[Step]]:
    """Return the open readers by path, and all steps in order."""
    readers: dict[str, Reader] = {}
    paths: dict[str, None] = {}
    for each in checkpoints:
        if isinstance(each, Reader):
            readers[each.path] = each
            paths[each.path] = None
        else:
            paths |= dict.fromkeys(step.path for step in find_steps([os.fspath(each)]))
    return readers, order_steps(paths)


def _refuse_nothing(found: Sequence[StepStatistics], followed: Followed) -> None:
    """Raise ValueError for a pattern that matches nothing in any step, and where there is nothing to follow."""
    opened = [step for step in found if not step.problem]
    if opened and not any(step.groups for step in opened):
        if followed.role == "all":
            raise UsageError(f"{escape(opened[0].step.path)}: no tensors to follow, neither here nor in a later step")
        raise UsageError(f"no step has a tensor of the role {followed.role} to follow; --role all takes all")
    for at, text in enumerate(followed.patterns):
        if opened and not any(step.groups[at].tensors for step in opened):
            kind = "" if followed.role == "all" else f" of the role {followed.role}"
            raise UsageError(f"no tensor{kind} matches {quoted(text)} in any step")


def find_first_nan(steps: Sequence[StepStatistics]) -> tuple[StepStatistics, GroupStatistics] | None:
    """Return the first step with a NaN, and the group in it that has most of them."""
    found = next((step for step in steps if step.nans), None)
    return None if found is None else (found, max(found.groups, key=lambda group: group.nans or 0))
