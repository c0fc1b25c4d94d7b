"""The one module that prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, cast

from ckptread.cli.pager import Screen
from ckptread.cli.parse.options import OutputFormat
from ckptread.cli.terminal import in_colour, terminal_width
from ckptread.errors import UsageError
from ckptread.reports.cells import bytes_text
from ckptread.reports.report import Line, Report, Reportable
from ckptread.reports.text import block_lines, folded
from ckptread.wording import printable, quoted

if TYPE_CHECKING:
    import rich.progress

FILE_LAYOUTS = {".csv": "csv", ".json": "json", ".md": "markdown", ".html": "html"}
"""The layout of a file by its ending."""
PATIENCE = 1.0
"""Seconds of work before a progress bar shows."""


def report(found: Report, layout: str) -> None:
    """Print a report in a layout: the result to stdout, the notes to stderr."""
    if layout == OutputFormat.table:
        _page(found)
    else:
        renderer = import_module(f"ckptread.reports.{layout}")
        sys.stdout.writelines(getattr(renderer, f"as_{layout}")(found))
    notes(found)


def save(found: Report, path: str, force: bool) -> None:
    """Write a report to a file, completely or not at all, in the layout of the file's ending. Raises UsageError."""
    from ckptread.storage.writing import open_complete

    layout = FILE_LAYOUTS.get(os.path.splitext(path)[1].lower())
    if layout is None:
        raise UsageError(f"{quoted(path)}: the ending of an output file is one of {', '.join(FILE_LAYOUTS)}")
    renderer = import_module(f"ckptread.reports.{layout}")
    with open_complete(path, force) as file:
        file.writelines(text.encode("utf-8", "backslashreplace") for text in getattr(renderer, f"as_{layout}")(found))


def notes(found: Report) -> None:
    """Print what a report has for stderr."""
    for text in found.notes():
        note(text)


def live(result: Reportable) -> None:
    """Print one of several results as soon as it is there."""
    _page(result.report())


def _page(found: Report) -> None:
    """Print a report for people: a pipe gets the same tables as a terminal, but no sentence in two lines."""
    width, colour, wrap = terminal_width(), in_colour(), sys.stdout.isatty()
    with Screen() as screen:
        for block in found.lines():
            if isinstance(block, Line) and block.style == "note":
                note(block.text)
                continue
            screen.write(block_lines(block, width, colour=colour, wrap=wrap))
            if found.live:
                screen.show()


def line(text: str = "") -> None:
    """Print one line of a result."""
    print(printable(text))


def at_once(text: str) -> None:
    """Print one line of a result, and do not wait for others."""
    print(printable(text), flush=True)


def note(text: str) -> None:
    """Print on stderr what is not part of the result."""
    width = os.get_terminal_size(2).columns if sys.stderr.isatty() else None
    for part in folded(printable(text), width):
        print(part, file=sys.stderr)


def option_errors() -> type[Exception]:
    """Return the class of the errors that the parser of options raises."""
    import typer

    return typer.BadParameter.__mro__[2]


def option_error(error: Exception) -> None:
    """Print an error in the options: how the command is used, where its help is, and what is wrong."""
    from io import StringIO

    text = StringIO()
    cast(Any, error).show(text)
    for part in text.getvalue().removesuffix("\n").split("\n"):
        note(part)


class Progress:
    """A bar on stderr for work of more than a second, if stderr is a terminal. Call it as ``progress(done, total)``."""

    def __init__(self, unit: Callable[[int], str] = bytes_text) -> None:
        self._unit = unit
        self._started = time.monotonic()
        self._bar: rich.progress.Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is."""
        if self._bar is None and time.monotonic() - self._started > PATIENCE and sys.stderr.isatty():
            self._bar = _bar(total, self._unit(total))
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar(total: int, size: str) -> rich.progress.Progress:
    """Return a bar that is on the screen until it is stopped. rich takes 50 ms to import."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    parts = BarColumn(), TaskProgressColumn(), TextColumn("of {task.description}")
    console = Console(file=sys.stderr)
    bar = Progress(*parts, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    bar.add_task(size, total=total)
    bar.start()
    return bar
