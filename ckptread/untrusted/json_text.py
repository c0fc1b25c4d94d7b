"""JSON in untrusted bytes: data only, of bounded size, depth and memory; and JSON of our own, in pieces.

``json.loads`` alone recurses as deep as the text says, takes thirty times the text's size for a list of empty
lists, and keeps the last of two equal keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from ckptread.limits import JSON_BYTES, JSON_COST, JSON_DEPTH, TEXT_BYTES
from ckptread.untrusted.binary import Malformed
from ckptread.wording import escape

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKETS = bytes(range(256)).translate(None, b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def bounded_json(data: bytes, *, max_bytes: int = JSON_BYTES, unique: bool = False) -> Any:
    """Return the value that the JSON text ``data`` (UTF-8) states.

    With ``unique``, two equal keys in one object are an error, as the text then means two things. Raises Malformed
    where it is no JSON, or would take more time or memory than a configuration is worth.
    """
    if len(data) > max_bytes:
        raise Malformed(f"its JSON takes {len(data):,} bytes; at most {max_bytes:,} are read", max_bytes)
    if len(data) * _width(data) > TEXT_BYTES or data.count(b'"') > JSON_COST:
        raise Malformed("its JSON takes too much memory", 0)
    bare = _STRING.sub(b"", data)
    if _cost(bare) > JSON_COST:
        raise Malformed("its JSON holds too many values", 0)
    if _depth(bare) > JSON_DEPTH:
        raise Malformed(f"its JSON is nested more than {JSON_DEPTH} deep", 0)
    del bare
    return _parse(data, unique)


def _parse(data: bytes, unique: bool) -> Any:
    import json

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_duplicates if unique else None,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        raise Malformed("its JSON is not UTF-8", error.start) from error
    except json.JSONDecodeError as error:
        raise Malformed(f"it is no JSON ({error.msg})", error.pos) from error
    except ValueError as error:  # a number of more digits than Python takes
        raise Malformed("its JSON holds a number that is too long", 0) from error


def _width(data: bytes) -> int:
    """Return how many bytes a character takes when the text is a string: as many as the widest one."""
    if data.isascii():
        return 1
    return 4 if max(data) >= 0xF0 else 2


def _cost(bare: bytes) -> int:
    """Bound the memory of the values, from the text without its strings."""
    return 3 * bare.count(b"{") + 2 * bare.count(b":") + bare.count(b"[") + bare.count(b",")


def _depth(bare: bytes) -> int:
    brackets = bare.translate(None, _BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"the key {escape(twice)!r} stands twice in its JSON", 0)
    return result


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"it is no JSON ({name})", 0)


def as_json(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pieces of a document's text, a newline the last: all of it at once can be too much for memory."""
    import json

    yield from json.JSONEncoder(indent=1, allow_nan=False).iterencode(document)
    yield "\n"
