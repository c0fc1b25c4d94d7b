"""The one module that prints: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from ckptread.cli.parse.options import OutputFormat
from ckptread.reports.cells import bytes_text, name_text
from ckptread.reports.report import Line, Report, Reportable, Table
from ckptread.reports.text import block_lines, folded
from ckptread.select import records_roles
from ckptread.tensors import TensorInfo
from ckptread.wording import plural

if TYPE_CHECKING:
    from ckptread.operations.diff.diff import Difference
    from ckptread.operations.each_tensor import TensorResult
    from ckptread.reader import Reader

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


def prose(texts: Iterable[str]) -> None:
    """Print lines of a result; on a terminal, what is too long for it goes on in the next one, set in."""
    for text in texts:
        lines(folded(text, terminal_width()))


def note(text: str) -> None:
    """Say on stderr what is not part of the result."""
    width = os.get_terminal_size(2).columns if sys.stderr.isatty() else None
    for part in folded(text, width):
        print(part, file=sys.stderr)


def json_document(document: dict[str, Any]) -> None:
    """Print a document as JSON."""
    from ckptread.untrusted.json_text import as_json

    sys.stdout.writelines(as_json(document))


def table(rows: Table, layout: OutputFormat) -> None:
    """Print a table in a layout other than JSON."""
    report(_OneTable(rows), layout)


class _OneTable(Report):
    def __init__(self, rows: Table) -> None:
        self._rows = rows

    def tables(self) -> list[Table]:
        return [self._rows]


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is; None where it is none, and nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def styled(text: str, style: str) -> str:
    """Return the text in an ANSI style, where stdout is a terminal and nobody asked otherwise."""
    if not _in_colour():
        return text
    codes = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
    return f"\x1b[{codes[style]}m{text}\x1b[0m"


def untold(
    readers: Iterable[Reader], tensors: Iterable[TensorInfo], role: str | None, trainable: bool | None = None
) -> None:
    """Say on stderr what was asked for that the files do not tell: the roles, or which of ``tensors`` are trainable."""
    silent = [reader.path for reader in readers if not records_roles(reader.tensors)]
    for path in dict.fromkeys(silent if role not in {None, "all"} else []):
        note(f"note: {name_text(path)} tells of no tensor what it is for: all count as the model's")
    count = 0 if trainable is None else sum(tensor.trainable is None for tensor in tensors)
    if count:
        they = "it is trainable: it is" if count == 1 else "they are trainable: they are"
        note(f"note: of {plural(count, 'tensor')} the file does not say whether {they} in neither")


def differences(rows: Table, unchanged: str, layout: OutputFormat) -> None:
    """Print what differs, and in one line what does not."""
    if rows.rows or layout is not OutputFormat.table:
        table(rows, layout)
    if layout is OutputFormat.table:
        if rows.rows:
            line()
        if unchanged:
            line(unchanged)


def not_read(entries: Iterable[TensorResult[Any]], step: str = "") -> None:
    """Say on stderr of each tensor that could not be read why; ``step`` is the checkpoint it is of, of several."""
    of = f"step {name_text(step)}: " if step else ""
    for entry in entries:
        note(f"{of}{name_text(entry.tensor.name)} could not be read: {entry.problem}")


def unreadable(found: Difference) -> None:
    """Say on stderr what could not be read."""
    for entry in [entry for entry in found.tensors if entry.unreadable][:10]:
        note(f"{name_text(entry.name)} could not be read: {entry.reason}")


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
