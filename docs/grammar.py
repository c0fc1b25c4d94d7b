"""Write ckptread/cli/completion/grammar.py: the commands, their arguments and options, from the typer application."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.main import get_command

from ckptread.cli.app import build_app
from ckptread.cli.commands import COMMANDS
from ckptread.cli.completion.answer import FILE, TENSOR

TARGET = Path(__file__).parent.parent / "ckptread" / "cli" / "completion" / "grammar.py"
HEAD = '''"""The commands, arguments and options. docs/make.py writes this: typer takes too long to load for a Tab."""

'''
FILES = {"CKPT", "A", "B", "FILE", "PATH", "DIR", "LIST", "OUT"}
TENSORS = {"TENSOR", "PATTERN", "NAME", "KEY"}


def pages() -> dict[Path, str]:
    """Return the module, as it would be written."""
    group: Any = get_command(build_app(COMMANDS))
    commands = "".join(f"    {name!r}: {_command(group.commands[name])},\n" for name in COMMANDS)
    text = f'''{HEAD}OPTIONS: dict[str, str | None] = {_options(group)}
"""What each option takes before a command."""
COMMANDS: dict[str, tuple[tuple[str, ...], dict[str, str | None]]] = {{
{commands}}}
"""What each command's arguments are, and what each of its options takes; None is an option without a value."""
'''
    return {TARGET: _formatted(text)}


def _command(command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    kinds = tuple(_kind(param) + "*" * (param.nargs == -1) for param in arguments)
    return f"({kinds!r}, {_options(command)!r})"


def _options(command: Any) -> dict[str, str | None]:
    params = [param for param in command.params if param.param_type_name == "option"]
    found = {name: None if param.is_flag else _kind(param) for param in params for name in param.opts}
    short = {"--json": None} if "--format" in found else {}
    return {**found, **short, "--help": None, "-h": None}


def _kind(param: Any) -> str:
    if hasattr(param.type, "choices"):
        return " ".join(str(choice) for choice in param.type.choices)
    metavar = (param.metavar or "").strip("[].")
    return FILE if metavar in FILES else TENSOR if metavar in TENSORS else ""


def _formatted(text: str) -> str:
    """Return the text as ruff formats it, so that both agree on the file."""
    ruff = [str(Path(sys.executable).parent / "ruff"), "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=TARGET.parent).stdout
