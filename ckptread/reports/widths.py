"""How wide text is on a terminal: marks take no column of their own, and letters of East Asia take two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_ASCII = re.compile(r"[\0-\x7f]+")
WIDE = ("W", "F")
NO_COLUMN = ("Mn", "Me")
"""Marks that stand over, under or around the letter before them."""


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    others = _ASCII.sub("", text)
    return len(text) - len(others) + sum(map(_columns_of, others))


@lru_cache(maxsize=4096)
def _columns_of(character: str) -> int:
    import unicodedata

    if unicodedata.category(character) in NO_COLUMN:
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1


def widest(texts: Sequence[str]) -> int:
    """Return the columns of the widest of some texts."""
    return max(map(len if "".join(texts).isascii() else columns, texts))


def padded(text: str, width: int, right: bool = False) -> str:
    """Return a text with as many blanks before or behind it as it lacks."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks
