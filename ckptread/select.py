"""Which tensors a user's names and globs match.

A name is a stored key, a variable name or the path of an object. In a glob, ``*`` and ``?`` stay within one component
of a name, and ``**`` crosses any number of them; ``separator`` says what separates them. A pattern without wildcards
matches the tensor of that name; if there is none, everything below that path (TensorFlow 1 stores ``dense/kernel/Adam``
below ``dense/kernel``).

A glob is matched in time proportional to the lengths of pattern and name. A regular expression tries every way to
divide a name among the stars, which takes hours for ``*a*a*a*b`` and a name of 60,000 letters; here all ways are
followed at once (``_match_steps``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial, reduce
from operator import and_

from ckptread.errors import TensorNotFoundError
from ckptread.tensors import DOT, TensorInfo, own_prefix, separator
from ckptread.wording import NEAREST, escape, nearest, parent_paths, quoted

Tensors = Mapping[str, TensorInfo]
Matches = Callable[[str], bool]


def find_tensor(path: str, tensors: Tensors, name: str) -> TensorInfo:
    """Return the one tensor that ``name`` matches: its key (as stored or as printed), its variable name, or a glob.

    A variable name may end in TensorFlow's ``:0``. A path or a glob must match exactly one tensor. Raises TypeError for
    a name that is not a string, and TensorNotFoundError, with the most similar names, if none or several match.
    """
    if not isinstance(name, str):
        raise TypeError(f"a tensor's key or variable name is a string, not {type(name).__name__}")
    matching = matching_tensors(tensors, name)
    if not matching:
        raise TensorNotFoundError(path, f"there is no tensor {quoted(name)}", advice=_suggest_names(tensors, name))
    if len(matching) > 1:
        raise _ambiguous_error(path, matching, name)
    return matching[0]


def _ambiguous_error(path: str, matching: Sequence[TensorInfo], name: str) -> TensorNotFoundError:
    if named := _find_named(matching, name):
        keys = ", ".join(escape(t.key) for t in named[:NEAREST])
        return TensorNotFoundError(
            path, f"{quoted(name)} is the name of {len(named)} tensors", advice=f"give the key: {keys}"
        )
    names = ", ".join(escape(t.name) for t in matching[:NEAREST]) + (", …" if len(matching) > NEAREST else "")
    return TensorNotFoundError(
        path, f"{quoted(name)} matches {len(matching):,} tensors, not one", advice=f"name one: {names}"
    )


def matching_tensors(tensors: Tensors, name: str) -> list[TensorInfo]:
    """Return the tensor whose key is ``name``; or else all of that name; or else all that it matches."""
    if name in tensors:
        return [tensors[name]]
    return _find_matching([t for t in tensors.values() if t.repeats is None], name)


def match_tensors(
    path: str, tensors: Tensors, patterns: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[TensorInfo]:
    """Return the tensors that match any of ``patterns`` (all, if it is empty) and none of ``exclude``.

    They keep the checkpoint's order. Raises TensorNotFoundError for a pattern that matches nothing.
    """
    chosen = list(tensors.values())
    if patterns:
        hits = {t.key for pattern in patterns for t in _match_or_raise(path, tensors, pattern)}
        chosen = [t for t in chosen if t.key in hits]
    for unwanted in (_make_predicate(each, dotted=separator(tensors.values()) == DOT) for each in exclude):
        chosen = [t for t in chosen if not any(map(unwanted, _names_of(t)))]
    return chosen


def filter_tensors(
    all_tensors: Tensors, tensors: Iterable[TensorInfo], role: str | None = None, trainable: bool | None = None
) -> list[TensorInfo]:
    """Return those of ``tensors`` that have this role and this trainable flag; None, or 'all', keeps every tensor.

    ``all_tensors`` are those of the checkpoint that they belong to. The rule is that of ``passes_filter``.
    """
    if trainable is None and role in {None, "all"}:
        return list(tensors)
    recorded = records_roles(all_tensors)
    return [tensor for tensor in tensors if passes_filter([tensor], [recorded], role, trainable)]


def passes_filter(
    sides: Sequence[TensorInfo], recorded: Sequence[bool], role: str | None = None, trainable: bool | None = None
) -> bool:
    """Whether a tensor, or either of a pair, has this role and this trainable flag: the rule of every command.

    ``recorded`` states for each side whether its file records roles. In a file that records none, every tensor has the
    role 'model'. A tensor of unknown trainability is neither trainable nor frozen.
    """
    flag = trainable is None or any(tensor.trainable is trainable for tensor in sides)
    return flag and (role is None or role == "all" or _has_role(sides, recorded, role))


def _has_role(sides: Sequence[TensorInfo], recorded: Sequence[bool], role: str) -> bool:
    known = {tensor.role for tensor in sides} - {None}
    return role in known if known else role == "model" and not any(recorded)


def records_roles(tensors: Tensors) -> bool:
    """Whether a checkpoint records the role of any tensor; bookkeeping does not count."""
    return any(tensor.role not in {None, "bookkeeping"} for tensor in tensors.values())


def _match_or_raise(path: str, tensors: Tensors, pattern: str) -> Sequence[TensorInfo]:
    if hits := _find_matching(tensors.values(), pattern):
        return hits
    kind = "pattern" if is_glob(pattern) else "tensor or path"
    raise TensorNotFoundError(
        path, f"no tensor matches the {kind} {quoted(pattern)}", advice=_suggest_names(tensors, pattern)
    )


def _find_matching(tensors: Iterable[TensorInfo], pattern: str) -> list[TensorInfo]:
    """Return the tensors that a pattern matches; it may lack the path that all names share, as in listings."""
    listed = list(tensors)
    mark = separator(listed)
    prefix = own_prefix(listed, mark)
    return _matching_all(listed, pattern, mark) or (_matching_all(listed, prefix + pattern, mark) if prefix else [])


def _matching_all(listed: Sequence[TensorInfo], pattern: str, mark: str) -> list[TensorInfo]:
    """Return the tensors whose name is ``pattern``, brackets and all; if there are none, those that it matches."""
    matches = _make_predicate(pattern, dotted=mark == DOT)
    return _find_named(listed, pattern) or [t for t in listed if any(map(matches, _names_of(t)))]


def _find_named(tensors: Iterable[TensorInfo], name: str) -> list[TensorInfo]:
    wanted = {name, name.removesuffix(":0")}
    return [t for t in tensors if not wanted.isdisjoint(_names_of(t))]


def _make_predicate(pattern: str, *, dotted: bool) -> Matches:
    """Return a function that says whether a name matches a glob, or is this path or below it.

    ``dotted`` states that dots separate the components of names; in a pattern, slashes then do as well.
    """
    if not dotted:
        return path_matcher(pattern)
    matches = path_matcher(re.sub(r"\[[^]]+\]|\.", lambda found: "/" if found[0] == DOT else found[0], pattern))
    return lambda name: matches(name.replace(DOT, "/"))


def path_matcher(pattern: str) -> Matches:
    """Return a function that says whether a name matches a glob, or is this path or below it."""
    if is_glob(pattern):
        return matcher(pattern)
    plain, below = {pattern, pattern.removesuffix(":0")}, pattern.rstrip("/") + "/"
    return lambda name: name in plain or name.startswith(below)


def _names_of(tensor: TensorInfo) -> set[str]:
    """Return a tensor's name and path, and its key: as stored, as printed, and with every backslash doubled."""
    printed = map(escape, (tensor.name, tensor.key))
    return {tensor.name, tensor.path, tensor.key, *printed, tensor.key.replace("\\", "\\\\")}


def _suggest_names(tensors: Tensors, name: str) -> str:
    """Return advice: the most similar names, or where to look."""
    if not tensors:
        return "the checkpoint has no tensors"
    if wide := _widen_glob(tensors, name):
        return f"'*' does not match a '{separator(tensors.values())}': try {quoted(wide)}"
    names = [escape(t.name) for t in tensors.values()]
    paths, plain = parent_paths(names, separator(tensors.values())), name.strip("/")
    near = [plain] if plain in paths else nearest(plain, names) or nearest(plain, paths)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "'ckptread inspect' lists the names"


def _widen_glob(tensors: Tensors, name: str) -> str | None:
    """Return a glob that matches something, with ``**`` in place of ``*``; None where that does not help."""
    wide = STARS.sub(ANYTHING, name)
    candidates = (wide, ANY_PATH + name) if STAR in name else ()
    return next((each for each in candidates if each != name and _find_matching(tensors.values(), each)), None)


TOKENS = re.compile(r"(\*\*/|/\*\*$|\*\*|\*|\?|\[[^\]/]+\])")
"""Splits a glob into text and wildcards, in turn; the first and the last piece are text, which may be empty."""
ANY_PATH, BELOW, ANYTHING, STAR = "**/", "/**", "**", "*"
STARS = re.compile(r"\*+")
ALONE: Mapping[str, Matches] = {
    STAR: lambda text: "/" not in text,
    ANYTHING: lambda _: True,
    ANY_PATH: lambda text: not text or text.endswith("/"),
    BELOW: lambda text: text.startswith("/"),
}
"""Whether a wildcard matches a complete text: a shortcut for globs with only one wildcard."""
FEW = 8
"""Occurrences of a text that are faster to find one by one than all at once."""


def is_glob(pattern: str) -> bool:
    """Whether a pattern has wildcards."""
    return any(character in pattern for character in "*?[")


@lru_cache(maxsize=256)
def matcher(pattern: str) -> Matches:
    """Return a function that says whether a complete name matches a glob; ``a/**/b`` also matches ``a/b``."""
    head, *rest = TOKENS.split(pattern)
    if not rest:
        return pattern.__eq__
    *texts, tail = rest[1::2]
    alone = ALONE.get(rest[0]) if len(rest) == 2 else None
    return partial(_match_ends, head, tail, alone or _compile_steps(rest[::2], [*texts, ""]))


def _match_ends(head: str, tail: str, between: Matches, name: str) -> bool:
    if not (name.startswith(head) and name.endswith(tail)) or len(name) < len(head) + len(tail):
        return False
    return between(name[len(head) : len(name) - len(tail)])


def _compile_steps(wildcards: Sequence[str], texts: Sequence[str]) -> Matches:
    """Return a function that says whether a name is each of the wildcards followed by its text."""
    classes = (_Table(_parse_class(each[1:-1])) if each[0] == "[" else each for each in wildcards)
    return partial(_match_steps, tuple(zip(classes, texts, strict=True)))


def _match_steps(steps: Sequence[tuple[str | _Table, str]], name: str) -> bool:
    """Whether a name matches: follow all positions that the pattern so far can reach, as the bits of one number.

    A star is one addition, whose carry runs through all that it can match (Cameron et al., "Bitwise Data Parallelism in
    Regular Expression Matching", 2014).
    """
    reached, everything = 1, (1 << len(name)) - 1
    slashes = _find_all(name, "/")
    for wildcard, text in steps:
        if isinstance(wildcard, _Table):
            reached = (reached & wildcard.find_all(name)) << 1
        else:
            reached = _cross_wildcard(wildcard, reached, everything, slashes)
        if text:
            reached = (reached & _find_all(name, text)) << len(text)
        if not reached:
            return False
    return bool(reached >> len(name))


def _cross_wildcard(wildcard: str, reached: int, everything: int, slashes: int) -> int:
    """Return the positions that a wildcard can reach from these."""
    if wildcard == STAR:
        return _spread(reached, everything ^ slashes)
    if wildcard == ANYTHING:
        return _spread(reached, everything)
    if wildcard == ANY_PATH:
        return reached | (_spread(reached, everything) & slashes) << 1
    if wildcard == BELOW:
        return _spread((reached & slashes) << 1, everything)
    return (reached & (everything ^ slashes)) << 1


def _spread(reached: int, over: int) -> int:
    """Return the positions, and all after them that can be reached over only these characters."""
    return (((reached & over) + over) ^ over) | reached


def _find_all(name: str, text: str) -> int:
    """Return where a text begins in a name: bit N for the N-th character."""
    if name.count(text) > FEW:
        return reduce(and_, (_Table(one.__eq__).find_all(name) >> at for at, one in enumerate(text)))
    found, at = 0, name.find(text)
    while at >= 0:
        found |= 1 << at
        at = name.find(text, at + 1)
    return found


class _Table(dict[int, str]):
    """A table for ``str.translate``: '1' for the characters of a kind, '0' for all others."""

    def __init__(self, belongs: Matches) -> None:
        self._belongs = belongs

    def __missing__(self, code: int) -> str:
        self[code] = "1" if self._belongs(chr(code)) else "0"
        return self[code]

    def find_all(self, name: str) -> int:
        """Return where a name has these characters: bit N for the N-th."""
        return int("0" + name[::-1].translate(self), 2)


def _parse_class(inner: str) -> Matches:
    """Return whether a character is in ``[a-z]`` or ``[!a-z]``, never a slash; a range that runs backwards is empty."""
    negated = inner.startswith("!")
    pairs = re.findall("(.)(?:-(.))?", inner[negated:], re.DOTALL)
    ranges = [(low, high or low) for low, high in pairs]
    return lambda one: one != "/" and negated != any(low <= one <= high for low, high in ranges)
