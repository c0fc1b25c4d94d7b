"""What the terminal is like that stdout may be, and how the user wants it used."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Literal

WIDTH = 80
"""Columns where nothing is known of the terminal, as of a pipe. COLUMNS says otherwise."""

Colour = Literal["auto", "always", "never"]


class Wishes:
    """What the options of a command say: --color and --no-pager."""

    colour: Colour = "auto"
    pager: bool = True


def in_colour() -> bool:
    """Whether results are coloured: as --color says, else as the environment says, else on terminals only.

    NO_COLOR comes first, then FORCE_COLOR and CLICOLOR_FORCE, then TERM.
    """
    if Wishes.colour != "auto":
        return Wishes.colour == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Return the width for results: a pipe gets the same table as a terminal."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def terminal_height() -> int:
    """Return the number of lines that a terminal shows at once."""
    return shutil.get_terminal_size((WIDTH, 24)).lines


def pager_command() -> str | None:
    """Return the command that shows more than a screen, by git's rules; None for no pager.

    It is CKPTREAD_PAGER, else PAGER, else less. An empty one, or cat, is none.
    """
    if not (Wishes.pager and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return None
    import shlex

    command = os.environ.get("CKPTREAD_PAGER", os.environ.get("PAGER", "less"))
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return command if words and words[0] != "cat" and shutil.which(words[0]) else None
