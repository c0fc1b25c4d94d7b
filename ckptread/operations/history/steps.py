"""The checkpoints of a training run, in the order of its steps.

A folder stands for all checkpoints in it. Names that differ only in their numbers are put in the order of these
numbers, the first before the second: ckpt-999, ckpt-1000; model.01-0.25.h5, model.02-0.19.h5. A state file's list is
not followed: its folder is searched instead, so that no path in it leads elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from posixpath import basename, dirname, join

import msgspec

from ckptread.errors import CheckpointError, UnknownFormatError
from ckptread.formats.format import Located
from ckptread.formats.locate import locate
from ckptread.formats.registry import FORMATS, recognise_name
from ckptread.storage.addresses import find_storage, kind_of
from ckptread.storage.source import Storage

_NUMBER = re.compile(r"\d+")
_WHOLE_OR_NOT = re.compile(r"\d+(?:\.\d+)?")
_UNFINISHED = re.compile(r"_temp(_[0-9a-f]+)?/part-\d+-of-\d+\Z")
"""What TensorFlow leaves of a save that did not finish."""
_SHARD = re.compile(r"-\d{5}-of-\d{5}\Z")


class Step(msgspec.Struct, frozen=True):
    """A checkpoint of a run."""

    path: str
    number: int | None
    """The number in its name that counts the steps, or None where there is none."""

    @property
    def label(self) -> str:
        """The number, or the last component of the path."""
        return str(self.number) if self.number is not None else os.path.basename(self.path.rstrip("/"))


def find_steps(paths: Iterable[str]) -> list[Step]:
    """Return the checkpoints that these paths stand for, each once, in order.

    Raises CheckpointError for a folder without any.
    """
    return order_steps(dict.fromkeys(found for path in paths for found in _steps_of(path)))


def find_checkpoints(*paths: str | os.PathLike[str]) -> list[str]:
    """Return the paths of the checkpoints that these paths stand for; only the folders are looked into.

    A folder that is not a checkpoint itself stands for all checkpoints in it, in the order of their steps. One without
    any is returned as it is: opening it says what it is.

    >>> import ckptread
    >>> ckptread.find_checkpoints("fixtures/tf-object", "fixtures/keras3/model.keras")
    ['fixtures/tf-object/ckpt-1', 'fixtures/tf-object/ckpt-2', 'fixtures/keras3/model.keras']
    """
    return [found for path in map(os.fsdecode, paths) for found in _looked_into(path)]


def _looked_into(path: str) -> list[str]:
    if kind_of(path) != "folder":
        return [path]
    try:
        return [step.path for step in find_steps([path])]
    except CheckpointError:
        return [path]


def order_steps(paths: Iterable[str]) -> list[Step]:
    """Put paths that differ only in numbers in their order; what differs otherwise keeps its own.

    >>> [step.number for step in order_steps(["ckpt-1000", "ckpt-999", "ckpt-20000"])]
    [999, 1000, 20000]
    """
    alike: dict[str, list[str]] = {}
    for path in paths:
        alike.setdefault(_NUMBER.sub("#", path), []).append(path)
    return [step for group in alike.values() for step in _counted(group)]


def series_of(steps: Iterable[Step]) -> list[str]:
    """Return the names of checkpoints with ``#`` for every number: one name, if they are one series.

    >>> series_of(order_steps(["ckpt-1000", "ckpt-999", "best.keras"]))
    ['ckpt-#', 'best.keras']
    """
    ends = ((step.path, _ending(step.path)) for step in steps)
    return list(dict.fromkeys(_NUMBER.sub("#", path.removesuffix(end)) + end for path, end in ends))


def _counted(group: list[str]) -> list[Step]:
    """Return the steps of paths that differ only in numbers: the first one that differs counts them."""
    numbered = sorted(([int(n) for n in _NUMBER.findall(path)], path) for path in group)
    columns = list(zip(*(numbers for numbers, _ in numbered), strict=True))
    place = next((at for at, column in enumerate(columns) if len(set(column)) > 1), None)
    if place is None:
        return [Step(path, _only_number(path)) for _, path in numbered]
    return [Step(path, numbers[place]) for numbers, path in numbered]


def _only_number(path: str) -> int | None:
    """Return the last whole number in a name; None where there is none."""
    name = _SHARD.sub("", os.path.basename(path.rstrip("/")))
    whole = [number for number in _WHOLE_OR_NOT.findall(name.removesuffix(_ending(name))) if "." not in number]
    return int(whole[-1]) if whole else None


def _ending(name: str) -> str:
    """Return the longest ending of a format that a name has, "" if it has none."""
    endings = (ending for row in FORMATS for ending in row.endings)
    return max((ending for ending in endings if name.endswith(ending)), key=len, default="")


def _steps_of(path: str) -> list[str]:
    """Return the checkpoints that one path stands for."""
    storage, name = find_storage(path)
    if storage.kind(name) != "folder":
        located = _locate(path)
        if located is None or not located.note:
            return [path if located is None else located.path]
        name = dirname(name)  # a state file leads to one step: all in its folder are followed
    found = checkpoints_in(storage, name)
    if not found:
        raise UnknownFormatError(path, "the folder has no checkpoint", advice="give the checkpoints themselves")
    return [storage.address(each) for each in found]


def _locate(path: str) -> Located | None:
    """Return what is opened for a path: an index and its data are one checkpoint. None for a bad file."""
    try:
        return locate(path)
    except CheckpointError:
        return None


def checkpoints_in(storage: Storage, folder: str, *, deeper: bool = True) -> list[str]:
    """Return the checkpoints in a folder: itself, files, prefixes, and folders in it that have a single one."""
    if recognise_name(storage, folder) is not None:
        return [folder]
    found: dict[str, set[str]] = {}
    for base in storage.list(folder):
        name = join(folder, base)
        if storage.kind(name) != "folder":
            found |= _checkpoint_of(storage, name)
        elif deeper and not storage.is_link(name):
            inner = checkpoints_in(storage, name, deeper=False)
            found |= {each: {each} for each in inner if len(inner) == 1 and not _UNFINISHED.search(each)}
    return _without_parts(found)


def _checkpoint_of(storage: Storage, name: str) -> dict[str, set[str]]:
    """Return the checkpoint that a file is, is a part of, or is named like, with its parts; nothing for any other."""
    located = None if basename(name).startswith(".") else _locate_file(storage, name)
    if located is not None:
        return {} if located.format.lone else {located.name: _parts(located)}
    named = any(name.endswith(row.endings) for row in FORMATS if not row.lone)
    return {name: {name}} if named and not basename(name).startswith(".") else {}


def _locate_file(storage: Storage, name: str) -> Located | None:
    """Return the checkpoint of a file; None for a bad file, and for one that leads elsewhere, as a state file does."""
    row = recognise_name(storage, name)
    try:
        for each in FORMATS if row is None else (row,):
            located = each.resolve(storage, name)
            if located is not None:
                return None if located.note else located
    except CheckpointError:
        return None
    return None if row is None else Located(storage, name, row)


def _parts(located: Located) -> set[str]:
    try:
        return {located.name, *located.format.parts(located.storage, located.name)}
    except CheckpointError:
        return {located.name}


def _without_parts(found: dict[str, set[str]]) -> list[str]:
    """Leave out what another checkpoint consists of; of files that are each other's parts, keep the first."""
    owners: dict[str, list[str]] = {}
    for name, parts in found.items():
        for part in parts & found.keys() - {name}:
            owners.setdefault(part, []).append(name)
    return [
        name
        for name, parts in found.items()
        if not any(owner not in parts or owner < name for owner in owners.get(name, ()))
    ]
