"""Text made safe to print, and counts in words.

A checkpoint's names may contain anything: terminal escapes, text that runs backwards, bytes that are not UTF-8 (kept
as surrogates by ``surrogateescape``). Everything that is printed goes through :func:`escape`.
"""

from __future__ import annotations

LONGEST = 300
"""Characters of a name in a message that is not mainly about it: a name may take 64 KiB."""


def escape(text: str) -> str:
    r"""Return ``text`` with every character that is not printable as a backslash escape.

    Control characters (C0, C1), bidirectional, zero-width and line-separating characters and undecodable bytes become
    ``\xNN`` or ``\uNNNN``; a backslash becomes two, so that different names never look the same.

    >>> escape("dense/kernel")
    'dense/kernel'
    >>> escape("a\x1b[2J")
    'a\\x1b[2J'
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escape_character, text))


def short(text: str) -> str:
    """Return ``text`` escaped, and without its middle if it is long: for names that many messages repeat."""
    return escape(cut(text))


def cut(text: str) -> str:
    """Return ``text``, without its middle if it is long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def _escape_character(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
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
