"""Command lines as people type them out of habit: what ckptread understands by them, or advises instead."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ckptread
from ckptread.cli.commands import COMMANDS
from ckptread.wording import escape, quoted

END = "--"
FILE, TENSOR = "--file_name", "--tensor_name"
OF_TENSORFLOW = (FILE, TENSOR, "--all_tensors", "--all_tensor_names")
"""Options of TensorFlow's ``inspect_checkpoint``."""
SHOW, INSTALL = "--show-completion", "--install-completion"
"""Options that mean the user's own shell where none is named."""
SHOWN = 3
"""Files that advice repeats."""


def adapt_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command line as ckptread understands them: mostly unchanged.

    >>> adapt_words(["help", "diff"])
    ['diff', '--help']
    >>> adapt_words(["inspect", "model.h5", "--json"])
    ['inspect', 'model.h5', '--format', 'json']
    >>> adapt_words(["--file_name=ckpt-1", "--tensor_name", "dense/kernel"])
    ['show', 'ckpt-1', 'dense/kernel']
    """
    if words[:1] == ["help"]:
        return [*words[1:2], "--help"]
    if words[-1:] in ([SHOW], [INSTALL]):
        words = [*words, os.path.basename(os.environ.get("SHELL", ""))]
    if is_of_tensorflow(words):
        words = _adapt_inspect_checkpoint(words)
    if words and words[0] not in COMMANDS:
        words = _with_command_first(words)
    end = words.index(END) if END in words else len(words)
    return [new for word in words[:end] for new in _adapt_word(word)] + list(words[end:])


def is_of_tensorflow(words: Sequence[str]) -> bool:
    """Whether these are options of TensorFlow's ``inspect_checkpoint``."""
    return any(word.partition("=")[0] in OF_TENSORFLOW for word in words)


def _adapt_word(word: str) -> list[str]:
    if word == "--json":
        return ["--format", "json"]
    option, equals, value = word.partition("=")
    if equals and option.startswith("--") and value.startswith("~"):  # which bash leaves as it is
        return [option + equals + os.path.expanduser(value)]
    return [word]


def _adapt_inspect_checkpoint(words: Sequence[str]) -> list[str]:
    """Return ``show FILE TENSOR`` or ``inspect FILE``."""
    found: dict[str, list[str]] = {FILE: [], TENSOR: []}
    plain: list[str] = []
    left = iter(words)
    for word in left:
        option, equals, value = word.partition("=")
        if option in found:
            found[option] = [value] if equals else [each for _, each in zip("1", left, strict=False)]
        elif option not in OF_TENSORFLOW:
            plain.append(word)
    plain = plain[1:] if plain[:1] and plain[0] in COMMANDS else plain
    return ["show" if found[TENSOR] else "inspect", *found[FILE], *plain, *found[TENSOR]]


def as_typed(words: Sequence[str]) -> str:
    """Return words as they are typed in a shell, safe to print."""
    from shlex import join

    return escape(join(words))


def suggest_command(error: Exception, words: Sequence[str]) -> str | None:
    """Return what to run where no tensor was found, because the name is that of another checkpoint; else None."""
    if not isinstance(error, ckptread.TensorNotFoundError):
        return None
    files = [word for word in words[1:] if not word.startswith("-") and _has_files(word) and _is_checkpoint(word)]
    most = 2 if words[0] == "diff" else 1
    if len(files) <= most:
        return None
    shown = as_typed(files[:SHOWN]) + (" …" if len(files) > SHOWN else "")
    problem = f"{quoted(files[most])} is another checkpoint, and {words[0]} takes {('one', 'two')[most - 1]}"
    if words[0] == "diff":
        return f"{problem}. Follow them all with `ckptread history {shown}`."
    compare = f", or compare them with `ckptread diff {shown}`" if len(files) == 2 else ""
    return f"{problem}. List them with `ckptread ls {shown}`{compare}."


def _with_command_first(words: Sequence[str]) -> Sequence[str]:
    """Return words with the command before its options; it is ``inspect`` where a checkpoint is in its place."""
    from ckptread.cli.completion.grammar import OPTIONS

    if words[0].partition("=")[0] in OPTIONS:
        return words
    at = next((at for at, word in enumerate(words) if word in COMMANDS), None)
    if at is not None and words[0].startswith("-"):
        return [words[at], *words[:at], *words[at + 1 :]]
    first = next((word for word in words if not word.startswith("-")), None)
    return ["inspect", *words] if first is not None and _exists(first) else words


def _exists(word: str) -> bool:
    from ckptread.storage.addresses import kind_of

    try:
        return kind_of(word) is not None or _is_checkpoint(word)
    except ckptread.CheckpointError:
        return True  # an address on another machine


def _has_files(word: str) -> bool:
    """Whether this is a file, or the prefix of TensorFlow's: of any other word, a search would open all files here."""
    from ckptread.storage.addresses import kind_of

    try:
        return kind_of(word) is not None or kind_of(word + ".index") is not None
    except (ckptread.CheckpointError, OSError):
        return False


def _is_checkpoint(word: str) -> bool:
    try:
        ckptread.locate(word)
    except (ckptread.CheckpointError, OSError):
        return False
    return True
