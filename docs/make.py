"""Write docs/cli.md from the commands' own help; with --check, fail where the file is not what would be written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from typer.testing import CliRunner

from ckptread.cli import COMMANDS, build

HERE = Path(__file__).parent
TARGET = HERE / "cli.md"
WIDTH = "100"

HEAD = """# The command line

Written by `python docs/make.py` from `ckptread COMMAND --help`; `make check` holds it to that.

"""


def help_text(*command: str) -> str:
    """Return what a command's --help prints."""
    result = CliRunner().invoke(build(), [*command, "--help"], env={"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH})
    return re.sub(r"[ \t]+$", "", result.output, flags=re.MULTILINE).replace("Usage: root", "Usage: ckptread").strip()


def document() -> str:
    """Return the whole page."""
    pages = [f"## {name}\n\n```\n{help_text(name)}\n```\n" for name in COMMANDS]
    return HEAD + f"```\n{help_text()}\n```\n\n" + "\n".join(pages) + "\n" + (HERE / "json.md").read_text()


def main() -> int:
    """Write the page, or check it."""
    page = document()
    if "--check" not in sys.argv:
        TARGET.write_text(page)
        return 0
    if TARGET.exists() and TARGET.read_text() == page:
        return 0
    print("docs/cli.md is not what the commands say: run 'make docs'", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
