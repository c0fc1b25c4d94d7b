"""Walks over a file in the HDF5 worker: every link once, and no link out of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
from h5py import h5, h5d, h5g, h5l, h5o

from ckptread.errors import UnsafeFileError
from ckptread.formats.hdf5.reference import FAILURES
from ckptread.formats.hdf5.reference.describe import attributes, describe_dataset, null_references
from ckptread.limits import MAX_ENTRIES, MAX_GROUP_DEPTH, MAX_KEY_BYTES, MAX_LINK_HOPS
from ckptread.tensors import Severity
from ckptread.untrusted.binary import text
from ckptread.wording import cut, escape, quoted
from ckptread.worker.protocol import Entry, FoundAttributes, FoundDataset, FoundProblem

USUAL_DEPTH = 500
"""Groups nested deeper are listed with a warning: other programs fail or crash on them."""


class LinkWalk:
    """A walk over all links of a file that visits each object once, and follows no link out of it."""

    def __init__(self, file: h5py.File) -> None:
        self._root = file.id
        self._found: list[Entry] = []
        """What is not yet sent."""
        self._groups: list[tuple[str, h5g.GroupID]] = []
        """Whose attributes are not yet sent."""
        self._seen: dict[int, str] = {}
        """The first key of each object, by its address."""
        self._count = 0
        self._deepest = 0

    def entries(self) -> Iterator[Entry]:
        """Yield an entry per dataset, and per link that leads nowhere."""
        root = h5g.open(self._root, b"/")
        self._seen[h5g.get_objinfo(root).objno[0]] = ""
        self._groups.append(("", root))
        yield from self._below(root, b"")
        if self._deepest > USUAL_DEPTH:
            self._report(
                "", "hdf5-depth", f"its groups are nested {self._deepest:,} deep, which other programs may fail on"
            )
        yield from self._take_found()

    def attributes(self) -> Iterator[Entry]:
        """Yield an entry per group with attributes: last, for a damaged one can hang the library."""
        while self._groups:
            key, group = self._groups.pop(0)
            found, unreadable = attributes(group)
            if found:
                yield FoundAttributes(group=key, attributes=found)
            for name in unreadable:
                self._report(
                    key, "hdf5-attribute", f"the attribute {quoted(name)} of {quoted(key or '/')} cannot be read"
                )
            yield from self._take_found()

    def _take_found(self) -> list[Entry]:
        found, self._found = self._found, []
        return found

    def _report(self, key: str, code: str, message: str, severity: Severity = "warning") -> None:
        self._found.append(FoundProblem(key=key, code=code, message=message, severity=severity))

    def _refuse(self, key: str, problem: str, *, unsupported: bool = False) -> None:
        """List what cannot be read as a dataset; ``unsupported`` where the file may be intact."""
        refused = FoundDataset(key=key, shape=None, dtype="unknown", problem=problem, unsupported=unsupported)
        self._found.append(refused)

    def _below(self, top: h5g.GroupID, top_path: bytes) -> Iterator[Entry]:
        """Yield the entries of all that a group holds, its subgroups' included."""
        stack = [(top, top_path, iter(_links(top)))]
        while stack:
            group, path, links = stack[-1]
            name = next(links, None)
            if name is None:
                stack.pop()
                continue
            child_path = path + b"/" + name if path else name
            self._check_bounds(len(stack), name)
            child = self._add_link(group, name, child_path)
            if child is not None:
                stack.append((child, child_path, iter(_links(child))))
            yield from self._take_found()
        yield from self._take_found()

    def _check_bounds(self, depth: int, name: bytes) -> None:
        self._count += 1
        self._deepest = max(self._deepest, depth)
        if self._count > MAX_ENTRIES:
            raise UnsafeFileError("", f"it has more than {MAX_ENTRIES:,} links")
        if depth > MAX_GROUP_DEPTH:
            raise UnsafeFileError("", f"its groups are nested more than {MAX_GROUP_DEPTH:,} deep")
        if len(name) > MAX_KEY_BYTES:
            raise UnsafeFileError("", f"a name takes {len(name):,} bytes")

    def _add_link(self, group: h5g.GroupID, name: bytes, path: bytes) -> h5g.GroupID | None:
        """List what a link leads to; return the group to go on in, if it leads to one."""
        key = text(path)
        info = group.links.get_info(name)
        if info.type == h5l.TYPE_HARD:
            return self._add_hard(group, name, path, info.u)
        if info.type == h5l.TYPE_SOFT:
            self._add_soft(group, name, path)
        elif info.type == h5l.TYPE_EXTERNAL:
            file, target = (escape(text(part)) for part in group.links.get_val(name))
            problem = f"it is a link to another file, {file}:{target}: such links are not followed"
            self._refuse(key, problem, unsupported=True)
        else:
            self._refuse(key, f"it is a link of the unknown kind {info.type}")
        return None

    def _add_hard(self, group: h5g.GroupID, name: bytes, path: bytes, address: int) -> h5g.GroupID | None:
        try:
            child = h5o.open(group, name)
        except FAILURES as error:
            self._refuse(text(path), f"it cannot be opened: {escape(str(error)[:200])}")
            return None
        return self._add_object(child, path, address)

    def _add_object(self, child: Any, path: bytes, address: int) -> h5g.GroupID | None:
        """List a dataset; return a group, unless it was seen before."""
        key = text(path)
        first = self._seen.setdefault(address, key)
        if isinstance(child, h5d.DatasetID):
            self._add_dataset(child, key, first)
            self._check_references(child, key)
        elif isinstance(child, h5g.GroupID) and first != key:
            self._report(key, "hdf5-group-again", f"the group {quoted(key)} is {quoted(cut(first) or '/')} again")
        elif isinstance(child, h5g.GroupID):
            self._groups.append((key, child))
            return child
        return None

    def _add_dataset(self, dataset: h5d.DatasetID, key: str, first: str) -> None:
        """List a dataset, or why it cannot be described: one bad dataset hides no other."""
        try:
            address = h5g.get_objinfo(dataset).objno[0]
            described = describe_dataset(dataset, key, address, alias_of=None if first == key else first)
        except FAILURES as error:
            self._refuse(key, f"it cannot be described: {escape(str(error)[:200])}")
            return
        self._found.append(described)

    def _check_references(self, dataset: h5d.DatasetID, key: str) -> None:
        try:
            count = null_references(dataset)
        except FAILURES:
            return  # reading the dataset reports it
        if count:
            self._report(key, "hdf5-reference", f"{count:,} of the references of {quoted(key)} lead nowhere")

    def _add_soft(self, group: h5g.GroupID, name: bytes, path: bytes) -> None:
        """List a soft link's dataset again under the link's own name; groups are listed where they are."""
        key, target = text(path), group.links.get_val(name)
        place = self._resolve(path, target)
        shown = quoted(text(target))
        if place is None:
            problem = f"it is a link to {shown}, which leads to nothing in this file"
            self._refuse(key, problem, unsupported=True)
            return
        child = h5o.open(self._root, place)
        if isinstance(child, h5d.DatasetID):
            self._add_dataset(child, key, self._seen.get(h5g.get_objinfo(child).objno[0], text(place)))
        elif isinstance(child, h5g.GroupID):
            self._report(key, "hdf5-group-link", f"{quoted(key)} is a link to the group {shown}", "note")

    def _resolve(self, path: bytes, target: bytes) -> bytes | None:
        """Return a soft link's target as a path of hard links only, None where it leads nowhere or out of the file."""
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
            if kind != h5l.TYPE_SOFT or hops > MAX_LINK_HOPS:
                return None
            further = group.links.get_val(part)
            done = [] if further.startswith(b"/") else done
            todo = [p for p in further.split(b"/") if p not in (b"", b".")] + todo
        return b"/".join(done) or None


def _links(group: h5g.GroupID) -> list[bytes]:
    """Return the names in a group: in creation order where the file tracks it, else with numbers sorted by value."""
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
