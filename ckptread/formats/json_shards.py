"""Checkpoints in several files, which a JSON index names: safetensors' and Keras'."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from ckptread.limits import JSON_BYTES
from ckptread.reader import Reader, readable
from ckptread.slicing import Selection
from ckptread.storage.local import FileSource
from ckptread.storage.source import Source
from ckptread.tensors import Finding, Region
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.json_text import bounded_json
from ckptread.wording import escape

if TYPE_CHECKING:
    from ckptread.tensors import Array

Shard = TypeVar("Shard", bound=Reader)


def read_index(path: str) -> dict[str, Any]:
    """Return the object that an index holds. Raises DamagedFileError where it is none, UnsafeFileError if too large."""
    source = FileSource(path)
    try:
        if source.size > JSON_BYTES:
            raise UnsafeFileError(path, f"an index of {source.size:,} bytes is too large")
        index = bounded_json(source.read(0, source.size), unique=True)
    except Malformed as error:
        raise DamagedFileError(path, error.problem, advice="fetch it again") from error
    finally:
        source.close()
    if not isinstance(index, dict):
        raise DamagedFileError(path, "it is no JSON object", advice="fetch it again")
    return index


def is_plain(name: str) -> bool:
    """Whether this names a file in the same folder, on any system."""
    return name not in ("", ".", "..") and not any(c in "/\\:\0" or "\ud800" <= c <= "\udfff" for c in name)


class ShardsReader(Reader, Generic[Shard]):
    """A reader for each of several files, and which of them has each tensor."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Finding] = []
        self._shards: dict[str, Shard] = {}
        self._place: dict[str, str] = {}
        """The file of each tensor, by key."""

    def _open_shard(self, name: str, opens: Callable[[str], Shard], holds: str) -> str:
        """Open one file, which ``holds`` some of the checkpoint; return why it cannot be, or ""."""
        path = os.path.join(os.path.dirname(self.path), name)
        try:
            self._shards[name] = opens(path)
        except CheckpointError as error:
            missing = not os.path.lexists(path)
            problem = "it is missing" if missing else error.problem
            advice = "fetch it too, into the same folder" if missing else error.advice
            message = f"the file {escape(name)!r}, with {holds}: {problem}"
            self.problems.append(
                Finding(severity="error", message=message, key=None, file=path, offset=None, advice=advice)
            )
            return problem
        self.problems += self._shards[name].problems
        return ""

    def regions(self) -> Iterator[Region]:
        """What every file is made of."""
        for shard in self._shards.values():
            yield from shard.regions()

    def read(self, key: str, selection: Selection = (), *, out: Array | None = None) -> Array:
        """Return the values of a tensor, or of the part that ``selection`` means."""
        info = readable(self, key)
        return self._shards[self._place[info.key]].read(info.key, selection, out=out)

    def source(self, file: str) -> Source | None:
        """Return the one of the files that has this name."""
        return next((found for shard in self._shards.values() if (found := shard.source(file))), None)

    def close(self) -> None:
        """Close every file."""
        for shard in self._shards.values():
            shard.close()
