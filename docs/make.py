"""Write the generated pages, tables, pictures and the grammar of completion; replay the transcripts.

With --check, fail if a page would change. A transcript is a block fenced as ``console`` in a README or docs/: the text
after each line that begins with ``$ `` is replaced by what the command prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import api
import figures
import grammar
import pictures
import schemas
import tables
from typer.testing import CliRunner

from ckptread.cli.app import build_app
from ckptread.cli.commands import COMMANDS

HERE = Path(__file__).parent
ROOT = HERE.parent
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
TARGET = HERE / "cli.md"
WIDTH = "100"
TRANSCRIPT = re.compile(r"```console\n(.*?)```", re.DOTALL)

HEAD = """# The command line

`python docs/make.py` writes this page from `ckptread COMMAND --help`, and `make check` fails if it is out of date.

"""


def help_text(*command: str) -> str:
    """Return what a command's --help prints."""
    result = CliRunner().invoke(
        build_app(COMMANDS), [*command, "--help"], env={"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH}
    )
    return re.sub(r"[ \t]+$", "", result.output, flags=re.MULTILINE).replace("Usage: root", "Usage: ckptread").strip()


def command_line() -> str:
    """Return the page of all commands."""
    pages = [f"## {name}\n\n```\n{help_text(name)}\n```\n" for name in COMMANDS]
    return HEAD + f"```\n{help_text()}\n```\n\n" + "\n".join(pages) + "\n" + (HERE / "json.md").read_text()


def replayed(page: str) -> str:
    """Return a page with its transcripts as the commands print them now, run in a new folder with fixtures/ in it."""
    with example_folder() as folder:
        return TRANSCRIPT.sub(lambda block: f"```console\n{_replayed_block(block[1], folder)}```", page)


@contextmanager
def example_folder() -> Iterator[str]:
    """Yield a new folder with fixtures/ in it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "fixtures").symlink_to(ROOT / "fixtures")
        yield folder


def _replayed_block(block: str, folder: str) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(f"{command}\n{_printed(command[2:], folder, NO_COLOR='1')}" for command in commands)


def _printed(command: str, folder: str, **more: str) -> str:
    """Run a command in a shell; it may find differences (exit code 1), but not fail (2)."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: exit {done.returncode}: {done.stderr}")
    return re.sub(r"[ \t]+$", "", done.stdout, flags=re.MULTILINE)


def drawn() -> dict[Path, str]:
    """Return the pictures of terminals."""
    with example_folder() as folder:
        return pictures.pages(lambda command: _printed(command, folder, FORCE_COLOR="1", COLUMNS="80", NO_COLOR=""))


def pages() -> dict[Path, str]:
    """Return every page that is generated or has transcripts, as it would be written."""
    written = [path for path in (*READMES, *sorted(HERE.glob("*.md"))) if path != TARGET]
    texts = {path: path.read_text() for path in written}
    texts |= {path: figures.filled(texts[path]) for path in READMES}
    transcripts = {path: replayed(text) for path, text in texts.items() if TRANSCRIPT.search(text)}
    return {
        TARGET: command_line(),
        HERE / "api.md": api.page(),
        **schemas.pages(),
        **grammar.pages(),
        **tables.filled(),
        **drawn(),
        **transcripts,
    }


def main() -> int:
    """Write the pages, or check them."""
    stale = {path: page for path, page in pages().items() if not path.exists() or path.read_text() != page}
    if "--check" not in sys.argv:
        for path, page in stale.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(page)
        return 0
    for path in stale:
        print(f"{path.relative_to(ROOT)} is out of date: run 'make docs'", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
