"""The child of hdf5.py: the only code that runs the HDF5 library.

It is handed the open file, reads through a window on that descriptor, and can open no other: external links and
storage, virtual datasets and plugins lead nowhere. It tells what the file holds, and reads only those values that
none but the library can decode.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5, h5d, h5g, h5l, h5o

from ckptread.binary import text
from ckptread.errors import DamagedFileError, TensorNotFoundError, UnsafeFileError
from ckptread.escape import escape
from ckptread.formats.hdf5_chunk_worker import stored_chunks, verify_chunks
from ckptread.formats.hdf5_describe_worker import attributes, describe
from ckptread.formats.hdf5_values import encode
from ckptread.inflated import rebuild
from ckptread.source import Source
from ckptread.worker import Handler, Message, Reply, limit, serve

MEMORY = 512 << 20
BATCH = 200
"""Datasets told in one message."""
MAX_ENTRIES = 200_000
MAX_DEPTH = 1_000
MAX_NAME_BYTES = 64 << 10
MAX_HOPS = 50
"""Soft links that lead to soft links: as many as a file system follows, and more."""
MAX_VALUE_BYTES = 256 << 20
"""The most that is read here at once: the library wants it all in memory."""
PIECE_BYTES = 16 << 20
LONG_TEXT = 16 << 10


class Stream(io.RawIOBase):
    """A source as the file object that h5py reads from."""

    def __init__(self, source: Source, remains: bool = False) -> None:
        self._source = source
        self._remains = remains
        self._at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return where it stands."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stand elsewhere: from the beginning, from here, or from the end."""
        self._at = offset + (0, self._at, self._source.size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer, or raise: what is left as it was would be old memory."""
        view = memoryview(buffer).cast("B")
        try:
            self._source.read_into(self._at, view)
        except DamagedFileError as error:
            if not self._remains:
                raise
            raise OSError(error.problem) from error  # which the library passes on as its own, of one object
        self._at += view.nbytes
        return view.nbytes


class Walk:
    """A walk over all links of a file that visits each object once, and follows no link out of it."""

    def __init__(self, file: h5py.File, remains: bool = False) -> None:
        """Walk over a file; of one that is damaged only the ``remains``, past groups that cannot be listed."""
        self._remains = remains
        self._file = file
        self._root = file.id
        self.paths: dict[str, bytes] = {}
        """Where each key's dataset is found."""
        self._groups: list[tuple[str, h5g.GroupID]] = []
        self._seen: dict[int, str] = {}
        self._count = 0
        self._unlisted: list[str] = []

    def entries(self) -> Iterator[Message]:
        """Yield a message per dataset, and per link that leads nowhere."""
        root = h5g.open(self._root, b"/")
        self._seen[h5g.get_objinfo(root).objno[0]] = ""
        self._groups.append(("", root))
        stack = [(root, b"", self._names(root, ""))]
        while stack:
            group, path, links = stack[-1]
            name = next(links, None)
            if name is None:
                stack.pop()
                continue
            child_path = path + b"/" + name if path else name
            self._bound(len(stack), name)
            child = None
            for message in self._entry(group, name, child_path):
                child = message.pop("open", child)
                if message:
                    yield message
            if child is not None:
                stack.append((child, child_path, self._names(child, text(child_path))))
        for key in self._unlisted:
            yield {"finding": f"the group {escape(key) or '/'!r} cannot be listed: what is in it is lost", "key": key}

    def _names(self, group: h5g.GroupID, key: str) -> Iterator[bytes]:
        try:
            return iter(_links(group))
        except (KeyError, RuntimeError, OSError, ValueError):
            if not self._remains:
                raise
            self._unlisted.append(key)
            return iter(())

    def _bound(self, depth: int, name: bytes) -> None:
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise UnsafeFileError("", f"it has more than {MAX_ENTRIES:,} links")
        if depth > MAX_DEPTH:
            raise UnsafeFileError("", f"its groups are nested more than {MAX_DEPTH:,} deep")
        if len(name) > MAX_NAME_BYTES:
            raise UnsafeFileError("", f"a name takes {len(name):,} bytes")

    def _entry(self, group: h5g.GroupID, name: bytes, path: bytes) -> Iterator[Message]:
        key = text(path)
        info = group.links.get_info(name)
        kind = info.type
        if kind == h5l.TYPE_EXTERNAL:
            file, target = group.links.get_val(name)
            where = f"{escape(text(file))}:{escape(text(target))}"
            yield _refused(key, f"it is a link to another file, {where}: such links are not followed")
        elif kind == h5l.TYPE_SOFT:
            yield from self._soft(group, name, path)
        elif kind == h5l.TYPE_HARD:
            yield from self._hard(group, name, path, info.u)
        else:
            yield _refused(key, f"it is a link of the unknown kind {kind}")

    def _hard(self, group: h5g.GroupID, name: bytes, path: bytes, address: int) -> Iterator[Message]:
        key = text(path)
        try:
            child = h5o.open(group, name)
        except (KeyError, RuntimeError, OSError, ValueError) as error:
            yield _refused(key, f"it cannot be opened: {escape(str(error)[:200])}")
            return
        first = self._seen.setdefault(address, key)
        if isinstance(child, h5d.DatasetID):
            yield self._remaining(child, key, path, first)
        elif isinstance(child, h5g.GroupID):
            if first != key:
                yield {"finding": f"the group {escape(key)!r} is {escape(first) or '/'!r} again", "key": key}
                return
            self._groups.append((key, child))
            yield {"open": child}

    def _remaining(self, dataset: h5d.DatasetID, key: str, path: bytes, first: str) -> Message:
        """Return a dataset's message; where only what remains is wanted, one that says why there is none."""
        try:
            return self._dataset(dataset, key, path, first)
        except (KeyError, RuntimeError, OSError, ValueError) as error:
            if not self._remains:
                raise
            return _refused(key, f"it cannot be described: {escape(str(error)[:200])}")

    def _dataset(self, dataset: h5d.DatasetID, key: str, path: bytes, first: str) -> Message:
        self.paths[key] = path
        return {**describe(dataset), "key": key, "alias_of": None if first == key else first}

    def attributes(self) -> Iterator[Message]:
        """Yield a message per group with attributes: last, for a damaged one can hang the library."""
        for key, group in self._groups:
            found, odd = attributes(group)
            if found:
                yield {"group": key, "attributes": found}
            for name in odd:
                yield {
                    "finding": f"the attribute {escape(name)!r} of {escape(key) or '/'!r} cannot be read",
                    "key": key,
                }

    def _soft(self, group: h5g.GroupID, name: bytes, path: bytes) -> Iterator[Message]:
        """Name a soft link's dataset again under the link's own name; groups are listed where they lie."""
        key, target = text(path), group.links.get_val(name)
        place = self._resolve(path, target)
        shown = escape(text(target))
        if place is None:
            yield _refused(key, f"it is a link to {shown!r}, which leads to nothing in this file")
            return
        child = h5o.open(self._root, place)
        if isinstance(child, h5d.DatasetID):
            yield self._dataset(child, key, place, text(place))
        elif isinstance(child, h5g.GroupID):
            yield {"finding": f"{escape(key)!r} is a link to the group {shown!r}", "key": key, "severity": "note"}

    def _resolve(self, path: bytes, target: bytes) -> bytes | None:
        """Return the path of hard links only that a soft link leads to, None where it leads nowhere or out."""
        done: list[bytes] = [] if target.startswith(b"/") else path.split(b"/")[:-1]
        todo = [part for part in target.split(b"/") if part not in (b"", b".")]
        hops = 0
        while todo:
            part = todo.pop(0)
            group = h5o.open(self._root, b"/" + b"/".join(done))
            if not isinstance(group, h5g.GroupID) or part not in group:
                return None
            kind = group.links.get_info(part).type
            if kind == h5l.TYPE_HARD:
                done.append(part)
                continue
            hops += 1
            if kind != h5l.TYPE_SOFT or hops > MAX_HOPS:
                return None
            further = group.links.get_val(part)
            done = [] if further.startswith(b"/") else done
            todo = [p for p in further.split(b"/") if p not in (b"", b".")] + todo
        return b"/".join(done) or None


def _refused(key: str, problem: str) -> Message:
    return {"key": key, "shape": None, "dtype": "unknown", "nbytes": 0, "layout": "none", "problem": problem}


def _links(group: h5g.GroupID) -> list[bytes]:
    """Return the names in a group: in the order they were made where the file keeps it, else numbers by value."""
    names: list[bytes] = []
    tracked = group.get_create_plist().get_link_creation_order() & h5py.h5p.CRT_ORDER_INDEXED
    index = h5.INDEX_CRT_ORDER if tracked else h5.INDEX_NAME
    group.links.iterate(lambda name: _collect(names, name), idx_type=index, order=h5.ITER_INC)
    return names if tracked else sorted(names, key=_numerically)


def _collect(names: list[bytes], name: bytes) -> None:
    names.append(name)
    if len(names) > MAX_ENTRIES:
        raise UnsafeFileError("", f"a group has more than {MAX_ENTRIES:,} links")


def _numerically(name: bytes) -> tuple[int, int, bytes]:
    return (0, int(name), name) if name.isdigit() and len(name) < 19 else (1, 0, name)


class Library:
    """What answers the parent's questions."""

    def __init__(self, source: Source, remains: bool = False) -> None:
        self._file = h5py.File(Stream(source, remains), "r")
        self._walk = Walk(self._file, remains)

    def __call__(self, message: Message) -> Iterator[Reply]:
        """Answer one question."""
        questions = {"index": self.index, "chunks": self.chunks, "compact": self.compact, "read": self.read}
        yield from questions[message["ask"]](message)

    def index(self, message: Message) -> Iterator[Reply]:
        """Tell what the file holds: first its datasets, then, where they are asked for, its groups' attributes."""
        yield from _told(self._walk.entries())
        if message["attributes"]:
            yield {"entries": [], "listed": True}, b""
            yield from _told(self._walk.attributes())

    def chunks(self, message: Message) -> Iterator[Reply]:
        """Tell where the chunks of a dataset lie: rows of its position, filter mask, offset and stored bytes."""
        found = [
            (*chunk.position, chunk.filter_mask, chunk.offset, chunk.nbytes)
            for chunk in stored_chunks(self._dataset(message).id)
        ]
        raw = np.array(found, "<u8").tobytes()
        for at in range(0, len(raw), PIECE_BYTES):
            yield {}, raw[at : at + PIECE_BYTES]

    def compact(self, message: Message) -> Iterator[Reply]:
        """Send the bytes of a dataset that lies in its own description."""
        yield {}, self._dataset(message)[()].tobytes()

    def read(self, message: Message) -> Iterator[Reply]:
        """Send the values of a part of a dataset."""
        dataset = self._dataset(message)
        selection = tuple(slice(start, stop, step) for start, stop, step in message["selection"])
        count = np.prod([len(range(*part.indices(dim))) for part, dim in zip(selection, dataset.shape, strict=True)])
        if int(count) * dataset.dtype.itemsize > MAX_VALUE_BYTES:
            raise UnsafeFileError("", f"{int(count):,} elements are too many to be read at once")
        verify_chunks(dataset)
        raw = encode(np.asarray(dataset[selection or ()], dataset.dtype))
        if len(raw) > MAX_VALUE_BYTES:
            raise UnsafeFileError("", f"its values take {len(raw):,} bytes, too many to be read at once")
        for at in range(0, len(raw), PIECE_BYTES):
            yield {}, raw[at : at + PIECE_BYTES]

    def _dataset(self, message: Message) -> h5py.Dataset:
        path = self._walk.paths.get(message["key"])
        if path is None:
            raise TensorNotFoundError("", "there is no such dataset")
        return h5py.Dataset(h5d.open(self._file.id, path))


def _told(entries: Iterator[Message]) -> Iterator[Reply]:
    """Send entries, many in a message; a long text goes on its own, as raw bytes."""
    batch: list[Message] = []
    for entry in entries:
        for name, value in _long_texts(entry.get("attributes", {})):
            raw = value.encode("utf-8", "surrogateescape")
            yield {"entries": [{"group": entry["group"], "text": name}]}, raw
        batch.append(entry)
        if len(batch) >= BATCH:
            yield {"entries": batch}, b""
            batch = []
    yield {"entries": batch}, b""


def _long_texts(attributes: dict[str, Any]) -> list[tuple[str, str]]:
    """Take the long texts (a model's whole configuration) out of a group's attributes: they go on their own."""
    long = [name for name, value in attributes.items() if isinstance(value, str) and len(value) > LONG_TEXT]
    return [(name, attributes.pop(name)) for name in long]


def start(first: Message) -> Handler:
    """Give up everything but the file, and open it."""
    source = rebuild(first["descriptor"], first["steps"], "the file")
    for encoding in ("ascii", "utf-8", "latin-1"):
        codecs.lookup(encoding)  # which Python imports when first used: no file can be opened then
    limit(memory=MEMORY)
    return Library(source, first.get("remains", False))


if __name__ == "__main__":
    serve(start)
