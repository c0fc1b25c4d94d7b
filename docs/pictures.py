"""Draw docs/pictures/: what commands print on a terminal of 80 columns, as SVG for light and for dark pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent / "pictures"
COMMANDS = {
    "inspect": "ckptread inspect fixtures/keras3/model.keras",
    "diff": "ckptread diff fixtures/tf-object/ckpt-1 fixtures/tf-object/ckpt-2",
}
"""The command that each picture shows."""
COLUMNS, MOST_LINES = 80, 40
WIDE, HIGH, EDGE = 8.4, 19, 16
"""The size of a character, and the margin."""
SEQUENCE = re.compile(r"\x1b\[([\d;]*)m")
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h}" viewBox="0 0 {w:.0f} {h}" role="img">
<title>{title}</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: #1f2328 }}
rect {{ fill: #ffffff; stroke: #d0d7de }}
.s1 {{ font-weight: bold }} .s2 {{ opacity: .65 }}
.s31 {{ fill: #cf222e }} .s32 {{ fill: #116329 }} .s33 {{ fill: #7d4e00 }} .s36 {{ fill: #0b6a70 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }} rect {{ fill: #0d1117; stroke: #30363d }}
.s31 {{ fill: #ff7b72 }} .s32 {{ fill: #56d364 }} .s33 {{ fill: #e3b341 }} .s36 {{ fill: #56d4dd }}
}}
</style>
<rect x=".5" y=".5" width="{inner_w:.0f}" height="{inner_h}" rx="6"/>
"""


class Span(NamedTuple):
    """Characters of a line that look alike."""

    column: int
    text: str
    styles: tuple[str, ...]
    """Numbers of ``ESC[...m``."""


def pages(printed: Callable[[str], str]) -> dict[Path, str]:
    """Return the pictures; ``printed`` runs a command, and returns what it prints in colour."""
    return {HERE / f"{name}.svg": _picture(command, printed(command)) for name, command in COMMANDS.items()}


def _picture(command: str, output: str) -> str:
    lines = [f"\x1b[1m$ {command}\x1b[0m", *(part for line in output.splitlines() for part in _wrapped(line))]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "…"]
    width, height = 2 * EDGE + COLUMNS * WIDE, 2 * EDGE + len(lines) * HIGH
    head = HEAD.format(w=width, h=height, inner_w=width - 1, inner_h=height - 1, title=escape(command))
    rows = (_row(span, EDGE + (number + 0.75) * HIGH) for number, line in enumerate(lines) for span in _spans(line))
    return head + "".join(rows) + "</svg>\n"


def _wrapped(line: str) -> list[str]:
    """Return a line as a terminal wraps it; one in colours fits."""
    if SEQUENCE.search(line) or len(line) <= COLUMNS:
        return [line]
    return [line[at : at + COLUMNS] for at in range(0, len(line), COLUMNS)]


def _spans(line: str) -> Iterator[Span]:
    column, styles = 0, ()
    for at, piece in enumerate(SEQUENCE.split(line)):
        if at % 2:
            styles = () if piece in {"", "0"} else (*styles, *piece.split(";"))
        else:
            if piece.strip():
                blanks = len(piece) - len(piece.lstrip())
                yield Span(column + blanks, piece.strip(), styles)
            column += len(piece)


def _row(span: Span, y: float) -> str:
    """Return the text, stretched to its columns: fonts differ in their width."""
    names = " ".join(f"s{style}" for style in span.styles)
    x, length = EDGE + span.column * WIDE, len(span.text) * WIDE
    place = f'x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}"' + (f' class="{names}"' if names else "")
    return f'<text {place} xml:space="preserve">{escape(span.text)}</text>\n'
