"""What can go wrong, as a tree.

::

    CheckpointError
    ├── UnknownFormatError     no reader recognises the file (also ValueError)
    ├── DamagedFileError       recognised, but the bytes break the format's own rules or a checksum
    ├── UnsupportedError       legal, but this version cannot read it
    ├── UnsafeFileError        refused: it points outside itself, or claims more than it can hold
    └── TensorNotFoundError    no such tensor (also KeyError)

Every message reads ``file: what is wrong; what to do``.
"""

from __future__ import annotations

from ckptread.wording import escape


class CheckpointError(Exception):
    """A checkpoint could not be read as asked. Catch this one to catch them all.

    ``path`` is the file, ``problem`` what is wrong with it, ``advice`` what to do ("" if there is nothing),
    ``offset`` the byte of the file, or None. Names that come from a file are escaped in the message.
    """

    def __init__(self, path: str, problem: str, *, advice: str = "", offset: int | None = None) -> None:
        self.path = path
        self.problem = problem
        self.advice = advice
        self.offset = offset
        super().__init__(f"{escape(path)}: {problem}" + (f"; {advice}" if advice else ""))

    def __str__(self) -> str:
        # KeyError, a base of one subclass, would show the message in quotes.
        return str(self.args[0])


class UnknownFormatError(CheckpointError, ValueError):
    """No reader recognises the file."""


class DamagedFileError(CheckpointError):
    """The file's format is known, but its bytes break the format's own rules or a checksum."""


class UnsupportedError(CheckpointError):
    """The file is legal, but this version cannot read it."""


class UnsafeFileError(CheckpointError):
    """Refused: the file points outside itself, or claims more than it can hold."""


class TensorNotFoundError(CheckpointError, KeyError):
    """No tensor has this name, or several have."""


class UsageError(ValueError):
    """What the caller asked for is impossible or contradictory, whatever the file."""
