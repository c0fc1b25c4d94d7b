"""Which tensors a user means: by stored key, by variable name, or by a glob of either.

In a glob, ``*`` and ``?`` stay within one component of a name, ``**`` crosses any number of them (``globs``). A pattern
without wildcards means the tensor of that name; where there is none, everything below that path (TensorFlow 1 keeps
``dense/kernel/Adam`` below ``dense/kernel``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ckptread.errors import TensorNotFoundError
from ckptread.escape import escape
from ckptread.globs import is_glob, matcher
from ckptread.tensors import TensorInfo

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
    matching = meant(tensors, name)
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


def meant(tensors: Tensors, name: str) -> list[TensorInfo]:
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
