"""Globs of names: ``*`` and ``?`` stay within one component, ``**`` crosses any number, ``[a-z]`` is one character.

However a pattern and a name are chosen, the work grows with their lengths alone. A regular expression tries every way
to share a name among the stars, which takes hours for ``*a*a*a*b`` and a name of 60,000 letters. Here it never goes
back over a star; and where ``**`` is a part of a component, all ways are followed at once (``_follow``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

Matches = Callable[[str], bool]

TOKENS = re.compile(r"(\*\*/|/\*\*$|\*\*|\*|\?|\[[^\]/]+\])")
ANY_PATH, BELOW, ANYTHING, STAR, ONE = "**/", "/**", "**", "*", "?"
NOT_SLASH = "[^/]"
NOTHING = r"[^\s\S]"


def is_glob(pattern: str) -> bool:
    """Whether a pattern has wildcards."""
    return any(character in pattern for character in "*?[")


@lru_cache(maxsize=256)
def matcher(pattern: str) -> Matches:
    """Return what says whether a whole name matches a glob; ``a/**/b`` also matches ``a/b``."""
    components = pattern.split("/")
    if all(ANYTHING not in component or component == ANYTHING for component in components):
        expression = re.compile(_path(components), re.DOTALL)
        return lambda name: expression.fullmatch(name) is not None
    tokens = [each for token in TOKENS.split(pattern) for each in _single(token)]
    return lambda name: _follow(tokens, name)


def _path(components: Sequence[str]) -> str:
    """Return the expression of a pattern in which ``**`` is nothing but whole components.

    What stands between two of them is looked for once, at the first place where it fits: any later one leaves less.
    """
    found, chunk, crossing = "", "", False
    for at, component in enumerate(components):
        last = at == len(components) - 1
        if component != ANYTHING:
            chunk += _component(component) + ("" if last else "/")
        elif chunk or last:
            found += (f"(?>(?:[^/]*+/)*?{chunk})" if crossing and chunk else chunk) + (".*" if last else "")
            chunk, crossing = "", not last
        else:
            crossing = True
    return found + ("(?:[^/]*+/)*?" if crossing else "") + chunk


def _component(component: str) -> str:
    """Return the expression of one component: each piece between stars at its first place, the last at the end."""
    pieces = [_letters(piece) for piece in component.split(STAR)]
    first, *middle = pieces
    if not middle:
        return "".join(first)
    *middle, last = middle
    found = "".join(f"(?>[^/]*?{''.join(piece)})" for piece in middle if piece)
    end = f"(?=[^/]{{{len(last)}}})[^/]*+(?<={''.join(last)})" if last else "[^/]*+"
    return "".join(first) + found + end


def _letters(piece: str) -> list[str]:
    """Return expressions of one character each, of what has no stars."""
    return [each for token in TOKENS.split(piece) for each in _single(token)]


def _single(token: str) -> list[str]:
    """Return a token that stands for many characters as it is; else an expression for each character."""
    if token in {ANY_PATH, BELOW, ANYTHING, STAR}:
        return [token]
    if token == ONE:
        return [NOT_SLASH]
    if len(token) > 2 and token.startswith("[") and token.endswith("]"):
        return [_class(token[1:-1])]
    return [re.escape(character) for character in token]


def _class(inner: str) -> str:
    """Return the expression of ``[a-z]`` or ``[!a-z]``, never a slash; a range that runs backwards is empty."""
    negated = inner.startswith("!")
    listed, at, items = inner[negated:], 0, ""
    while at < len(listed):
        low, high = listed[at], listed[at]
        if listed[at + 1 : at + 2] == "-" and at + 2 < len(listed):
            high = listed[at + 2]
            at += 2
        items += f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
        at += 1
    return f"[^/{items}]" if negated else f"(?!/)[{items}]" if items else NOTHING


def _follow(tokens: Sequence[str], name: str) -> bool:
    """Whether a name matches: the places that each token leads to, as the bits of one number.

    A star is one addition, whose carry runs through all that it may take (Cameron et al., "Bitwise Data Parallelism in
    Regular Expression Matching", 2014).
    """
    everything, places = (1 << len(name)) - 1, 1
    slash = _places(name, "/")
    for token in tokens:
        if token == STAR:
            places = _spread(places, everything ^ slash)
        elif token == ANYTHING:
            places = _spread(places, everything)
        elif token == ANY_PATH:
            places |= (_spread(places, everything) & slash) << 1
        elif token == BELOW:
            places = _spread((places & slash) << 1, everything)
        else:
            places = (places & _places(name, token)) << 1
    return bool(places >> len(name) & 1)


def _spread(places: int, over: int) -> int:
    """Return the places, and all behind them that lead over nothing but these characters."""
    return (((places & over) + over) ^ over) | places


def _places(name: str, expression: str) -> int:
    """Return where a name has a character that matches: bit N for the N-th."""
    table = {ord(character): "1" if re.match(expression, character, re.DOTALL) else "0" for character in set(name)}
    return int("0" + name[::-1].translate(table), 2)
