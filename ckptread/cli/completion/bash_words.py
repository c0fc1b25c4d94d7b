"""Bash's line, taken apart as bash does it, and what is put back into it, quoted for the place where the cursor is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ckptread.errors import UsageError

BREAKS = "\"'@><=;|&(:"
"""Of the word at the cursor, bash replaces what follows the last of these that is not quoted (COMP_WORDBREAKS)."""
PREFIXES = "@$"
"""Of these breaks, bash replaces what begins with them."""
ORDINARY = re.compile(r"[^\w./,:=@%+^-]", re.ASCII)
"""What is not ordinary in a shell, and gets a backslash; letters of other scripts are."""
QUOTED = re.compile(r"""'(?P<single>[^']*)(?P<end1>'?)|"(?P<double>(?:\\.|[^"\\])*)(?P<end2>"?)""", re.DOTALL)


class Typed(NamedTuple):
    """The words of a line up to the cursor."""

    words: list[str]
    """Without the command itself, each as the command would get it."""
    kept: str
    """How much of the last word bash keeps: it replaces only what follows."""
    quote: str
    """The quote that is open at the cursor, or ""."""


def bash_words(environment: Mapping[str, str]) -> Typed:
    """Return the words that bash hands over: COMP_LINE up to the cursor, or COMP_WORDS, as in typer's scripts."""
    if "COMP_LINE" in environment:
        return split_line(environment["COMP_LINE"], environment.get("COMP_WORDBREAKS", BREAKS))
    words, position = environment.get("COMP_WORDS"), environment.get("COMP_CWORD", "")
    if words is None or not (position.isascii() and position.isdigit()):
        raise UsageError("_CKPTREAD_COMPLETE is set without COMP_LINE. Unset it.")
    typed = split_line(words)
    return typed._replace(words=[*typed.words, *[""] * int(position)][: max(1, int(position))])


def split_line(line: str, breaks: str = BREAKS) -> Typed:
    """Return the words of a line that ends at the cursor.

    >>> split_line("ckptread show 'my model.h5' --role=mo")
    Typed(words=['show', 'my model.h5', '--role=mo'], kept='--role=', quote='')
    """
    words: list[str] = []
    word, kept, quote, at = None, "", "", 0
    while at < len(line):
        piece, character = QUOTED.match(line, at), line[at]
        if piece:
            kept = word or ""
            text, quote = _unquote(piece)
            word = kept + text
            kept = kept if quote else word
        elif character.isspace():
            words += [] if word is None else [word]
            word, kept = None, ""
        else:
            word = (word or "") + (line[at + 1 : at + 2] if character == "\\" else character)
            if character in breaks:
                kept = word[:-1] if character in PREFIXES else word
        at = piece.end() if piece else at + 1 + (character == "\\")
    return Typed([*words[1:], word or ""], kept, quote)


def _unquote(piece: re.Match[str]) -> tuple[str, str]:
    """Return the text of a quoted piece, and the quote that it leaves open."""
    if piece["single"] is not None:
        return piece["single"], "" if piece["end1"] else "'"
    return re.sub(r'\\([$`"\\\n])', r"\1", piece["double"]), "" if piece["end2"] else '"'


def in_bash(found: Iterable[str], typed: Typed) -> list[str]:
    """Return candidates as bash puts them in place of what it replaces, quoted as the shell reads them."""
    return [_quote(each.removeprefix(typed.kept), typed.quote) for each in found]


def _quote(text: str, quote: str) -> str:
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote == '"':
        return re.sub(r'([$`"\\])', r"\\\1", text).replace("!", "\"'!'\"")
    return ORDINARY.sub(lambda found: found[0] if found[0].isalnum() else "\\" + found[0], text)
