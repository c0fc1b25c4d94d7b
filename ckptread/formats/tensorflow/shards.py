"""The data files that a TensorFlow V2 index points into, and what is wrong with each as a whole."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from posixpath import basename, dirname

from ckptread.formats.candidate import look
from ckptread.formats.mistakes import find_substitute
from ckptread.formats.tensorflow.entries import BundleEntry
from ckptread.storage.source import Source, Stamp, Storage, changed_error, closed_error
from ckptread.storage.spans import find_gaps
from ckptread.tensors import Finding
from ckptread.wording import escape, plural


class Shards:
    """The data files of a checkpoint, each opened when something in it is read.

    Where a ``folder`` is given (a SavedModel's), a shard that is a link out of it is refused.
    """

    def __init__(self, storage: Storage, prefix: str, count: int, folder: str | None = None) -> None:
        self._storage = storage
        self._prefix = prefix
        self._count = count
        self._folder = folder
        self._stamps: dict[int, Stamp | None] = {}
        self._paths: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._closed = False
        self._insides: dict[int, bool] = {}
        self._rooms: dict[int, int] = {}
        self._sources: dict[int, Source] = {}
        self._lock = threading.Lock()

    def name(self, shard: int) -> str:
        """Return a shard's name in the storage."""
        return f"{self._prefix}.data-{shard:05d}-of-{self._count:05d}"

    def path(self, shard: int) -> str:
        """Return a shard's path."""
        if shard not in self._paths:
            self._paths[shard] = self._storage.address(self.name(shard))
            self._numbers[self._paths[shard]] = shard
        return self._paths[shard]

    def size(self, shard: int) -> int | None:
        """Return a shard's size, or None where it is missing or no regular file."""
        if shard not in self._stamps:
            self._stamps[shard] = self._storage.stamp(self.name(shard))
        stamp = self._stamps[shard]
        return None if stamp is None else stamp.size

    @property
    def nbytes(self) -> int:
        """Bytes of the shards that entries were looked for in."""
        return sum(stamp.size for stamp in self._stamps.values() if stamp is not None)

    def source(self, shard: int) -> Source:
        """Return an open shard. Raises CheckpointError where it cannot be opened, or is another file by now."""
        with self._lock:
            if self._closed:
                raise closed_error(self.path(shard))
            if shard not in self._sources:
                self._sources[shard] = self._open(shard)
            return self._sources[shard]

    def _open(self, shard: int) -> Source:
        source = self._storage.open(self.name(shard))
        if self.size(shard) is not None and source.stamp != self._stamps[shard]:
            source.close()
            raise changed_error(source.name)
        return source

    def read_into(self, shard: int, start: int, offset: int, buffer: memoryview) -> None:
        """Fill a buffer from ``offset`` of a run of bytes that begins at ``start`` of a shard."""
        self.source(shard).read_into(start + offset, buffer)

    def named(self, path: str) -> Source | None:
        """Return the open shard of this path, or None where it is not a shard's."""
        number = self._numbers.get(path)
        return None if number is None else self.source(number)

    def problem(self, entry: BundleEntry) -> str | None:
        """Say why the bytes of an entry cannot be what it claims; None where they can."""
        if entry.shard not in self._rooms:
            self._rooms[entry.shard] = self._room(entry.shard)
        if not 0 <= entry.offset <= entry.offset + entry.nbytes <= self._rooms[entry.shard]:
            return self._place_problem(entry) or entry.problem()
        return entry.problem()

    def holds(self, entry: BundleEntry) -> bool:
        """Whether all bytes of an entry are there, whatever they are."""
        return (
            self._inside(entry.shard)
            and entry.offset >= 0 <= entry.nbytes
            and entry.offset + entry.nbytes <= self._room(entry.shard)
        )

    def _room(self, shard: int) -> int:
        """Return how many bytes of a shard can be read; -1 where it is missing, or none of this checkpoint's."""
        size = self.size(shard) if 0 <= shard < self._count and self._inside(shard) else None
        return -1 if size is None else size

    def _place_problem(self, entry: BundleEntry) -> str | None:
        if not 0 <= entry.shard < self._count:
            return f"it claims to be in shard {entry.shard} of {self._count}"
        if not self._inside(entry.shard):
            return f"its shard {escape(basename(self.name(entry.shard)))} is a link out of the SavedModel"
        size = self.size(entry.shard)
        if size is None:
            return f"its shard {escape(basename(self.name(entry.shard)))} {self._absence(entry.shard)}"
        if entry.offset < 0 or entry.nbytes < 0:
            return f"it claims {entry.nbytes:,} bytes at byte {entry.offset:,}"
        if entry.offset + entry.nbytes > size:
            name = escape(basename(self.name(entry.shard)))
            return f"its {entry.nbytes:,} bytes at byte {entry.offset:,} are outside the {size:,} bytes of {name}"
        return None

    def _absence(self, shard: int) -> str:
        """Say why a shard has no size: a pipe or a device has none, and is not waited for."""
        return "is not a regular file" if self._storage.kind(self.name(shard)) else "is missing"

    def _inside(self, shard: int) -> bool:
        if self._folder is None:
            return True
        if shard not in self._insides:
            self._insides[shard] = self._storage.within(self._folder, self.name(shard))
        return self._insides[shard]

    def findings(self, entries: Iterable[BundleEntry | None]) -> Iterator[Finding]:
        """Yield what is wrong with each shard as a whole: missing, truncated, or with bytes that are not listed."""
        placed: dict[int, list[BundleEntry]] = {}
        for entry in entries:
            if entry is not None and not entry.slices and 0 <= entry.shard < self._count:
                placed.setdefault(entry.shard, []).append(entry)
        for shard, listed in sorted(placed.items()):
            size = self.size(shard)
            if size is None:
                yield self._missing(shard, listed)
            elif self._inside(shard):
                yield from self._size_findings(shard, size, listed)

    def _missing(self, shard: int, listed: Sequence[BundleEntry]) -> Finding:
        path, count = self.path(shard), len(listed)
        nbytes = sum(entry.nbytes for entry in listed)
        what = f"shard {shard + 1} of {self._count}, with {count:,} of the tensors ({nbytes:,} bytes), "
        what += self._absence(shard)
        other = next((n for n in self._storage.list(dirname(self.name(shard))) if self._is_other(n)), None)
        if other is None:
            advice = f"download {escape(basename(self.name(shard)))} too, into the same folder"
        else:
            advice = f"{escape(other)} is of another save than this index: download both files of one step"
        return Finding(code="tf-shard-missing", severity="error", message=what, file=path, advice=advice)

    def _is_other(self, name: str) -> bool:
        """Whether a file is a shard of this prefix that is not of this number of shards."""
        base = basename(self._prefix)
        return name.startswith(base + ".data-") and not name.endswith(f"-of-{self._count:05d}")

    def _size_findings(self, shard: int, size: int, listed: Sequence[BundleEntry]) -> Iterator[Finding]:
        sound = [e for e in listed if e.offset >= 0 and e.problem() is None]
        end = max((entry.offset + entry.nbytes for entry in sound), default=0)
        path = self.path(shard)
        substitute = find_substitute(look(self._storage, self.name(shard))) if end != size else None
        if substitute is not None:
            yield Finding(
                code="tf-shard-replaced",
                severity="error",
                message=f"the data file is {substitute.what}",
                file=path,
                offset=0,
                advice=substitute.advice,
            )
        elif end > size:
            message = f"the data file is truncated: {plural(end - size, 'byte', 'are', 'is')} missing at its end"
            advice = "its download or copy was interrupted: download it again"
            yield Finding(
                code="tf-shard-truncated", severity="error", message=message, file=path, offset=size, advice=advice
            )
        elif len(sound) == len(listed):
            spans = [(entry.offset, entry.offset + entry.nbytes) for entry in sound]
            yield from self._gap_findings(path, find_gaps(spans, size), size)

    def _gap_findings(self, path: str, found: Iterable[tuple[int, int]], size: int) -> Iterator[Finding]:
        for start, stop in found:
            if stop == size:
                message = f"{plural(stop - start, 'byte', 'follow')} the last tensor"
                yield Finding(
                    code="tf-shard-extra-bytes",
                    severity="warning",
                    message=message,
                    file=path,
                    offset=start,
                    advice="the file was appended to, or is of another save",
                )
            else:
                yield Finding(
                    code="tf-shard-gap",
                    severity="note",
                    message=f"{plural(stop - start, 'byte', 'belong')} to no tensor",
                    file=path,
                    offset=start,
                )

    def names(self) -> dict[str, Stamp | None]:
        """Return the stamps of the shards that entries were looked for in, by name."""
        return {self.name(shard): stamp for shard, stamp in self._stamps.items()}

    def stamps(self) -> dict[str, Stamp | None]:
        """Return the stamps of the shards that entries were looked for in, by path."""
        return {self.path(shard): stamp for shard, stamp in self._stamps.items()}

    def close(self) -> None:
        """Close every shard that was opened."""
        with self._lock:
            self._closed = True
            for source in self._sources.values():
                source.close()
