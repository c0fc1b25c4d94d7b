"""A mapping of one checkpoint's tensors to another's, as a JSON file that a later diff reads back.

``{"schema": 1, "pairs": [{"a": KEY, "b": KEY, "reshape": [...] or null, "axes": [...] or null}],
"only_a": [KEY], "only_b": [KEY]}``: B is ``a.reshape(reshape).transpose(axes).reshape(b.shape)``; null changes nothing.
A mapping is untrusted input: bounded in size, and an arrangement that does not fit a tensor is never applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

import msgspec

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.limits import MAX_ENTRIES, MAX_RANK, OWN_FILE_BYTES
from ckptread.operations.diff.match.layouts import Arrangement
from ckptread.operations.diff.match.pairs import Pair
from ckptread.storage.addresses import find_storage
from ckptread.storage.small_files import read_small_file
from ckptread.storage.writing import open_complete
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json
from ckptread.wording import quoted

SCHEMA = 1
MAX_DIM = 1 << 62
ADVICE = "'ckptread diff --save-map FILE' writes one"


class SavedPair(msgspec.Struct, frozen=True):
    """One pair of a mapping."""

    a: str
    b: str
    arrangement: Arrangement | None


class SavedMapping(msgspec.Struct, frozen=True):
    """The contents of a mapping file."""

    pairs: tuple[SavedPair, ...]
    only_a: frozenset[str] = frozenset()
    """Tensors of A that have no partner."""
    only_b: frozenset[str] = frozenset()


def mapping_document(pairs: Iterable[Pair], a: str = "", b: str = "") -> dict[str, Any]:
    """Return pairs as a mapping file has them; ``a`` and ``b`` say which checkpoints they are of."""
    listed = list(pairs)
    return {
        "schema": SCHEMA,
        "of": {"a": a, "b": b},
        "pairs": [_entry(pair) for pair in listed if pair.a and pair.b],
        "only_a": [pair.a.key for pair in listed if pair.a and pair.b is None],
        "only_b": [pair.b.key for pair in listed if pair.b and pair.a is None],
    }


def _entry(pair: Pair) -> dict[str, Any]:
    arrangement = pair.arrangement
    return {
        "a": pair.a.key if pair.a else None,
        "b": pair.b.key if pair.b else None,
        "reshape": list(arrangement.shape) if arrangement else None,
        "axes": list(arrangement.axes) if arrangement else None,
        "by": pair.by,
        "certainty": pair.certainty,
        "why": pair.why,
    }


def save_mapping(path: str, pairs: Iterable[Pair], a: str, b: str, *, force: bool = False) -> None:
    """Write a mapping file, completely or not at all. Raises CheckpointError, also where the file exists."""
    import json

    with open_complete(path, force) as file:
        file.write(json.dumps(mapping_document(pairs, a, b), indent=1).encode() + b"\n")


def load_mapping(path: str) -> SavedMapping:
    """Read a mapping file. Raises CheckpointError if it cannot be read, DamagedFileError if it is not a mapping."""
    data = read_small_file(*find_storage(path), OWN_FILE_BYTES, "a mapping")
    try:
        found = bounded_json(data, max_bytes=OWN_FILE_BYTES, unique=True)
    except Malformed as error:
        raise DamagedFileError(path, f"not a mapping: {error.problem}", advice=ADVICE) from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("pairs"), list):
        raise DamagedFileError(
            path, f'not a mapping: "schema" is not {SCHEMA}, or "pairs" is not a list', advice=ADVICE
        )
    if len(found["pairs"]) > MAX_ENTRIES:
        raise UnsafeFileError(path, f"it has {len(found['pairs']):,} pairs; at most {MAX_ENTRIES:,} are read")
    entries = tuple(_read_entry(path, number, entry) for number, entry in enumerate(found["pairs"]))
    for side in ("a", "b"):
        _check_once(path, [getattr(entry, side) for entry in entries], side)
    return SavedMapping(entries, _keys(path, found, "only_a"), _keys(path, found, "only_b"))


def _read_entry(path: str, number: int, entry: Any) -> SavedPair:
    if not isinstance(entry, dict) or not isinstance(entry.get("a"), str) or not isinstance(entry.get("b"), str):
        raise _broken(path, number, '"a" and "b" must be keys')
    shape, axes = entry.get("reshape"), entry.get("axes")
    if shape is None and axes is None:
        return SavedPair(entry["a"], entry["b"], None)
    if not (_numbers(shape, MAX_DIM) and _numbers(axes, MAX_RANK)) or sorted(axes) != list(range(len(shape))):
        raise _broken(path, number, '"reshape" is not a shape, or "axes" is not a permutation of its axes')
    return SavedPair(entry["a"], entry["b"], Arrangement(tuple(shape), tuple(axes)))


def _numbers(value: Any, most: int) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= MAX_RANK
        and all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each <= most for each in value)
    )


def _keys(path: str, found: dict[str, Any], name: str) -> frozenset[str]:
    keys = found.get(name, [])
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise DamagedFileError(path, f'not a mapping: "{name}" is not a list of keys', advice=ADVICE)
    return frozenset(keys)


def _check_once(path: str, keys: list[str], side: str) -> None:
    seen: set[str] = set()
    for number, key in enumerate(keys):
        if key in seen:
            raise _broken(path, number, f'{quoted(key)} is the "{side}" of an earlier pair too')
        seen.add(key)


def _broken(path: str, number: int, problem: str) -> CheckpointError:
    return DamagedFileError(path, f"pair {number + 1:,} of the mapping: {problem}", advice=ADVICE)
