"""One operation on each of many checkpoints, with results in order, from this process or from several.

What cannot be opened is a result like any other. A task is plain data, and so is its result: a scheduler of another
package can run ``run_task`` on other machines.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Literal, get_args

import msgspec

import ckptread
from ckptread.errors import CheckpointError, UsageError
from ckptread.operations.opening import opened
from ckptread.reports.json import as_json
from ckptread.reports.report import Reportable
from ckptread.wording import escape

Verb = Literal["check", "digest", "inspect", "verify"]


class Task(msgspec.Struct, frozen=True):
    """One operation on one checkpoint."""

    verb: Verb
    path: str
    options: Mapping[str, Any]


class CheckpointResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one of many checkpoints. It can be pickled, and ``line()`` is JSON."""

    path: str
    """As it was given."""
    exit_code: int
    """The exit code of the command for this checkpoint: 0, 1, or 2 where something cannot be read."""
    document: Mapping[str, Any]
    """What the command prints with ``--format json``. Empty where there is no result, because of an error."""
    error: str | None = None
    """Why it could not be opened, in a sentence; None where it was."""
    code: str | None = None
    """The code of the error, as in docs/verify.md."""

    def line(self) -> str:
        """Return one line of JSON, without a newline: path, exit code, the document's fields, and any error."""
        import json

        error = {} if self.error is None else {"error": {"message": self.error, "code": self.code}}
        document = {"path": self.path, "exit": self.exit_code, **error}
        return json.dumps(
            document | {k: v for k, v in self.document.items() if k not in document}, separators=(",", ":")
        )


def for_each_checkpoint(
    verb: Verb, checkpoints: Iterable[str | os.PathLike[str]], *, workers: int = 1, **options: Any
) -> Iterator[CheckpointResult]:
    """Yield the result of ``check``, ``digest``, ``inspect`` or ``verify`` for each checkpoint, in their order.

    ``options`` are those of the function of that name. One result is made at a time, when it is asked for; with
    ``workers`` above 1 that many processes work side by side, and a few results wait for their turn. Each checkpoint is
    judged alone: the rules ``frozen``, ``changed`` and ``max_change`` of ``check`` need a ``base``.

    A checkpoint that cannot be opened, or whose process was killed, has an ``error``; the others go on. Raises
    UsageError for options that are wrong for any checkpoint.

    >>> import ckptread
    >>> paths = ["fixtures/tf-object/ckpt-1", "README.md"]
    >>> for result in ckptread.for_each_checkpoint("check", paths, finite=True):
    ...     print(result.path, result.exit_code, result.code)
    fixtures/tf-object/ckpt-1 0 None
    README.md 2 unknown-format
    """
    if verb not in get_args(Verb):
        raise UsageError(f"there is no operation {verb!r} for each checkpoint; there are {', '.join(get_args(Verb))}")
    if workers < 1:
        raise UsageError(f"workers is the number of processes, at least 1, not {workers}")
    tasks = (Task(verb, os.fsdecode(path), options) for path in checkpoints)
    return (run_task(task) for task in tasks) if workers == 1 else _in_processes(tasks, workers)


def _in_processes(tasks: Iterable[Task], workers: int) -> Iterator[CheckpointResult]:
    from ckptread.storage.processes import run_in_processes

    return run_in_processes(run_task, tasks, workers=workers, died=_died)


def _died(task: Task, error: Exception) -> CheckpointResult:
    return _failed(
        task,
        f"{escape(task.path)}: the process that worked on it {error}. Try it alone: it may need more memory.",
        "worker-died",
    )


def run_task(task: Task) -> CheckpointResult:
    """Return the result of a task, whatever the checkpoint is like. Raises UsageError."""
    try:
        return _open_and_run(task)
    except UsageError:
        raise
    except CheckpointError as error:
        return _failed(task, str(error), error.code)
    except MemoryError:
        return _failed(task, f"{escape(task.path)}: there is not enough memory for this", "no-memory")
    except Exception as error:  # a bad checkpoint never stops the others
        what = escape(f"{type(error).__name__}: {error}"[:200])
        return _failed(task, f"{escape(task.path)}: internal error: {what}. Please report it.", "internal-error")


def _open_and_run(task: Task) -> CheckpointResult:
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(opened(task.path, task.options.get("backend", "auto"), warn=False))
        except CheckpointError as error:
            return _failed(task, str(error), error.code, _unopened(task, error))
        found = getattr(ckptread, task.verb)(reader, **task.options)
        return CheckpointResult(path=task.path, exit_code=found.exit_code, document=_document(found))


def _failed(task: Task, error: str, code: str, document: Mapping[str, Any] | None = None) -> CheckpointResult:
    return CheckpointResult(path=task.path, exit_code=2, document=document or {}, error=error, code=code)


def _unopened(task: Task, error: CheckpointError) -> Mapping[str, Any]:
    """Return the document on a checkpoint that cannot be opened, of an operation that has one."""
    if task.verb == "verify":
        return _document(ckptread.Verification.unopened(task.path, error))
    if task.verb == "check":
        return _document(ckptread.CheckResult((ckptread.CheckedCheckpoint.unopened(task.path, error),)))
    return {}


def _document(found: Reportable) -> Mapping[str, Any]:
    import json

    document: Mapping[str, Any] = json.loads("".join(as_json(found.report())))
    return document
