"""Keras weights in several files.

What it is: ``NAME.weights.json``, whose ``weight_map`` names for each group of variables the files that hold it, and
the files ``NAME_NNNNN.weights.h5`` in the same folder.
Specification: keras/src/saving/saving_lib.py, ShardedH5IOStore.
Read here: every variable of every file. A file that is missing takes only its own variables with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ckptread.errors import DamagedFileError, UnsafeFileError
from ckptread.formats.hdf5.opening import open_by_h5py, open_hdf5
from ckptread.formats.hdf5.reader import Archive, Hdf5Reader
from ckptread.formats.json_shards import ShardsReader, is_plain, read_index
from ckptread.limits import MAX_SHARD_FILES
from ckptread.model import ModelFacts
from ckptread.names.keras.describe import name_keras_tensors
from ckptread.names.keras.evidence import gather_keras_evidence
from ckptread.names.keras.model_facts import read_model_facts
from ckptread.reader import Reader, Remains
from ckptread.storage.source import CloseOnError, Storage
from ckptread.tensors import TensorInfo
from ckptread.wording import quoted

Groups = dict[str, list[str]]
"""The files of each group of variables."""
ALONE = Archive(format="keras-shards")
"""Shards without a model's folder around them."""


def open_keras_shards(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open the index of sharded weights.

    Raises DamagedFileError where it is not such an index, UnsafeFileError where it points out of its folder.
    """
    return KerasShardsReader(storage, name)


def open_keras_shards_by_h5py(storage: Storage, name: str, remains: Remains = Remains.refused) -> Reader:
    """Open the index of sharded weights, which h5py reads. Raises as ``open_keras_shards`` does."""
    return KerasShardsReader(storage, name, backend="h5py")


class KerasShardsReader(ShardsReader[Hdf5Reader]):
    """Open sharded weights: a reader for each file."""

    format = "keras-shards"

    def __init__(self, storage: Storage, name: str, around: Archive = ALONE, *, backend: str = "native") -> None:
        super().__init__(storage, name)
        self.format, self.backend = around.format, backend
        groups = _groups(self.path, read_index(storage, name))
        found: dict[str, TensorInfo] = {}
        with CloseOnError(self):
            for file, count in Counter(file for files in groups.values() for file in files).items():
                self._open(file, count, found)
            self._check_one_save()
        found.update(self._missing(groups, found))
        attributes = self._attributes()
        self.metadata = {**around.metadata, "shards": str(len(self._shards))}
        self.evidence, problems = gather_keras_evidence(
            attributes, around.config, self.metadata, lambda _key, _other: False
        )
        self.problems += problems
        self.tensors = {t.key: t for t in name_keras_tensors(list(found.values()), self.evidence)}

    @cached_property
    def model(self) -> ModelFacts | None:
        """What the config says, of a folder that has one."""
        return read_model_facts(self.evidence)

    def _open(self, name: str, count: int, found: dict[str, TensorInfo]) -> None:
        open_file = open_by_h5py if self.backend == "h5py" else open_hdf5
        if self._open_shard(name, open_file, f"{count:,} of the groups"):
            return
        shard = self._shards[name]
        shard.rest()
        for key, info in shard.tensors.items():
            self._place.setdefault(key, name)
            found.setdefault(key, info)

    def _missing(self, groups: Groups, found: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
        """Return an entry for each group with a file that could not be opened: its variables are unknown."""
        return {
            group: TensorInfo(
                key=group, shape=None, dtype="unknown", nbytes=0, problem=f"its file {quoted(name)} cannot be opened"
            )
            for group, files in groups.items()
            for name in files
            if name not in self._shards and group not in found
        }

    def _attributes(self) -> dict[str, dict[str, Any]]:
        """Return the attributes of all files' groups, each from the first file that has it."""
        merged: dict[str, dict[str, Any]] = {}
        for shard in self._shards.values():
            for group, values in shard.evidence.attributes.items():
                merged[group] = {**values, **merged.get(group, {})}
        return merged


def _groups(path: str, index: Mapping[str, Any]) -> Groups:
    """Return the files of each group, checked to be names of files in the same folder."""
    stated = index.get("weight_map")
    if not isinstance(stated, dict):
        raise DamagedFileError(path, "it has no weight_map of files by group", advice="download it again")
    groups = {str(g).strip("/"): files if isinstance(files, list) else [files] for g, files in stated.items()}
    names = [name for files in groups.values() for name in files]
    outside = next((name for name in names if not (isinstance(name, str) and is_plain(name))), None)
    if outside is not None:
        raise UnsafeFileError(path, f"it points to {quoted(str(outside))}, which is not a file next to it")
    if len(set(names)) > MAX_SHARD_FILES:
        raise UnsafeFileError(path, f"it names {len(set(names)):,} files")
    return groups
