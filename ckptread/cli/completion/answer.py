"""What Tab offers at the cursor: commands, options, their choices, and the names of tensors in the file on the line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from ckptread.cli.completion.grammar import COMMANDS, OPTIONS
from ckptread.errors import UsageError

VARIABLE = "_CKPTREAD_COMPLETE"
"""The environment variable by which a shell asks."""
TENSOR, FILE = "tensor", "file"
"""What an argument or option takes, where it is not one of several choices. The last argument may repeat: "tensor*"."""


def answer_shell() -> int:
    """Print what may come at the cursor, a line each: nothing where the shell offers files. Return the exit code."""
    asked = os.environ[VARIABLE]
    if asked == "complete_bash":
        from ckptread.cli.completion.bash_words import bash_words, in_bash

        typed = bash_words(os.environ)
        found = in_bash(candidates(typed.words), typed)
    elif asked in {"complete_zsh", "complete_fish"}:  # they take words apart and quote them
        found = candidates(sys.argv[1:] or [""])
    else:
        raise UsageError(f"{VARIABLE} is set to something else than complete_bash, complete_zsh or complete_fish")
    sys.stdout.writelines(f"{each}\n" for each in found)
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """Return what the last word may become; it is empty where a new word begins.

    >>> candidates(["dif"]), candidates(["inspect", "model.h5", "--role", "o"])
    (['diff'], ['optimizer'])
    """
    *before, word = words
    if not before:
        return _starting(word, OPTIONS if word.startswith("-") else (*COMMANDS, "help"))
    command = before[0]
    if command in COMMANDS:
        return _Line(*COMMANDS[command], before[1:]).candidates(word)
    if command == "help" or command in OPTIONS:
        return _starting(word, COMMANDS if command == "help" else (OPTIONS[command] or "").split())
    return _Line(*COMMANDS["inspect"], before).candidates(word)  # a checkpoint in place of a command is listed


def _starting(word: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(word)]


class _Line:
    """The words behind a command, up to the cursor."""

    def __init__(self, arguments: Sequence[str], options: Mapping[str, str | None], words: Sequence[str]) -> None:
        self._arguments, self._options = arguments, options
        self._given: list[str] = []
        """The arguments among the words."""
        self._option: str | None = None
        """The option whose value comes next."""
        self._ended = False
        """Whether ``--`` has ended the options."""
        for word in words:
            self._add(word)

    def _add(self, word: str) -> None:
        if self._option is not None:
            self._option = None
        elif self._ended or not word.startswith("-") or word == "-":
            self._given.append(os.path.expandvars(word))
        elif word == "--":
            self._ended = True
        elif self._options.get(word) is not None:
            self._option = word

    def candidates(self, word: str) -> list[str]:
        """Return what the word at the cursor may become."""
        if self._option is not None:
            return self._values(self._options[self._option] or "", word)
        if self._ended or not word.startswith("-"):
            return self._values(self._argument(), word)
        option, equals, value = word.partition("=")
        if not equals:
            return _starting(word, self._options)
        return [f"{option}={each}" for each in self._values(self._options.get(option) or "", value)]

    def _argument(self) -> str:
        """Return what the next argument is."""
        rest = self._arguments[len(self._given) :] or [each for each in self._arguments if each.endswith("*")]
        return rest[0].rstrip("*") if rest else ""

    def _values(self, kind: str, word: str) -> list[str]:
        if kind == TENSOR:
            return self._tensors(word)
        return [] if kind == FILE else _starting(word, kind.split())

    def _tensors(self, word: str) -> list[str]:
        """Return names of tensors; none that would be taken for an option."""
        from ckptread.cli.completion.tensor_names import complete_tensor

        files = sum(kind == FILE for kind in self._arguments)
        of_other = len(self._given) == 3 and files == 2  # diff takes a name of A, then one of B
        names = complete_tensor(self._given[of_other], word) if self._given else []
        return [name for name in names if self._ended or self._option or not name.startswith("-")]
