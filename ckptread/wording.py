"""Text made safe to print, counts in words, and similar names.

A checkpoint's names may contain anything: terminal escapes, text that runs backwards, characters that take no room,
bytes that are not UTF-8 (kept as surrogates by ``surrogateescape``). Two functions make them safe. :func:`escape`
writes a name so that no two names look alike. :func:`printable` is what everything that is printed goes through: it
escapes whatever is not safe in any text, and leaves what is escaped already as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 300
"""Characters of a name in a message that is not mainly about it: a name may take 64 KiB."""
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point, and the empty Braille pattern. To str.isprintable many are printable."""
_LIKE_AN_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", re.IGNORECASE)


def escape(text: str) -> str:
    r"""Return a name with every character that is not printable as a backslash escape.

    Control characters (C0, C1), bidirectional, invisible and line-separating characters, marks without a letter before
    them and undecodable bytes become ``\xNN`` or ``\uNNNN``. A name without any of them is printed as it is. In one
    that has some, or text that looks like an escape, a backslash becomes two: different names never look the same.

    >>> print(escape(r"dense\kernel"))
    dense\kernel
    >>> print(escape("a\x1b[2J"), escape(r"a\x1b[2J"))
    a\x1b[2J a\\x1b[2J
    """
    safe = printable(text)
    plain = safe == text and ("\\" not in text or not _LIKE_AN_ESCAPE.search(text))
    return safe if plain else printable(text.replace("\\", "\\\\"))


def printable(text: str) -> str:
    r"""Return any text with every character that is not safe to print as a backslash escape; backslashes stay.

    >>> print(printable("a\x1b[2J"))
    a\x1b[2J
    """
    if text.isprintable() and (text.isascii() or not (INVISIBLE.search(text) or _is_mark(text[0]))):
        return text
    return _escaped_start(text[:1]) + "".join(map(_escape_character, text[1:]))


def quoted(name: str) -> str:
    r"""Return a name in quotes, escaped: for messages.

    >>> quoted("dense/kernel"), quoted("it's")
    ("'dense/kernel'", '"it\'s"')
    """
    mark = '"' if "'" in name and '"' not in name else "'"
    return mark + escape(name) + mark


def short(text: str) -> str:
    """Return ``text`` escaped, and without its middle if it is long: for names that many messages repeat."""
    return escape(cut(text))


def cut(text: str) -> str:
    """Return ``text``, without its middle if it is long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def _is_safe(character: str) -> bool:
    return character.isprintable() and not INVISIBLE.match(character)


def _is_mark(character: str) -> bool:
    """Whether a character is drawn over the one before it."""
    import unicodedata

    return unicodedata.category(character).startswith("M")


def _escaped_start(character: str) -> str:
    return _in_digits(character) if character and _is_mark(character) else "".join(map(_escape_character, character))


def _escape_character(character: str) -> str:
    return character if _is_safe(character) else _in_digits(character)


def _in_digits(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # one undecodable byte, as surrogateescape keeps it
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def with_advice(problem: str, advice: str) -> str:
    """Return what is wrong and what to do as sentences; the problem alone where there is no advice.

    >>> with_advice("the file is empty", "download it again")
    'the file is empty. Download it again.'
    """
    if not advice:
        return problem
    return f"{problem}. {advice[0].upper()}{advice[1:]}" + ("" if advice.endswith((".", "?")) else ".")


def plural(count: int, noun: str, verb: str = "", singular: str = "") -> str:
    """Return a count with its noun, and with a verb: ``verb``, or for one ``singular`` (by default with an -s).

    >>> plural(1, "byte", "follow"), plural(2, "byte", "are", "is"), plural(1200, "tensor")
    ('1 byte follows', '2 bytes are', '1,200 tensors')
    """
    one = count == 1
    counted = f"{count:,} {noun}" + ("" if one else "s")
    return f"{counted} {(singular or verb + 's') if one else verb}" if verb else counted


NEAREST = 3
"""How many similar names an error lists."""
MOST_PARTS = 8
"""Number of components of the longest path that is suggested."""


def parent_paths(names: Sequence[str], mark: str) -> list[str]:
    """Return the paths above the names, each once; of very long names the first few."""
    parts = (name.split(mark, MOST_PARTS)[:-1] for name in names)
    return list(dict.fromkeys(mark.join(path[:end]) for path in parts for end in range(1, len(path) + 1)))


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """Return up to three names that are spelt like ``name`` or have the same ending, the most similar first."""
    import difflib

    tail = "/" + name.strip("*/")
    endings = [candidate for candidate in names if candidate.endswith(tail) or "/" + candidate == tail][:NEAREST]
    spelt = difflib.get_close_matches(name, names[:20_000], n=NEAREST, cutoff=0.6)
    return list(dict.fromkeys([*endings, *spelt]))[:NEAREST]
