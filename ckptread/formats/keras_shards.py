"""Keras weights in several files.

What it is: ``NAME.weights.json``, whose ``weight_map`` names for each group of variables the files that hold it, and
the files ``NAME_NNNNN.weights.h5`` in the same folder.
Specification: keras/src/saving/saving_lib.py, ShardedH5IOStore.
Read here: every variable of every file. A file that is missing takes only its own variables with it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.escape import escape
from ckptread.formats.hdf5 import Hdf5Reader, open_hdf5
from ckptread.formats.keras_evidence import gather
from ckptread.formats.shard_index import MAX_SHARDS, is_plain, read_index
from ckptread.names.keras import describe
from ckptread.reader import Reader, readable
from ckptread.slicing import Selection
from ckptread.source import FileSource, Source
from ckptread.tensors import Finding, Region, TensorInfo

if TYPE_CHECKING:
    from ckptread.reader import Array

Groups = dict[str, list[str]]
"""The files of each group of variables."""


def open_sharded(path: str) -> Reader:
    """Open the index of sharded weights. Raises CheckpointError where it is none, or points out of its folder."""
    return KerasShardsReader(path)


class KerasShardsReader(Reader):
    """Open sharded weights: a reader for each file."""

    format = "keras-shards"

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Finding] = []
        self._shards: dict[str, Hdf5Reader] = {}
        self._place: dict[str, str] = {}
        groups = _groups(path, read_index(path))
        found: dict[str, TensorInfo] = {}
        try:
            for name, count in Counter(file for files in groups.values() for file in files).items():
                self._open(name, count, found)
        except BaseException:
            self.close()
            raise
        found.update(self._missing(groups, found))
        attributes = self._attributes()
        self.metadata = {"shards": str(len(self._shards))}
        self.evidence, problems = gather(attributes, None, self.metadata, lambda _key, _other: False)
        self.problems += problems
        self.tensors = {t.key: t for t in describe(list(found.values()), self.evidence)}

    def _open(self, name: str, count: int, found: dict[str, TensorInfo]) -> None:
        path = os.path.join(os.path.dirname(self.path), name)
        try:
            shard = open_hdf5(FileSource(path), path)
        except CheckpointError as error:
            missing = not os.path.lexists(path)
            problem = "it is missing" if missing else error.problem
            message = f"the file {escape(name)!r}, with {count:,} of the groups: {problem}"
            advice = "fetch it too, into the same folder" if missing else error.advice
            self.problems.append(Finding("error", message, None, path, None, advice))
            return
        shard.rest()
        self._shards[name] = shard
        self.problems += shard.problems
        for key, info in shard.tensors.items():
            self._place.setdefault(key, name)
            found.setdefault(key, info)

    def _missing(self, groups: Groups, found: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
        """Return an entry for each group of which some file could not be opened: its variables are unknown."""
        return {
            group: TensorInfo(group, None, "unknown", 0, problem=f"its file {escape(name)!r} cannot be opened")
            for group, files in groups.items()
            for name in files
            if name not in self._shards and group not in found
        }

    def _attributes(self) -> dict[str, dict[str, Any]]:
        """Return the attributes of all files' groups; the first file that has one counts."""
        merged: dict[str, dict[str, Any]] = {}
        for shard in self._shards.values():
            for group, values in shard.evidence.attributes.items():
                merged[group] = {**values, **merged.get(group, {})}
        return merged

    @property
    def regions(self) -> Iterator[Region]:  # type: ignore[override]
        """What every file is made of."""
        for shard in self._shards.values():
            yield from shard.regions

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a variable, or of the part that ``selection`` means."""
        info = readable(self, key)
        return self._shards[self._place[info.key]].read(info.key, selection, out=out)

    def source(self, file: str) -> Source | None:
        """Return the one of the files that has this name."""
        return next((found for shard in self._shards.values() if (found := shard.source(file))), None)

    def close(self) -> None:
        """Close every file."""
        for shard in self._shards.values():
            shard.close()


def _groups(path: str, index: Mapping[str, Any]) -> Groups:
    """Return the files of each group, once each is the name of a file in the same folder."""
    stated = index.get("weight_map")
    if not isinstance(stated, dict):
        raise DamagedFileError(path, "it holds no weight_map of files by group", advice="fetch it again")
    groups = {str(g).strip("/"): files if isinstance(files, list) else [files] for g, files in stated.items()}
    names = [name for files in groups.values() for name in files]
    outside = next((name for name in names if not (isinstance(name, str) and is_plain(name))), None)
    if outside is not None:
        raise UnsafeFileError(path, f"it points to {escape(str(outside))!r}, which is no file beside it")
    if len(set(names)) > MAX_SHARDS:
        raise UnsafeFileError(path, f"it names {len(set(names)):,} files")
    return groups
