"""The parts of a report: what a command prints, whatever the layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

if TYPE_CHECKING:
    import pandas

Row = Sequence[str]
Style = Literal[
    "", "title", "prose", "good", "bad", "note", "heading", "added", "removed", "changed", "nan", "frozen", "faint"
]
"""What a line or a cell is. A renderer may have a colour for it."""


class Cell(str):
    """The text of a cell of a table, with what it is."""

    __slots__ = ("style",)
    style: Style

    def __new__(cls, text: str, style: Style) -> Self:
        """Return a text that has a style."""
        cell = super().__new__(cls, text)
        cell.style = style
        return cell


class Table(msgspec.Struct, frozen=True):
    """Column titles and rows; a title that begins with '>' is of a column of numbers, set to the right."""

    titles: Row
    rows: Iterable[Row]
    """Cells of any text: the renderers make it safe to print. A generator will do: it is read once. A `Cell` also says
    what it is."""
    optional: Row = ()
    """Titles of columns that are left out where the names need their room, the first one first."""

    @property
    def plain_titles(self) -> list[str]:
        """The titles, without what they say of the layout."""
        return [title.lstrip(">") for title in self.titles]


class Facts(msgspec.Struct, frozen=True):
    """Labels, and the text that belongs to each."""

    rows: Sequence[tuple[str, str]]
    indent: str = ""
    width: int | None = None
    """Where to wrap the text if the output is not a terminal; None wraps nothing there."""


class Line(msgspec.Struct, frozen=True):
    """One line of any text: the renderers make it safe to print.

    ``prose`` is wrapped. ``good`` and ``bad`` are about the first word. A ``note`` is not part of the result: it goes
    to stderr.
    """

    text: str = ""
    style: Style = ""


Block = Table | Facts | Line


class Folded(msgspec.Struct, frozen=True):
    """A table of which only the first rows are open: the others are folded, and those past ``most`` left out."""

    table: Table
    noun: str
    """What the other rows are called, in the singular."""
    shown: int = 20
    most: int = 300


class Report:
    """What a verb has to say. A subclass holds a result and the options of the view, and says how it is shown."""

    __slots__ = ()
    live = False
    """Whether lines come one by one while the work is going on: then each is printed at once."""

    def document(self) -> msgspec.Struct:
        """Return what JSON shows: a Struct of the verb's own, never one of the library's data classes."""
        raise NotImplementedError

    def tables(self) -> Sequence[Table]:
        """Return the tables for programs (CSV, Markdown): every column, exact numbers, full names."""
        raise NotImplementedError

    def flat_tables(self) -> Sequence[Table]:
        """Return the tables for CSV: those of ``tables``, unless a subclass joins some."""
        return self.tables()

    def pasted(self) -> Iterable[Block | Folded]:
        """Return what Markdown shows: tables and lines, to be pasted into an issue or a pull request."""
        return self.tables()

    def lines(self) -> Iterable[Block]:
        """Return what people read, from top to bottom: headings, tables in short numbers, the verdict."""
        return self.tables()

    def notes(self) -> Iterable[str]:
        """Return what goes to stderr in every layout, after the result."""
        return ()

    def records(self) -> Sequence[Any]:
        """Return the rows of a DataFrame: what the last list of the document holds."""
        document = self.document()
        lists = [value for name in document.__struct_fields__ if isinstance(value := getattr(document, name), list)]
        return lists[-1] if lists else [document]


class Reportable:
    """A result that has a report: it shows as a table in a notebook, and turns into pandas."""

    __slots__ = ()

    def report(self) -> Report:
        """Return how the result is shown."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from ckptread.reports.html import as_html_fragment

        return as_html_fragment(self.report())

    def to_pandas(self) -> pandas.DataFrame:
        """Return the result as a pandas DataFrame, a row per entry. Raises UsageError where pandas is missing."""
        from ckptread.reports.frame import data_frame

        return data_frame(self.report())
