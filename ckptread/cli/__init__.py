"""The command line: ``ckptread COMMAND``.

Exit codes are diff(1)'s: 0 fine or same, 1 different or a check failed, 2 trouble. No traceback reaches a user.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import ckptread
from ckptread.cli import render
from ckptread.cli.diff import diff
from ckptread.cli.extract import extract
from ckptread.cli.inspect import inspect
from ckptread.cli.show import show

TROUBLE = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell has it
BROKEN_PIPE = 141  # 128 + SIGPIPE

app = typer.Typer(
    name="ckptread",
    help="Inspect, diff and extract TensorFlow, Keras and HDF5 checkpoints without rebuilding the model.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inspect, show, extract, diff):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        render.line(f"ckptread {ckptread.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Inspect, diff and extract TensorFlow, Keras and HDF5 checkpoints without rebuilding the model."""


def main() -> None:
    """Run the command line, and exit with its code."""
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: end quietly, also in Python's own last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    sys.exit(code)


def _run() -> int:
    try:
        app()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else TROUBLE
    except (ckptread.CheckpointError, ValueError, IndexError) as error:
        render.note(f"ckptread: {error}")
        return TROUBLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        render.note("ckptread: there is not enough memory for this")
        return TROUBLE
    return 0
