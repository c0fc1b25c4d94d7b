"""What can go wrong, as a tree.

::

    CheckpointError            about a file: it could not be read as asked
    ├── UnknownFormatError     no reader recognises the file (also ValueError)
    ├── DamagedFileError       recognised, but the bytes break the format's own rules or a checksum
    ├── UnsupportedError       legal, but this version cannot read it
    ├── UnsafeFileError        refused: it points outside itself, or claims more than it can hold
    └── TensorNotFoundError    no such tensor (also KeyError)
    UsageError                 about the call: an unknown backend, options that exclude each other (a ValueError)
    └── SliceError             a slice that does not fit the tensor (also IndexError, as in numpy)

The command line prints these as one sentence, and only these: any other exception is an internal error.
Every message reads ``PATH: what is wrong. What to do.`` All of them can be pickled.
"""

from __future__ import annotations

from ckptread.wording import escape, with_advice


class CheckpointError(Exception):
    """A checkpoint could not be read as asked. Catch this one to catch them all.

    ``path`` is the file, ``problem`` what is wrong with it, ``advice`` what to do ("" if there is nothing),
    ``offset`` the byte of the file, or None. ``code`` names the problem for programs, as in ``Finding``: that of the
    class where none is given. Names that come from a file are escaped in the message.
    """

    code = "unreadable"

    def __init__(
        self, path: str, problem: str, *, advice: str = "", offset: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(path, problem)  # what pickle calls the class with; it restores the attributes itself
        self.path = path
        self.problem = problem
        self.advice = advice
        self.offset = offset
        self.code = code or self.code

    def __str__(self) -> str:
        return f"{escape(self.path)}: {with_advice(self.problem, self.advice)}"


class UnknownFormatError(CheckpointError, ValueError):
    """No reader recognises the file."""

    code = "unknown-format"


class DamagedFileError(CheckpointError):
    """The file's format is known, but its bytes break the format's own rules or a checksum."""

    code = "damaged"


class UnsupportedError(CheckpointError):
    """The file is legal, but this version cannot read it."""

    code = "unsupported"


class UnsafeFileError(CheckpointError):
    """Refused: the file points outside itself, or claims more than it can hold."""

    code = "unsafe"


class TensorNotFoundError(CheckpointError, KeyError):
    """No tensor has this name, or several have."""

    code = "tensor-not-found"


class UsageError(ValueError):
    """The caller asked for something that cannot be done with any file: a wrong name, number or combination."""


class SliceError(UsageError, IndexError):
    """A slice or an index that does not fit the tensor, or any tensor."""
