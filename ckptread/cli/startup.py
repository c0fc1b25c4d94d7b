"""The entry point of the command line.

Exit codes are diff(1)'s: 0 fine or same, 1 different or a check failed, 2 trouble.

Everything here that makes a start fast says what it gains, of a start of about 80 ms.
"""

import _signal  # type: ignore[import-not-found] # signal itself takes 3 ms more, for its enums

# Until `main` runs there is nothing to clean up: Ctrl-C ends the process without a traceback, while imports run too.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # a shell may have it ignored
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import os
import sys
import warnings
from contextlib import suppress
from typing import NoReturn

import ckptread
from ckptread.cli.commands import COMMANDS
from ckptread.cli.habits import adapt_words, as_typed, is_of_tensorflow, suggest_command
from ckptread.storage.threads import ONE_THREAD
from ckptread.wording import escape, printable

TROUBLE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE


def main() -> NoReturn:
    """Run the command line, and exit with its code."""
    code = run()
    gc.freeze()  # the interpreter collects garbage as it ends: 11 ms for the objects of a large listing
    sys.exit(code)


def run() -> int:
    """Run the command line, and return its exit code."""
    try:
        _raise_interrupts()
        _have_streams()
        code = _complete() if "_CKPTREAD_COMPLETE" in os.environ else _run()
        sys.stdout.flush()
    except BrokenPipeError:  # whatever reads our output (head, less) has ended: end quietly
        _discard_output()
        code = BROKEN_PIPE
    except OSError as error:
        _discard_output()
        _say(_what_failed(error))
        code = TROUBLE
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # a second Ctrl-C during the exit is quiet too
    return code


def _what_failed(error: OSError) -> str:
    """Say what the system refused: stdout, which has no file name in the error, or a file that Python opens."""
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"the output cannot be written: {reason}"  # a full disk
    return f"{printable(os.fsdecode(error.filename))}: it cannot be read: {reason}"


def _raise_interrupts() -> None:
    """Have Ctrl-C raise KeyboardInterrupt, unless it is ignored: from now on there is something to clean up."""
    if _signal.getsignal(_signal.SIGINT) is _signal.SIG_DFL:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _have_streams() -> None:
    """Open /dev/null for each standard stream that is closed: else the first file that is opened would become one.

    Characters that an encoding lacks are written as escapes.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(descriptor)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", closefd=False))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Discard what is left in stdout's buffer, so that Python's own last flush does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complete() -> int:
    """Answer a shell in which Tab was pressed, and return the exit code."""
    from ckptread.cli.completion.answer import answer_shell

    gc.disable()  # a tenth of the time of a large checkpoint
    try:
        return answer_shell()
    except ckptread.UsageError as error:
        _say(str(error))
        return TROUBLE


def _run() -> int:
    """Run the command that was asked for, and return its exit code."""
    os.environ.update({name: value for name, value in ONE_THREAD.items() if name not in os.environ})
    gc.set_threshold(
        200_000, 20, 20
    )  # a listing makes a million objects and no garbage: this saves a tenth of its time
    from ckptread.cli import render
    from ckptread.cli.app import build_app

    warnings.showwarning = _show_warning
    words = _adapted(sys.argv[1:])
    app = build_app(words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS)
    try:
        code = app(words, standalone_mode=False)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # for which typer exits with 1
            raise BrokenPipeError from None
        return error.code if isinstance(error.code, int) else TROUBLE
    except render.option_errors() as error:
        render.option_error(error)
    except (ckptread.CheckpointError, ckptread.UsageError) as error:
        _say(suggest_command(error, words) or str(error))
    except MemoryError:
        _say("there is not enough memory for this")
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:  # a user gets no traceback unasked
        _report_internal(error)
    else:
        return code if isinstance(code, int) else 0
    return TROUBLE


def _adapted(words: list[str]) -> list[str]:
    """Return the words of the command line; what people type out of habit is turned into what ckptread has."""
    adapted = adapt_words(words)
    if is_of_tensorflow(words):
        _say(f"these are options of inspect_checkpoint. Here it is: ckptread {as_typed(adapted)}")
    return adapted


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print a warning of ours as a note; those of other packages are about their own code."""
    from ckptread.operations.opening import AmbiguousFileWarning

    if issubclass(category, AmbiguousFileWarning):
        _say(f"warning: {message}")


def _report_internal(error: Exception) -> None:
    """Print one sentence on an error that is ours, and its traceback where CKPTREAD_TRACEBACK=1 asks for it."""
    if os.environ.get("CKPTREAD_TRACEBACK") == "1":
        from traceback import format_exception

        lines = "".join(format_exception(error)).splitlines()
        with suppress(OSError):
            sys.stderr.writelines(f"{escape(line)}\n" for line in lines)
    what = escape(f"{type(error).__name__}: {error}"[:200])
    _say(f"internal error: {what}. Please report it, with the command and the file.")


def _say(text: str) -> None:
    from ckptread.cli import render

    with suppress(OSError):  # stderr is full or closed: the exit code remains
        render.note(f"ckptread: {text}")
