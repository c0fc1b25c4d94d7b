"""Where the command begins and ends: from here on, Ctrl-C ends the process, and prints no traceback.

It stands beside the package: to import any part of that is to import most of it, in which a user may well think
better of it. Until ``main`` runs there is nothing to be tidied up, so the system's own way of ending will do.
"""

import _signal  # type: ignore[import-not-found] # of signal itself, which takes 3 ms more for its enums

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # not where a shell has it ignored
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def main() -> None:
    """Run the command line, and end with its code: at once.

    The system takes back a process faster than Python takes its objects apart, by a tenth of a start.
    """
    import os

    from ckptread.cli import main as run

    try:
        run()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 2)
