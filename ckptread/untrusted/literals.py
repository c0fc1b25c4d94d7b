"""Parses Python literals, as in the header of a .npy array and in numpy's name of a compound dtype.

Only what numpy writes is accepted (numpy/lib/format.py), and nothing is evaluated: dictionaries, lists, tuples,
strings, booleans, and numbers that are not negative. ``ast.literal_eval`` accepts more, and
deep nesting can crash it.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import Any

from ckptread.limits import LITERAL_DEPTH
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted

CLOSING = {"(": ")", "[": "]", "{": "}"}
TOKEN = re.compile(
    r"""\s*(?:(\d{1,20})L?|[ub]?('(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")|(True|False)|([][(){},:]))\s*""",
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|N\{([^}]{1,100})\}|(.))", re.DOTALL
)
_SHORT = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "\n": "",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
"""What a letter or a mark behind a backslash is in Python; behind any other character the backslash stays."""


def read_literal(text: str) -> Any:
    """Return the value of a complete text. Raises Malformed if it is not a literal."""
    return _Literal(text).read()


class _Literal:
    """A parser, at a position of its text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Any:
        """Return the value of the complete text."""
        value = self._read_value(self._next_token(), 0)
        if self._at != len(self._text):
            raise Malformed("there is text after its end", self._at)
        return value

    def _next_token(self) -> re.Match[str]:
        found = TOKEN.match(self._text, self._at)
        if found is None:
            raise Malformed(f"{quoted(self._text[self._at : self._at + 10])} is not allowed there", self._at)
        self._at = found.end()
        return found

    def _read_value(self, token: re.Match[str], depth: int) -> Any:
        number, string, word, mark = token.groups()
        if number:
            return int(number)
        if string:
            return _unquote(string)
        if word:
            return word == "True"
        if mark not in CLOSING or depth > LITERAL_DEPTH:
            raise Malformed(f"{mark!r} is not allowed there", token.start())
        return self._read_until_closed(mark, depth + 1)

    def _read_until_closed(self, mark: str, depth: int) -> Any:
        """Read the items of a container, up to its closing mark."""
        values, keys, comma = [], [], True
        while (token := self._next_token())[4] != CLOSING[mark]:
            if not comma:
                raise Malformed("a comma is missing", token.start())
            value = self._read_value(token, depth)
            if mark == "{":
                keys.append(value)
                if self._next_token()[4] != ":":
                    raise Malformed("a colon is missing", self._at)
                value = self._read_value(self._next_token(), depth)
            values.append(value)
            comma = self._skip(",")
        if mark == "{":
            return _make_dictionary(keys, values, self._at)
        if mark == "(" and len(values) == 1 and not comma:
            return values[0]
        return tuple(values) if mark == "(" else values

    def _skip(self, mark: str) -> bool:
        """Skip a mark if it is next; return whether it was."""
        found = self._text.startswith(mark, self._at)
        if found:
            self._next_token()
        return found


def _make_dictionary(keys: list[Any], values: list[Any], at: int) -> dict[str, Any]:
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        raise Malformed("its keys are not strings, or one occurs twice", at)
    return dict(zip(keys, values, strict=True))


def _unquote(literal: str) -> str:
    return _ESCAPE.sub(_unescape, literal[1:-1])


def _unescape(found: re.Match[str]) -> str:
    hexadecimal = found[1] or found[2] or found[3]
    if hexadecimal or found[4]:
        code = int(hexadecimal, 16) if hexadecimal else int(found[4], 8)
        if code <= sys.maxunicode:
            return chr(code)
    elif found[5]:
        with suppress(KeyError):
            return _named_character(found[5])
    elif found[6] not in "xuUN":
        return _SHORT.get(found[6], found[0])
    raise Malformed(f"{quoted(found[0])} is not an escape", 0)


def _named_character(name: str) -> str:
    import unicodedata

    return unicodedata.lookup(name)
