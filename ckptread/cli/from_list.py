"""The commands on a list of checkpoints: a JSON line for each, as soon as it is there, and the worst exit code.

A run that was killed goes on where it was: ``--from list --resume out.jsonl >> out.jsonl``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, TypeVar, cast

import typer

import ckptread
from ckptread.cli import render
from ckptread.storage.addresses import ADDRESS
from ckptread.storage.lines import complete_lines, read_paths, remove_cut_line
from ckptread.wording import plural, printable

Given = TypeVar("Given", str, list[str])

STDOUT = 1
OUTCOMES = "ok", "failed", "unreadable"
"""What each exit code is called."""


def checkpoint_or_list(
    verb: Any, given: Given | None, listing: str | None, resume: str | None, workers: int, options: dict[str, Any]
) -> Given:
    """Return the checkpoint that is given. For a list, print its results, and raise Exit with the worst code.

    A command whose first argument is one checkpoint has its first pattern there if the checkpoints are in a list.
    """
    if listing is not None:
        if isinstance(given, str):
            options["patterns"] = [given, *options["patterns"]]
        raise typer.Exit(print_each(verb, listing, resume, workers, options))
    if resume is not None or workers > 1:
        raise ckptread.UsageError("--resume and --workers are for a list of checkpoints: give it with --from LIST")
    if not given:
        raise ckptread.UsageError("no checkpoint is given: give a CKPT, or a list of them with --from LIST")
    return given


def print_each(verb: Any, listing: str, resume: str | None, workers: int, options: dict[str, Any]) -> int:
    """Print the result for each checkpoint of a list, and return the worst exit code."""
    finished = {} if resume is None else _read_finished(resume)
    codes: dict[str, int] = {}
    found = ckptread.for_each_checkpoint(verb, _unfinished(listing, finished, codes), workers=workers, **options)
    with closing(cast("Generator[ckptread.CheckpointResult]", found)):
        for result in found:
            render.at_once(result.line())
            codes[result.path] = result.exit_code
    if not codes:
        raise ckptread.UsageError(f"{printable(listing)}: the list has no checkpoints")
    render.note(_summary(codes, resume, finished))
    return max(codes.values())


def _summary(codes: dict[str, int], resume: str | None, finished: dict[str, int]) -> str:
    counts = Counter(codes.values())
    text = ", ".join(f"{counts[code]:,} {word}" for code, word in enumerate(OUTCOMES))
    before = sum(path in finished for path in codes)
    return f"{plural(len(codes), 'checkpoint')}: {text}" + (f" ({before:,} of them were in {resume})" if before else "")


def _unfinished(listing: str, finished: dict[str, int], codes: dict[str, int]) -> Iterator[str]:
    """Yield each checkpoint of a list once; of those that are finished, only note the exit code."""
    for path in _checkpoints(read_paths(listing, sys.stdin.buffer)):
        if path in codes:
            continue
        codes[path] = finished.get(path, 0)
        if path not in finished:
            yield path


def _checkpoints(paths: Iterable[str]) -> Iterator[str]:
    """Yield checkpoints; a folder stands for all in it, as on the command line."""
    for path in paths:
        # of an address it would take a request to ask whether it is a folder, before the first result
        yield from [path] if ADDRESS.match(path) else ckptread.find_checkpoints(path)


def _read_finished(path: str) -> dict[str, int]:
    """Return the exit codes of the checkpoints in the output of an earlier run, and drop a line that it did not end."""
    import json

    remove_cut_line(path, STDOUT)
    finished: dict[str, int] = {}
    for line in complete_lines(path):
        try:
            entry = json.loads(line)
            finished[str(entry["path"])] = int(entry["exit"])
        except (ValueError, KeyError, TypeError):  # two lines that a kill made one: it is done again
            continue
    return finished
