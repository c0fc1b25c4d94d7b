"""The colours of what reports name: those of git and ripgrep, which suit dark and light terminals.

A report says what a cell or a line is. Only the renderer for terminals knows that this is a colour.
"""

from __future__ import annotations

from ckptread.reports.report import Style

COLOURS = {
    "title": "1", "heading": "1", "good": "32", "bad": "31", "added": "32", "removed": "31", "changed": "33",
    "nan": "1;31", "frozen": "36", "faint": "2",
}  # fmt: skip
"""What ``ESC[...m`` says of each style: bold 1, faint 2, red 31, green 32, yellow 33, cyan 36."""
FIRST_WORD = {"good", "bad"}
"""Styles of lines that colour their first word alone."""


def painted(text: str, style: Style) -> str:
    """Return a text in the colour of its style, the blanks around it as they are."""
    if style not in COLOURS or not text.strip(" "):
        return text
    start = len(text) - len(text.lstrip(" "))
    end = text.find(" ", start) if style in FIRST_WORD else len(text.rstrip(" "))
    end = len(text) if end < 0 else end
    return f"{text[:start]}\x1b[{COLOURS[style]}m{text[start:end]}\x1b[0m{text[end:]}"
