"""Tables in pages that follow from the code: the formats from their rows, the fixtures from their scripts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from ckptread.formats.registry import FORMATS

ROOT = Path(__file__).resolve().parents[1]


def formats() -> str:
    """Return a row for each format."""
    rows = [
        (f"`{row.name}`", row.about, ", ".join(f"`{ending}`" for ending in row.endings), "yes" if row.write else "")
        for row in FORMATS
    ]
    return _table(("format", "files", "usual endings", "`extract` writes it"), rows)


def fixtures() -> str:
    """Return a row for each script that writes fixtures: its folders, and the first sentence of its docstring."""
    rows = []
    for path in sorted((ROOT / "fixtures" / "make").glob("*.py")):
        folders = re.findall(r'\bfresh\("([\w-]+)"\)', path.read_text())
        if folders:
            about = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0].rstrip(".")
            rows.append((", ".join(f"`{folder}`" for folder in folders), f"`{path.stem}`", about.replace("``", "`")))
    return _table(("folder", "script", "contents"), rows)


PAGES = {ROOT / "docs" / "formats.md": formats, ROOT / "fixtures" / "README.md": fixtures}
"""The pages whose first table is one of these."""
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [" | ".join(row) for row in (titles, ["---" for _ in titles], *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def filled() -> dict[Path, str]:
    """Return the pages with their tables as they follow from the code now."""
    return {path: _replaced(path.read_text(), made()) for path, made in PAGES.items()}


def _replaced(page: str, table: str) -> str:
    return _TABLE.sub(lambda _: table, page, count=1)
