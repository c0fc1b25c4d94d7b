"""The text of a Python value, as the header of a .npy array holds one, and numpy's name of a compound dtype is one.

It is read by the few rules that numpy writes it by (numpy/lib/format.py), and never evaluated: dictionaries, lists,
tuples, strings, booleans, and numbers that are not negative.
"""

from __future__ import annotations

import re
from typing import Any

from ckptread.limits import LITERAL_DEPTH
from ckptread.untrusted.binary import Malformed
from ckptread.wording import escape

CLOSING = {"(": ")", "[": "]", "{": "}"}
TOKEN = re.compile(
    r"""\s*(?:(\d{1,20})L?|[ub]?('(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")|(True|False)|([][(){},:]))\s*""",
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r"}


def read_literal(text: str) -> Any:
    """Return the value that the whole text states. Raises Malformed where it states none."""
    return _Literal(text).whole()


class _Literal:
    """The text of a Python value made of dictionaries, lists, tuples, strings, booleans and numbers."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> Any:
        """Return the value of the whole text. Raises Malformed where it is anything else."""
        value = self._value(self._token(), 0)
        if self._at != len(self._text):
            raise Malformed("something follows its end", self._at)
        return value

    def _token(self) -> re.Match[str]:
        found = TOKEN.match(self._text, self._at)
        if found is None:
            raise Malformed(f"{escape(self._text[self._at : self._at + 10])!r} does not belong there", self._at)
        self._at = found.end()
        return found

    def _value(self, token: re.Match[str], depth: int) -> Any:
        number, string, word, mark = token.groups()
        if number:
            return int(number)
        if string:
            return _unquote(string)
        if word:
            return word == "True"
        if mark not in CLOSING or depth > LITERAL_DEPTH:
            raise Malformed(f"{mark!r} does not belong there", token.start())
        return self._inside(mark, depth + 1)

    def _inside(self, mark: str, depth: int) -> Any:
        """Read up to the closing mark."""
        values, keys, comma = [], [], True
        while (token := self._token())[4] != CLOSING[mark]:
            if not comma:
                raise Malformed("a comma is missing", token.start())
            value = self._value(token, depth)
            if mark == "{":
                keys.append(value)
                if self._token()[4] != ":":
                    raise Malformed("a colon is missing", self._at)
                value = self._value(self._token(), depth)
            values.append(value)
            comma = self._follows(",")
        if mark == "{":
            return _dictionary(keys, values, self._at)
        if mark == "(" and len(values) == 1 and not comma:
            return values[0]
        return tuple(values) if mark == "(" else values

    def _follows(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        if found:
            self._token()
        return found


def _dictionary(keys: list[Any], values: list[Any], at: int) -> dict[str, Any]:
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        raise Malformed("its keys are no texts, or one stands twice", at)
    return dict(zip(keys, values, strict=True))


def _unquote(quoted: str) -> str:
    return _ESCAPE.sub(_unescape, quoted[1:-1])


def _unescape(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if digits is None:
        return _SHORT.get(found[4], found[4])
    code = int(digits, 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"
