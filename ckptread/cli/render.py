"""The one module that prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Self

from ckptread.cli.parse.options import OutputFormat
from ckptread.reports.cells import bytes_text
from ckptread.reports.report import Line, Report, Reportable
from ckptread.reports.text import block_lines, folded

PATIENCE = 1.0
"""Seconds of work before a progress bar shows."""
BAR = 30
LONGEST_VALUE = 200
"""A longer piece of metadata is for machines: JSON has it."""
USUAL = {("byteorder", "little"), ("shards", "1"), ("files", "1"), ("backend", "tensorflow")}
"""What goes without saying."""
NAME_TITLES = {"key": ["key"], "variable": ["name"], "both": ["name", "key"]}


def report(found: Report, layout: str) -> None:
    """Print a report in a layout: the result to stdout, the notes to stderr."""
    if layout == OutputFormat.table:
        _page(found)
    else:
        renderer = import_module(f"ckptread.reports.{layout}")
        sys.stdout.writelines(getattr(renderer, f"as_{layout}")(found))
    notes(found)


def notes(found: Report) -> None:
    """Print what a report has for stderr."""
    for text in found.notes():
        note(text)


def live(result: Reportable) -> None:
    """Print one of several results as soon as it is there."""
    _page(result.report())


def _page(found: Report) -> None:
    for block in found.lines():
        if isinstance(block, Line) and block.style == "note":
            note(block.text)
            continue
        sys.stdout.writelines(text + "\n" for text in block_lines(block, terminal_width(), colour=_in_colour()))
        if found.live:
            sys.stdout.flush()


def _in_colour() -> bool:
    """Whether stdout is a terminal and nobody asked for plain text."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def line(text: str = "") -> None:
    """Print one line of a result."""
    print(text)


def lines(texts: Iterable[str]) -> None:
    """Print lines of a result."""
    sys.stdout.writelines(text + "\n" for text in texts)


def note(text: str) -> None:
    """Say on stderr what is not part of the result."""
    width = os.get_terminal_size(2).columns if sys.stderr.isatty() else None
    for part in folded(text, width):
        print(part, file=sys.stderr)


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is; None where it is none, and nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class Progress:
    """A bar on stderr for work of more than a second, where stderr is a terminal."""

    def __init__(self, unit: Callable[[int], str] = bytes_text) -> None:
        self._unit = unit
        self._started = self._drawn = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Draw the bar if it is time."""
        now = time.monotonic()
        if now - self._started > PATIENCE and now - self._drawn > 0.1 and sys.stderr.isatty():
            self._drawn, self._shown = now, True
            share = min(1.0, done / max(1, total))
            filled = int(share * BAR)
            bar = "#" * filled + "." * (BAR - filled)
            sys.stderr.write(f"\r[{bar}] {share:4.0%} of {self._unit(total)}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
