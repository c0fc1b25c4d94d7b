"""Checkpoints in several files that a JSON index names: those of safetensors and of Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from posixpath import dirname, join
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ckptread.errors import CheckpointError, DamagedFileError
from ckptread.formats.mistakes import blame_substitute
from ckptread.limits import JSON_BYTES
from ckptread.reader import Reader, readable
from ckptread.slicing import Selection
from ckptread.storage.small_files import read_small_file
from ckptread.storage.source import Source, Stamp, Storage, check_unchanged
from ckptread.tensors import Finding, Region
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json
from ckptread.wording import quoted

if TYPE_CHECKING:
    from ckptread.tensors import Array

Shard = TypeVar("Shard", bound=Reader)


def read_index(storage: Storage, name: str) -> dict[str, Any]:
    """Return the JSON object in an index.

    Raises DamagedFileError where it is not a JSON object, UnsafeFileError where it is too large.
    """
    data = read_small_file(storage, name, JSON_BYTES, "an index")
    try:
        index = bounded_json(data, unique=True)
    except Malformed as error:
        raise DamagedFileError(storage.address(name), error.problem, advice="download it again") from error
    if not isinstance(index, dict):
        raise DamagedFileError(storage.address(name), "it is not a JSON object", advice="download it again")
    return index


def is_plain(name: str) -> bool:
    """Whether this names a file in the same folder, on any system."""
    return name not in ("", ".", "..") and not any(c in "/\\:\0" or "\ud800" <= c <= "\udfff" for c in name)


class ShardsReader(Reader, Generic[Shard]):
    """A reader for each of several files, and which of them has each tensor."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.path = storage.address(name)
        self.problems: list[Finding] = []
        self._storage = storage
        self._index = name
        self._folder = dirname(name)
        self._stamp = storage.stamp(name)
        self._shards: dict[str, Shard] = {}
        self._place: dict[str, str] = {}
        """The file of each tensor, by key."""

    def _open_shard(self, file: str, open_file: Callable[[Storage, str], Shard], holds: str) -> str:
        """Open one file, which ``holds`` some of the checkpoint; return why it cannot be opened, or ""."""
        name = join(self._folder, file)
        try:
            self._shards[file] = open_file(self._storage, name)
        except CheckpointError as found:
            missing = self._storage.kind(name) is None
            error = found if missing else blame_substitute(found, self._storage, name)
            problem = "it is missing" if missing else error.problem
            advice = "download it too, into the same folder" if missing else error.advice
            message = f"the file {quoted(file)}, with {holds}: {problem}"
            where = self._storage.address(name)
            self.problems.append(
                Finding(
                    code="shard-missing" if missing else error.code,
                    severity="error",
                    message=message,
                    file=where,
                    advice=advice,
                )
            )
            return problem
        self.problems += self._shards[file].problems
        return ""

    def _check_one_save(self) -> None:
        """Raise DamagedFileError where a file was replaced while the others were opened."""
        opened = {self._index: self._stamp}
        for file, shard in self._shards.items():
            opened.update({join(self._folder, file): source.stamp for source in shard.open_sources()})
        check_unchanged(self._storage, opened)

    def describe_storage(self, key: str) -> Mapping[str, str]:
        """Return how a tensor's own file stores it."""
        shard = self._shards.get(self._place.get(key, ""))
        return {} if shard is None else shard.describe_storage(key)

    def regions(self) -> Iterator[Region]:
        """Yield the regions of every file."""
        for shard in self._shards.values():
            yield from shard.regions()

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the selected part."""
        info = readable(self, key)
        return self._shards[self._place[info.key]].read(info.key, selection, out=out)

    def open_sources(self) -> list[Source]:
        """Return every file but the index, which is closed once it was read."""
        return [source for shard in self._shards.values() for source in shard.open_sources()]

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the stamp of each file, the index included."""
        return {self.path: self._stamp, **{source.name: source.stamp for source in self.open_sources()}}

    def close(self) -> None:
        """Close every file."""
        for shard in self._shards.values():
            shard.close()
        super().close()
