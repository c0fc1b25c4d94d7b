"""A document as JSON text.

By hand: msgspec turns NaN into null and refuses names that are not UTF-8, and json, with an indent, takes three times
as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec

from ckptread.reports.report import Report


def as_json(report: Report) -> Iterator[str]:
    """Yield the pieces of a report's document as text: all of it at once can be too much for memory."""
    return json_text(report.document())


def json_text(document: msgspec.Struct) -> Iterator[str]:
    r"""Yield the pieces of a document's text, a newline the last.

    Integers are exact, whatever their size. Bytes of a name that are not UTF-8 are lone surrogates: ``"\udcff"``.
    """
    yield from _pieces(document)
    yield "\n"


def _pieces(document: msgspec.Struct) -> Iterator[str]:
    """Yield the fields of a document that are set, and the entries of its lists one by one."""
    before = "{\n "
    for name in document.__struct_fields__:
        value = getattr(document, name)
        if value is msgspec.UNSET:
            continue
        yield f'{before}"{name}": '
        before = ",\n "
        if isinstance(value, list) and value:
            yield "[\n  " + _text(value[0], "\n  ")
            yield from (",\n  " + _text(entry, "\n  ") for entry in value[1:])
            yield "\n ]"
        else:
            yield _text(value, "\n ")
    yield "\n}"


def _text(value: Any, line: str) -> str:
    """Return a value as JSON; ``line`` is a newline and the indent of the value."""
    if type(value) in _WRITERS:
        return _WRITERS[type(value)](value)
    inner = line + " "
    if isinstance(value, msgspec.Struct):
        return "{" + ",".join(_fields(value, inner)) + line + "}"
    if isinstance(value, Mapping):
        return _bracketed(
            "{}", [f"{inner}{encode_basestring_ascii(key)}: {_text(item, inner)}" for key, item in value.items()], line
        )
    if isinstance(value, list | tuple):
        return _bracketed("[]", [inner + _text(item, inner) for item in value], line)
    raise TypeError(f"a document cannot hold a {type(value).__name__}")


def _fields(value: msgspec.Struct, inner: str) -> Iterator[str]:
    return (f'{inner}"{name}": {_text(getattr(value, name), inner)}' for name in value.__struct_fields__)


def _bracketed(brackets: str, items: list[str], line: str) -> str:
    return brackets[0] + ",".join(items) + line + brackets[1] if items else brackets


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: str,
    float: _number,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _value: "null",
}
