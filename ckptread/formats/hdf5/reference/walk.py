"""The walk of the HDF5 worker over a file: every link once, and no link out of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import h5py
from h5py import h5, h5d, h5g, h5l, h5o

from ckptread.errors import UnsafeFileError
from ckptread.formats.hdf5.reference.describe import attributes, describe_dataset, null_references
from ckptread.formats.hdf5.reference.orphans import FAILURES, strays
from ckptread.storage.source import Source
from ckptread.untrusted.binary import text
from ckptread.wording import escape, short
from ckptread.worker.parent import Message

MAX_ENTRIES = 200_000
MAX_DEPTH = 1_000
MAX_NAME_BYTES = 64 << 10
MAX_HOPS = 50
"""Soft links that lead to soft links: as many as a file system follows, and more."""
USUAL_DEPTH = 500
"""Groups nested deeper are listed, with a warning: other programs that read them end in an error, or in a crash."""

UNNAMED = b"unnamed"
"""What an object is called whose name is lost, before the address of its description."""
STRAY = "its own name is lost with the group that listed it: it goes by the byte that it is described at"

Place = tuple[Any, bytes]
"""An open object, and a path from it."""


class LinkWalk:
    """A walk over all links of a file that visits each object once, and follows no link out of it."""

    def __init__(self, file: h5py.File, remains: bool = False) -> None:
        """Walk over a file; of one that is damaged only the ``remains``, past groups that cannot be listed."""
        self._remains = remains
        self._file = file
        self._root = file.id
        self.places: dict[str, Place] = {}
        """Where each key's dataset is found."""
        self._groups: list[tuple[str, h5g.GroupID]] = []
        self._seen: dict[int, str] = {}
        self._count = 0
        self._deepest = 0
        self._lost_names = False
        self._astray = False

    def entries(self) -> Iterator[Message]:
        """Yield a message per dataset, and per link that leads nowhere."""
        root = self._open_root()
        if root is None:
            return
        self._seen[h5g.get_objinfo(root).objno[0]] = ""
        self._groups.append(("", root))
        yield from self._below(root, b"")
        if self._deepest > USUAL_DEPTH:
            deep = f"its groups are nested {self._deepest:,} deep, which other programs may fail on"
            yield {"finding": deep, "key": ""}

    def _open_root(self) -> h5g.GroupID | None:
        """Return the root; None where only what remains is wanted, and it is lost."""
        try:
            return h5g.open(self._root, b"/")
        except FAILURES:
            if not self._remains:
                raise
            self._lost_names = True
            return None

    def strays(self, source: Source) -> Iterator[Message]:
        """Yield the same for what no group leads to, where the names in some group are lost."""
        if not self._lost_names:
            return
        self._astray = True
        for address, child in strays(self._file, source, self._seen):
            name = b"%s-%d" % (UNNAMED, address)
            for message in self._object(child, (child, b"."), name, address):
                yield from self._below(message["open"], name) if "open" in message else (message,)

    def _below(self, top: h5g.GroupID, top_path: bytes) -> Iterator[Message]:
        """Yield the messages of all that lies in a group."""
        names = yield from self._names(top, top_path)
        stack = [(top, top_path, iter(names))]
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
                names = yield from self._names(child, child_path)
                stack.append((child, child_path, iter(names)))

    def _names(self, group: h5g.GroupID, path: bytes) -> Generator[Message, None, list[bytes]]:
        """Return the names in a group; where only what remains is wanted, those that are left, and a message."""
        if not self._remains:
            return _links(group)
        names, error = _left_links(group)
        if error is not None:
            self._lost_names = True
            what = f"the group {escape(text(path)) or '/'!r} cannot be listed: "
            some = f"{len(names):,} of its names are left" if names else "what it held is without names"
            yield {"finding": what + some, "key": text(path), "severity": "error"}
        return names

    def _bound(self, depth: int, name: bytes) -> None:
        self._count += 1
        self._deepest = max(self._deepest, depth)
        if self._count > MAX_ENTRIES:
            raise UnsafeFileError("", f"it has more than {MAX_ENTRIES:,} links")
        if depth > MAX_DEPTH:
            raise UnsafeFileError("", f"its groups are nested more than {MAX_DEPTH:,} deep")
        if len(name) > MAX_NAME_BYTES:
            raise UnsafeFileError("", f"a name takes {len(name):,} bytes")

    def _entry(self, group: h5g.GroupID, name: bytes, path: bytes) -> Iterator[Message]:
        key = text(path)
        try:
            info = group.links.get_info(name)
        except FAILURES as error:
            if not self._remains:
                raise
            yield _refused(key, f"it cannot be found: {escape(str(error)[:200])}")
            return
        kind = info.type
        if kind == h5l.TYPE_EXTERNAL:
            file, target = group.links.get_val(name)
            where = f"{escape(text(file))}:{escape(text(target))}"
            yield _refused(key, f"it is a link to another file, {where}: such links are not followed", whole=True)
        elif kind == h5l.TYPE_SOFT:
            yield from self._soft(group, name, path)
        elif kind == h5l.TYPE_HARD:
            yield from self._hard(group, name, path, info.u)
        else:
            yield _refused(key, f"it is a link of the unknown kind {kind}")

    def _hard(self, group: h5g.GroupID, name: bytes, path: bytes, address: int) -> Iterator[Message]:
        try:
            child = h5o.open(group, name)
        except FAILURES as error:
            yield _refused(text(path), f"it cannot be opened: {escape(str(error)[:200])}")
            return
        yield from self._object(child, (group, name), path, address)

    def _object(self, child: Any, place: Place, path: bytes, address: int) -> Iterator[Message]:
        """Yield the message of a dataset; of a group, one with it as what is "open", for what lies in it."""
        key = text(path)
        first = self._seen.setdefault(address, key)
        if isinstance(child, h5d.DatasetID):
            yield self._dataset(child, key, place, first)
            yield from self._references(child, key)
            if self._astray:
                yield {"finding": STRAY, "key": key}
        elif isinstance(child, h5g.GroupID):
            if first != key:
                yield {"finding": f"the group {escape(key)!r} is {short(first) or '/'!r} again", "key": key}
                return
            self._groups.append((key, child))
            yield {"open": child}

    def _references(self, dataset: h5d.DatasetID, key: str) -> Iterator[Message]:
        try:
            count = null_references(dataset)
        except FAILURES:
            return  # it says so itself when it is read
        if count:
            yield {"finding": f"{count:,} of the references of {escape(key)!r} lead nowhere", "key": key}

    def _dataset(self, dataset: h5d.DatasetID, key: str, place: Place, first: str) -> Message:
        """Return a dataset's message: what it is, or why that cannot be said, which hides no other."""
        try:
            described = describe_dataset(dataset)
        except FAILURES as error:
            return _refused(key, f"it cannot be described: {escape(str(error)[:200])}")
        self.places[key] = place
        return {**described, "key": key, "alias_of": None if first == key else first}

    def attributes(self) -> Iterator[Message]:
        """Yield a message per group with attributes: last, for a damaged one can hang the library."""
        while self._groups:
            key, group = self._groups.pop(0)
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
            yield _refused(key, f"it is a link to {shown!r}, which leads to nothing in this file", whole=True)
            return
        child = h5o.open(self._root, place)
        if isinstance(child, h5d.DatasetID):
            yield self._dataset(child, key, (self._root, place), text(place))
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


def _refused(key: str, problem: str, *, whole: bool = False) -> Message:
    """Return the message of what is no dataset here; ``whole`` where the file may be as it was written."""
    said = {"key": key, "shape": None, "dtype": "unknown", "nbytes": 0, "layout": "none", "problem": problem}
    return {**said, "unsupported": whole}


def _links(group: h5g.GroupID) -> list[bytes]:
    """Return the names in a group: in the order they were made where the file keeps it, else numbers by value."""
    names: list[bytes] = []
    tracked = group.get_create_plist().get_link_creation_order() & h5py.h5p.CRT_ORDER_INDEXED
    index = h5.INDEX_CRT_ORDER if tracked else h5.INDEX_NAME
    group.links.iterate(lambda name: _collect(names, name), idx_type=index, order=h5.ITER_INC)
    return names if tracked else sorted(names, key=_numerically)


def _left_links(group: h5g.GroupID) -> tuple[list[bytes], Exception | None]:
    """Return the names that can be told of a damaged group, and why there are no more of them.

    In the order that they are stored in: for any other, the library makes a table of all first, and where it cannot,
    it crashes as it gives that back (HDF5 1.14 and 2.0, of groups with a heap of links).
    """
    names: list[bytes] = []
    try:
        group.links.iterate(lambda name: _collect(names, name), order=h5.ITER_NATIVE)
    except FAILURES as error:
        return sorted(names, key=_numerically), error
    return sorted(names, key=_numerically), None


def _collect(names: list[bytes], name: bytes) -> None:
    names.append(name)
    if len(names) > MAX_ENTRIES:
        raise UnsafeFileError("", f"a group has more than {MAX_ENTRIES:,} links")


def _numerically(name: bytes) -> tuple[int, int, bytes]:
    return (0, int(name), name) if name.isdigit() and len(name) < 19 else (1, 0, name)
