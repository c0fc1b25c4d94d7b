"""Rules for checkpoints, and how they are read from a TOML file.

A rule is about the tensors that its pattern matches, or all. There may be several rules of one name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

import msgspec

from ckptread.errors import CheckpointError, UsageError
from ckptread.limits import SMALL_FILE_BYTES
from ckptread.storage.addresses import find_storage
from ckptread.storage.small_files import read_small_file
from ckptread.tensors import ITEM_BYTES, Role
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.toml_text import bounded_toml
from ckptread.wording import escape, nearest, quoted, with_advice

TABLE = "check"
"""The table of the TOML file that has the rules; other tables are ignored."""

Name = Literal[
    "safe",
    "no-nan",
    "no-inf",
    "finite",
    "no-zero",
    "dtype",
    "max-abs",
    "has",
    "params",
    "frozen",
    "changed",
    "max-change",
    "same-as",
]


class Rule(msgspec.Struct, frozen=True):
    """One rule."""

    name: Name
    pattern: str | None = None
    """The tensors that it is about; None for all. For ``has``, the tensor that must exist."""
    value: str | float | int | None = None
    """The dtype, the largest magnitude or change, the number of parameters, or the path to compare with."""

    @property
    def text(self) -> str:
        """The rule as it is written."""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        argument = "=".join(str(part) for part in (self.pattern, value) if part is not None)
        return f"{self.name} {argument}".rstrip()


class RuleFile(msgspec.Struct, frozen=True):
    """The contents of a file of rules."""

    rules: tuple[Rule, ...]
    base: str | None = None
    """The checkpoint that 'frozen', 'changed' and 'max-change' compare with."""
    role: str | None = None
    """The role of the tensors that the rules are about; None for all."""


def rules_from(options: Mapping[str, Any], path: str = "") -> list[Rule]:
    """Return the rules for options, by name. None, False and empty values make no rule.

    Raises UsageError for an invalid value, with ``path`` in front of it.
    """
    where = f"{escape(path)}: " if path else ""
    found: list[Rule] = []
    for name, given in options.items():
        try:
            found += _READERS[name](name, given)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{where}{name}: {error}") from None
    return found


def _flag(name: Any, given: Any) -> Iterator[Rule]:
    if not isinstance(given, bool):
        raise TypeError("it takes true or false")
    yield from [Rule(name)] if given else []


def _patterns(name: Any, given: Any) -> Iterator[Rule]:
    """``true`` is for all tensors; a pattern, or a list of them, for some."""
    if isinstance(given, bool) or given is None:
        if given:
            yield Rule(name)
        return
    yield from (Rule(name, pattern) for pattern in _texts(given))


def _needed_patterns(name: Any, given: Any) -> Iterator[Rule]:
    if isinstance(given, bool):
        raise TypeError("it takes a pattern, or a list of them")
    yield from _patterns(name, given)


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise TypeError("it takes a text, or a list of them")
    return texts


def _dtypes(name: Any, given: Any) -> Iterator[Rule]:
    """``PATTERN=float32``, or ``float32`` for all."""
    from ckptread.operations.digest.canonical import canonical_dtype

    for pattern, text in _pairs(given):
        if not isinstance(text, str):
            raise TypeError("it takes the name of a dtype")
        try:
            yield Rule(name, pattern, canonical_dtype(text))
        except CheckpointError:
            near = nearest(text, list(ITEM_BYTES))
            hint = f"did you mean {' or '.join(near)}?" if near else ""
            raise ValueError(with_advice(f"there is no dtype {quoted(text)}", hint)) from None


def _magnitudes(name: Any, given: Any) -> Iterator[Rule]:
    """``PATTERN=1e4``, or ``1e4`` for all."""
    for pattern, text in _pairs(given):
        yield Rule(name, pattern, _magnitude(text))


def _magnitude(text: Any) -> float:
    try:
        number = -1.0 if isinstance(text, bool) else float(text)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not number >= 0:
        raise ValueError(f"it takes a number that is not negative, not {quoted(str(text))}")
    return number


def _pairs(given: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield what is asked for by pattern: of a table, of texts with a '=', or of a value for all tensors."""
    if isinstance(given, dict):
        yield from given.items()
        return
    for each in given if isinstance(given, list) else [] if given is None else [given]:
        pattern, equals, text = str(each).rpartition("=")
        yield (pattern, text) if equals else (None, each)


def _count(name: Any, given: Any) -> Iterator[Rule]:
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise TypeError("it takes a whole number that is not negative")
    yield Rule(name, None, given)


def _paths(name: Any, given: Any) -> Iterator[Rule]:
    yield from (Rule(name, None, path) for path in _texts(given or []))


_READERS = {
    "safe": _flag, "no-nan": _patterns, "no-inf": _patterns, "finite": _patterns, "no-zero": _needed_patterns,
    "dtype": _dtypes, "max-abs": _magnitudes, "has": _needed_patterns, "params": _count, "frozen": _needed_patterns,
    "changed": _needed_patterns, "max-change": _magnitudes, "same-as": _paths,
}  # fmt: skip
KNOWN = (*_READERS, "base", "role")
"""The keys that a file of rules may have."""


def read_rules(path: str) -> RuleFile:
    """Return the rules in the table ``[check]`` of a TOML file; the paths in it are relative to its folder.

    Raises CheckpointError for any other file.
    """
    stated = _table(path)
    unknown = [key for key in stated if key not in KNOWN]
    if unknown:
        near = nearest(unknown[0], KNOWN)
        advice = f"did you mean {' or '.join(near)}? " if near else ""
        raise CheckpointError(
            path, f"there is no rule {quoted(unknown[0])}", advice=f"{advice}there are {', '.join(KNOWN)}"
        )
    base, role = (_text(path, stated, key) for key in ("base", "role"))
    if role is not None and role not in get_args(Role):
        raise CheckpointError(path, f"there is no role {quoted(role)}", advice=f"there are {', '.join(get_args(Role))}")
    try:
        rules = rules_from(stated)
    except UsageError as error:
        raise CheckpointError(path, str(error)) from None
    folder = os.path.dirname(path)
    placed = [Rule(r.name, r.pattern, os.path.join(folder, str(r.value))) if r.name == "same-as" else r for r in rules]
    return RuleFile(tuple(placed), None if base is None else os.path.join(folder, base), role)


def _text(path: str, stated: dict[str, Any], key: str) -> str | None:
    value = stated.pop(key, None)
    if value is not None and not isinstance(value, str):
        raise CheckpointError(path, f"{key}: it takes a text")
    return value


def _table(path: str) -> dict[str, Any]:
    """Return a copy of the table of rules."""
    data = read_small_file(*find_storage(path), SMALL_FILE_BYTES, "a file of rules")
    try:
        document = bounded_toml(data)
    except Malformed as error:
        raise CheckpointError(path, f"not a TOML file: {error.problem}") from None
    table = document.get(TABLE)
    if not isinstance(table, dict):
        raise CheckpointError(path, f"it has no table [{TABLE}]", advice=f"put the rules below a line '[{TABLE}]'")
    return dict(table)
