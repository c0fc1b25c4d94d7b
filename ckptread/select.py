"""Which tensors a user means: by stored key, by variable name, or by a glob of either.

In a glob, ``*`` and ``?`` stay within one component of a name, ``**`` crosses any number of them (``globs``). A pattern
without wildcards means the tensor of that name; where there is none, everything below that path (TensorFlow 1 keeps
``dense/kernel/Adam`` below ``dense/kernel``).

However a pattern and a name are chosen, the work grows with their lengths alone. A regular expression tries every way
to share a name among the stars, which takes hours for ``*a*a*a*b`` and a name of 60,000 letters. Here it never goes
back over a star; and where ``**`` is a part of a component, all ways are followed at once (``_follow``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from ckptread.errors import TensorNotFoundError
from ckptread.tensors import TensorInfo
from ckptread.wording import escape

Tensors = Mapping[str, TensorInfo]

NEAREST = 3
"""How many near names an error lists."""
MOST_PARTS = 8
"""How deep a path may be that is suggested."""


def find(path: str, tensors: Tensors, name: str) -> TensorInfo:
    """Return the one tensor that ``name`` means: its key, as stored or as printed, its variable's name, or a glob.

    A variable may be given with TensorFlow's ``:0``. A path or a glob means the one tensor that it matches. Raises
    TensorNotFoundError, which lists the nearest names, where there is none or more than one; TypeError for what
    is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"a tensor is asked for by its key or its variable's name, not by {type(name).__name__}")
    matching = matching_keys(tensors, name)
    if len(matching) == 1:
        return matching[0]
    found = [t for t in matching if _called(t, name)]
    if matching and not found:
        names = ", ".join(escape(t.name) for t in matching[:NEAREST])
        more = ", …" if len(matching) > NEAREST else ""
        raise TensorNotFoundError(
            path, f"{escape(name)!r} means {len(matching):,} tensors, not one", advice=f"name one: {names}{more}"
        )
    if found:
        keys = ", ".join(escape(t.key) for t in found[:NEAREST])
        raise TensorNotFoundError(
            path, f"{escape(name)!r} is the name of {len(found)} tensors", advice=f"give the key: {keys}"
        )
    raise TensorNotFoundError(path, f"no tensor is called {escape(name)!r}", advice=_suggest(tensors, name))


def matching_keys(tensors: Tensors, name: str) -> list[TensorInfo]:
    """Return the tensors that ``name`` may mean: that of this key; or all of this name; or all below it."""
    if name in tensors:
        return [tensors[name]]
    own = [t for t in tensors.values() if t.alias_of is None]
    return [t for t in own if _called(t, name)] or [t for t in own if _means(name, t)]


def match(path: str, tensors: Tensors, patterns: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[TensorInfo]:
    """Return the tensors that any of ``patterns`` means (all, where there is none) and none of ``exclude``.

    They keep the checkpoint's order. Raises TensorNotFoundError for a pattern that means nothing.
    """
    chosen = list(tensors.values())
    if patterns:
        hits = {t.key for pattern in patterns for t in _matching(path, tensors, pattern)}
        chosen = [t for t in chosen if t.key in hits]
    return [t for t in chosen if not any(_means(pattern, t) for pattern in exclude)] if exclude else chosen


def keep(
    whole: Tensors, tensors: Iterable[TensorInfo], role: str | None = None, trainable: bool | None = None
) -> list[TensorInfo]:
    """Return those of ``tensors`` that are of a role, and are trainable, or are not; None, or 'all', keeps all.

    They are of the checkpoint ``whole``. The rule is that of ``is_kept``.
    """
    if trainable is None and role in {None, "all"}:
        return list(tensors)
    tells = tells_roles(whole)
    return [tensor for tensor in tensors if is_kept([tensor], [tells], role, trainable)]


def is_kept(
    sides: Sequence[TensorInfo], tells: Sequence[bool], role: str | None = None, trainable: bool | None = None
) -> bool:
    """Whether a tensor, or a pair of two, is of a role, and trainable, or not: the rule of every command.

    Of a pair, what either file says counts; ``tells`` is of each side whether its file tells any role. In one that
    tells none, all tensors are the model's, and none is anything else. What nobody calls trainable or frozen is
    neither.
    """
    flag = trainable is None or any(tensor.trainable is trainable for tensor in sides)
    return flag and (role is None or role == "all" or _has_role(sides, tells, role))


def _has_role(sides: Sequence[TensorInfo], tells: Sequence[bool], role: str) -> bool:
    known = {tensor.role for tensor in sides} - {None}
    return role in known if known else role == "model" and not any(tells)


def tells_roles(tensors: Tensors) -> bool:
    """Whether a checkpoint tells of any tensor what it is for; what is known of its bookkeeping alone says nothing."""
    return any(tensor.role not in {None, "bookkeeping"} for tensor in tensors.values())


def distinct(tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Leave out the second names of tensors that are there by their first."""
    listed = list(tensors)
    keys = {t.key for t in listed}
    return [t for t in listed if t.alias_of not in keys]


def _matching(path: str, tensors: Tensors, pattern: str) -> Iterable[TensorInfo]:
    hits = [t for t in tensors.values() if _called(t, pattern)]
    hits = hits or [t for t in tensors.values() if _means(pattern, t)]
    if not hits:
        kind = "pattern" if is_glob(pattern) else "tensor or path"
        raise TensorNotFoundError(
            path, f"no tensor matches the {kind} {escape(pattern)!r}", advice=_suggest(tensors, pattern)
        )
    return hits


def _means(pattern: str, tensor: TensorInfo) -> bool:
    if not is_glob(pattern):
        below = pattern.rstrip("/") + "/"
        plain = {pattern, pattern.removesuffix(":0")}
        return any(name in plain or name.startswith(below) for name in _names(tensor))
    return any(map(matcher(pattern), _names(tensor)))


def _called(tensor: TensorInfo, name: str) -> bool:
    return not {name, name.removesuffix(":0")}.isdisjoint(_names(tensor))


def _names(tensor: TensorInfo) -> set[str]:
    return {tensor.key, escape(tensor.key), tensor.name}


def _suggest(tensors: Tensors, name: str) -> str:
    """Name what comes nearest, or where to look."""
    if not tensors:
        return "the checkpoint holds no tensors"
    names = [escape(t.name) for t in tensors.values()]
    paths, plain = _paths(names), name.strip("/")
    near = [plain] if plain in paths else nearest(plain, names) or nearest(plain, paths)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    if is_glob(name) and "/" not in name:
        return f"'*' stays within one component of a name: try '**/{name}'"
    return "'ckptread inspect' lists the names"


def _paths(names: Sequence[str]) -> list[str]:
    """Return the paths that names begin with, each once; of very long names the first few."""
    parts = (name.split("/", MOST_PARTS)[:-1] for name in names)
    return list(dict.fromkeys("/".join(path[:end]) for path in parts for end in range(1, len(path) + 1)))


def common_ending(a: Sequence[str], b: Sequence[str]) -> int:
    """How many components two names end in alike."""
    count = 0
    for one, other in zip(reversed(a), reversed(b), strict=False):
        if one != other:
            break
        count += 1
    return count


def nearest(name: str, names: Sequence[str]) -> list[str]:
    """Return up to three names that are spelt like ``name`` or end as it does, the nearest first."""
    import difflib

    tail = "/" + name.strip("*/")
    endings = [candidate for candidate in names if candidate.endswith(tail) or "/" + candidate == tail][:NEAREST]
    spelt = difflib.get_close_matches(name, names[:20_000], n=NEAREST, cutoff=0.6)
    return list(dict.fromkeys([*endings, *spelt]))[:NEAREST]


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
