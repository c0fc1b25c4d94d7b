"""Reads JSON in untrusted bytes, of bounded size, depth and memory.

``json.loads`` alone recurses as deep as the text is nested, takes thirty times the text's size for a list of empty
lists, and keeps the last of two equal keys.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from ckptread.limits import JSON_BYTES, JSON_COST, JSON_DEPTH, TEXT_BYTES
from ckptread.untrusted.binary import Malformed
from ckptread.wording import quoted

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKETS = bytes(range(256)).translate(None, b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def bounded_json(data: bytes, *, max_bytes: int = JSON_BYTES, unique: bool = False) -> Any:
    """Return the value of the JSON text ``data`` (UTF-8).

    With ``unique``, two equal keys in one object are an error, because readers disagree on which one counts. Raises
    Malformed if it is not JSON, or would take more time or memory than a configuration needs.
    """
    if len(data) > max_bytes:
        raise Malformed(f"its JSON takes {len(data):,} bytes; at most {max_bytes:,} are read", max_bytes)
    if len(data) * _width(data) > TEXT_BYTES or data.count(b'"') > JSON_COST:
        raise Malformed("its JSON takes too much memory", 0)
    bare = _STRING.sub(b"", data)
    if _cost(bare) > JSON_COST:
        raise Malformed("its JSON has too many values", 0)
    if _depth(bare) > JSON_DEPTH:
        raise Malformed(f"its JSON is nested more than {JSON_DEPTH} deep", 0)
    del bare
    return _parse_json(data, unique)


def is_plain_text(name: str) -> bool:
    """Whether this is a string without lone surrogates, which JSON's escapes can make."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _parse_json(data: bytes, unique: bool) -> Any:
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
        raise Malformed(f"it is not JSON ({error.msg})", error.pos) from error
    except ValueError as error:  # a number with more digits than Python converts
        raise Malformed("its JSON has a number that is too long", 0) from error


def _width(data: bytes) -> int:
    """Return how many bytes each character of the decoded string takes: as many as the widest one."""
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
        raise Malformed(f"the key {quoted(twice)} occurs twice in its JSON", 0)
    return result


def _refuse_constant(name: str) -> Any:
    raise Malformed(f"it is not JSON ({name})", 0)
