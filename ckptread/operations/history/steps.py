"""The checkpoints of a training run, in the order of its steps.

A folder means all checkpoints in it. Names that differ only in their numbers are put in the order of these numbers, the
first before the second: ckpt-999, ckpt-1000; model.01-0.25.h5, model.02-0.19.h5. A state file's list is not followed:
its folder is looked through instead, so that no path in it leads elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

import msgspec

from ckptread.errors import CheckpointError, UnknownFormatError
from ckptread.formats.candidate import look
from ckptread.formats.json_shards import read_index
from ckptread.formats.locate import locate, recognised
from ckptread.formats.registry import BY_NAME
from ckptread.formats.tensorflow.paths import STATE_FILE, listing, prefix_of_shard, v1_files
from ckptread.storage.addresses import find_storage

ENDINGS = (".keras", ".h5", ".hdf5", ".npz", ".safetensors")
"""What is called so should be a checkpoint: where its bytes are none, that is said."""

_NUMBER = re.compile(r"\d+")
_WHOLE_OR_NOT = re.compile(r"\d+(?:\.\d+)?")
_ENDING = re.compile(r"((\.weights)?\.(keras|h5|hdf5|npz|safetensors|ckpt)|-\d{5}-of-\d{5})\Z")


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
    """Return the checkpoints that these paths mean, each once, in order.

    Raises CheckpointError for a folder without any.
    """
    return order_steps(dict.fromkeys(found for path in paths for found in _meant(path)))


def order_steps(paths: Iterable[str]) -> list[Step]:
    """Put paths that differ only in numbers in their order; what differs otherwise keeps its own.

    >>> [step.number for step in order_steps(["ckpt-1000", "ckpt-999", "ckpt-20000"])]
    [999, 1000, 20000]
    """
    alike: dict[str, list[str]] = {}
    for path in paths:
        alike.setdefault(_NUMBER.sub("#", path), []).append(path)
    return [step for group in alike.values() for step in _counted(group)]


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
    name = _ENDING.sub("", os.path.basename(path.rstrip("/")))
    whole = [number for number in _WHOLE_OR_NOT.findall(name) if "." not in number]
    return int(whole[-1]) if whole else None


def _meant(path: str) -> list[str]:
    """Return the checkpoints that one path means."""
    if os.path.basename(path) == STATE_FILE and os.path.isfile(path) and not recognised(path):
        path = os.path.dirname(path) or "."
    if not os.path.isdir(path):
        return [_settled(path)]
    found = checkpoints_in(path)
    if not found:
        raise UnknownFormatError(path, "the folder holds no checkpoint", advice="give the checkpoints themselves")
    return found


def _settled(path: str) -> str:
    """Return the path that is opened: an index and its data are one checkpoint. A bad file is left for later."""
    try:
        return locate(path).path
    except CheckpointError:
        return path


def checkpoints_in(folder: str, *, deeper: bool = True) -> list[str]:
    """Return the checkpoints in a folder: itself, files, prefixes, and folders in it that hold a single one."""
    if BY_NAME["saved-model"].recognise(look(folder)):
        return [folder]
    names = listing(folder)
    found: dict[str, None] = {}
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            inner = checkpoints_in(path, deeper=False) if deeper and not os.path.islink(path) else []
            found |= dict.fromkeys(inner if len(inner) == 1 else [])
        else:
            found |= dict.fromkeys(_file(path))
    return [path for path in found if path not in set(_shards(found))]


def _file(path: str) -> Iterator[str]:
    """Yield the checkpoint that a file is, or is part of, or should be."""
    name = os.path.basename(path)
    prefix = name.removesuffix(".index") if name.endswith(".index") else prefix_of_shard(name)
    if prefix is not None:
        yield os.path.join(os.path.dirname(path), prefix)
    elif not name.startswith(".") and not name.endswith(".npy") and (recognised(path) or name.endswith(ENDINGS)):
        yield v1_files(path)[0] if _is_v1(path) and v1_files(path) else path


def _is_v1(path: str) -> bool:
    row = recognised(path)
    return row is not None and row.name == "tf-v1"


def _shards(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that an index among these paths names: they are no checkpoints of their own."""
    for path in paths:
        row = recognised(path) if os.path.isfile(path) else None
        if row is None or not row.sharded:
            continue
        try:
            named = read_index(*find_storage(path)).get("weight_map")
        except CheckpointError:
            continue
        for files in named.values() if isinstance(named, dict) else ():
            for file in files if isinstance(files, list) else [files]:
                yield os.path.join(os.path.dirname(path), str(file))
