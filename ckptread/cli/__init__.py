"""The command line: ``ckptread COMMAND``.

Exit codes are diff(1)'s: 0 fine or same, 1 different or a check failed, 2 trouble. No traceback reaches a user.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import ckptread
from ckptread.formats.hdf5_start import start_workers
from ckptread.parallel import ONE_THREAD
from ckptread.worker import dismiss_early

if TYPE_CHECKING:
    import typer

COMMANDS = ("inspect", "show", "extract", "diff", "digest", "check", "history", "textconv", "verify", "salvage")
"""The commands, in the order that --help lists them: each is the function of its name in the module of its name."""

TROUBLE = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell has it
BROKEN_PIPE = 141  # 128 + SIGPIPE


def main() -> None:
    """Run the command line, and exit with its code."""
    os.environ.update({name: value for name, value in ONE_THREAD.items() if name not in os.environ})
    gc.set_threshold(200_000, 20, 20)  # a listing makes objects by the million, and no rubbish: a tenth of its time
    start_workers(sys.argv[2:])  # their imports take longer than ours, which come now
    from ckptread.cli.app import build

    asked = sys.argv[1:2]
    app = build(asked if asked and asked[0] in COMMANDS else COMMANDS)
    try:
        code = _run(app)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: end quietly, also in Python's own last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    finally:
        dismiss_early()
    sys.exit(code)


def _run(app: typer.Typer) -> int:
    from ckptread.cli import render

    try:
        app()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # which typer has made an exit code 1 of
            raise BrokenPipeError from None
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
