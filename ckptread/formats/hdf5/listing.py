"""Which names lead to which object: the datasets of a file by their paths, in order, as tensors.

Every link is followed within the file alone. A second name for a dataset is an alias of the first one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ckptread.errors import UnsafeFileError
from ckptread.formats.hdf5.links import EXTERNAL, HARD, SOFT, Link, Links
from ckptread.formats.hdf5.objects import DatasetObject, GroupObject, LostObject, Object
from ckptread.formats.hdf5.superblock import Superblock
from ckptread.limits import MAX_ENTRIES, MAX_GROUP_DEPTH, MAX_KEY_BYTES, MAX_LINK_HOPS
from ckptread.tensors import Severity
from ckptread.untrusted.binary import text
from ckptread.wording import cut, escape, quoted

MAX_STEPS = 2_000_000
"""Components of paths that all soft links of a file are followed over."""
UNNAMED = "unnamed"
"""What an object is called whose name is lost, before the address of its description."""
LOST_NAME = "its own name is lost with the group that listed it: it is called after the byte at which it is described"
USUAL_DEPTH = 500
"""Groups nested deeper are listed, with a warning: other programs that read them end in an error, or in a crash."""


class Listed(msgspec.Struct, frozen=True):
    """A name in the file, and the dataset that it leads to or why it leads to none."""

    key: str
    dataset: DatasetObject | None
    alias_of: str | None = None
    problem: str = ""
    unsupported: bool = False


class Noted(msgspec.Struct, frozen=True):
    """Something worth knowing about a name."""

    code: str
    key: str
    message: str
    severity: Severity = "warning"


class Name(msgspec.Struct, frozen=True):
    """A link to something that is not a group, or to a group that holds it."""

    key: str
    link: Link
    groups: tuple[GroupObject, ...]
    """The group that holds the link and those around it, from the root, where it is a soft link; else empty."""
    child: Object | None


class Lister:
    """Walks over the links of a file from its root, and names what they lead to."""

    def __init__(self, path: str, head: Superblock, objects: dict[int, Object]) -> None:
        self.groups: list[tuple[str, GroupObject]] = []
        """The groups in the order in which they are met, each once, with its path."""
        self._path = path
        self._head = head
        self._objects = objects
        self._first: dict[int, str] = {}
        """The first path of hard links to each object."""
        self._names: dict[int, dict[bytes, Link]] = {}
        self._resolved: dict[bytes, Object | None] = {}
        self._count = 0
        self._steps = 0
        self._deepest = 0

    def entries(self) -> Iterator[Listed | Noted]:
        """Yield the datasets, links that lead nowhere, and notes, depth first. Raises UnsafeFileError for too many."""
        root = self._objects.get(self._head.root)
        names = list(self._walk(root, "")) if isinstance(root, GroupObject) else []
        for name in names:
            yield from self._entries_of(name)
        yield from self._lost_links(0)
        if self._deepest > USUAL_DEPTH:
            yield Noted(
                "hdf5-depth", "", f"its groups are nested {self._deepest:,} deep, which other programs may fail on"
            )

    def path_of(self, address: int) -> str | None:
        """Return the first path of the object at an address; None if no name leads there."""
        return self._first.get(address)

    @property
    def names_lost(self) -> bool:
        """Whether some group could not be listed, or only in part."""
        complete = all(isinstance(each, GroupObject) and not each.links.problem for _, each in self.groups)
        return not complete or not isinstance(self._objects.get(self._head.root), GroupObject)

    def orphans(self, addresses: list[int]) -> Iterator[Listed | Noted]:
        """Yield what is at these addresses, where no name has led there, each under a name that is made for it."""
        found = {at: self._objects[at] for at in addresses if at not in self._first and at in self._objects}
        groups = [each for each in found.values() if isinstance(each, GroupObject)]
        held = {link.address for each in groups for link in each.links.found if link.kind == HARD}
        listed = len(self.groups)
        taken = set(self._first.values())
        for address, child in found.items():
            if address in held or address in self._first:
                continue
            key = _free(f"{UNNAMED}-{address}", taken)
            if isinstance(child, DatasetObject):
                self._meet(child, key)
                yield from self._orphan(self._dataset(key, child))
            elif isinstance(child, GroupObject):
                for name in list(self._walk(child, key)):
                    for entry in self._entries_of(name):
                        yield from self._orphan(entry)
        yield from self._lost_links(listed)

    def _orphan(self, entry: Listed | Noted) -> Iterator[Listed | Noted]:
        yield entry
        if isinstance(entry, Listed) and entry.dataset is not None:
            yield Noted("hdf5-orphan", entry.key, LOST_NAME)

    def _lost_links(self, first: int) -> Iterator[Noted]:
        """Yield why the groups, from the first one on, could not be listed, or only in part."""
        for key, group in self.groups[first:]:
            count = len(group.links.found)
            left = f"{count:,} of its names are left" if count else "what it held is without names"
            if group.links.problem:
                yield Noted("hdf5-names-lost", key, f"the group {quoted(key or '/')} cannot be listed: {left}", "error")

    def _walk(self, root: GroupObject, top: str) -> Iterator[Name]:
        """Yield the names below a group, without those of groups that are only entered."""
        self._meet(root, top)
        stack = [(root, _folder(top), self._ordered(root, 1))]
        above = {root.address}
        while stack:
            group, path, links = stack[-1]
            for link in links:
                key = path + text(link.name)
                child = self._objects.get(link.address) if link.kind == HARD else None
                if child is not None:
                    self._meet(child, key)
                if isinstance(child, GroupObject) and child.address not in above:
                    above.add(child.address)
                    stack.append((child, _folder(key), self._ordered(child, len(stack) + 1)))
                    break
                yield Name(key, link, tuple(each[0] for each in stack) if link.kind == SOFT else (), child)
            else:
                stack.pop()
                above.discard(group.address)

    def _meet(self, child: Object, key: str) -> None:
        if child.address not in self._first:
            self._first[child.address] = key
            if isinstance(child, GroupObject):
                self.groups.append((key, child))

    def _ordered(self, group: GroupObject, depth: int) -> Iterator[Link]:
        """Return a group's links in order. Raises UnsafeFileError where they are too many, too deep or too long."""
        found = group.links.found
        if not found:
            return iter(found)
        self._count += len(found)
        self._deepest = max(self._deepest, depth)
        longest = max(len(link.name) for link in found)
        if self._count > MAX_ENTRIES:
            raise UnsafeFileError(self._path, f"it has more than {MAX_ENTRIES:,} links")
        if depth > MAX_GROUP_DEPTH:
            raise UnsafeFileError(self._path, f"its groups are nested more than {MAX_GROUP_DEPTH:,} deep")
        if longest > MAX_KEY_BYTES:
            raise UnsafeFileError(self._path, f"a name takes {longest:,} bytes")
        return iter(_ordered(group.links) if len(found) > 1 else found)

    def _entries_of(self, name: Name) -> Iterator[Listed | Noted]:
        key, link = name.key, name.link
        if link.kind == SOFT:
            yield from self._soft(name)
        elif link.kind == EXTERNAL:
            where = ":".join(escape(text(part)) for part in link.target.split(b"\0")[:2])
            yield _refused(key, f"it is a link to another file, {where}: such links are not followed", unsupported=True)
        elif link.kind != HARD:
            yield _refused(key, f"it is a link of the unknown kind {link.kind}")
        else:
            yield from self._hard(key, name.child)

    def _hard(self, key: str, child: Object | None) -> Iterator[Listed | Noted]:
        if isinstance(child, DatasetObject):
            yield self._dataset(key, child)
        elif isinstance(child, GroupObject):
            yield Noted(
                "hdf5-group-again",
                key,
                f"the group {quoted(key)} is {quoted(cut(self._first[child.address]) or '/')} again",
            )
        elif isinstance(child, LostObject):
            yield _refused(key, f"it cannot be described: {child.problem}", unsupported=child.unsupported)
        elif child is None:
            raise UnsafeFileError(self._path, f"it has more than {MAX_ENTRIES:,} objects")

    def _dataset(self, key: str, dataset: DatasetObject) -> Listed:
        first = self._first[dataset.address]
        return Listed(key, dataset, None if first == key else first)

    def _soft(self, name: Name) -> Iterator[Listed | Noted]:
        """Yield the dataset that a soft link leads to, under the link's own name; groups are listed where they are."""
        shown = quoted(text(name.link.target))
        found = self._target(list(name.groups), name.link.target)
        if isinstance(found, DatasetObject):
            yield self._dataset(name.key, found)
        elif isinstance(found, GroupObject):
            yield Noted("hdf5-group-link", name.key, f"{quoted(name.key)} is a link to the group {shown}", "note")
        elif found is None:
            problem = f"it is a link to {shown}, which leads to nothing in this file"
            yield _refused(name.key, problem, unsupported=True)

    def _target(self, groups: list[GroupObject], target: bytes) -> Object | None:
        """Return what ``_resolve`` does; paths from the root are followed once, however many links have them."""
        if not target.startswith(b"/"):
            return self._resolve(groups, target)
        if target not in self._resolved:
            self._resolved[target] = self._resolve(groups, target)
        return self._resolved[target]

    def _resolve(self, groups: list[GroupObject], target: bytes) -> Object | None:
        """Return the object that a path leads to, from a group; None where it leads nowhere, out or in a circle."""
        parts, hops = _parts(target), 0
        groups = groups[:1] if target.startswith(b"/") else groups
        while parts:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise UnsafeFileError(self._path, "its soft links lead over too many others")
            link = self._link(groups[-1], parts.pop())
            if link is None:
                return None
            if link.kind == SOFT:
                hops += 1
                if hops > MAX_LINK_HOPS:
                    return None
                parts += _parts(link.target)
                groups = groups[:1] if link.target.startswith(b"/") else groups
                continue
            child = self._objects.get(link.address) if link.kind == HARD else None
            if not isinstance(child, GroupObject):
                return None if parts else child
            groups = [*groups, child]
        return groups[-1]

    def _link(self, group: GroupObject, name: bytes) -> Link | None:
        names = self._names.get(group.address)
        if names is None:
            names = self._names[group.address] = {link.name: link for link in group.links.found}
        return names.get(name)


def _folder(path: str) -> str:
    return path + "/" if path else ""


def _free(name: str, taken: set[str]) -> str:
    """Return a name that nothing in the file has."""
    while name in taken:
        name += "'"
    return name


def _parts(target: bytes) -> list[bytes]:
    """Return the components of a path, the first one last."""
    return [part for part in reversed(target.split(b"/")) if part not in (b"", b".")]


def _refused(key: str, problem: str, *, unsupported: bool = False) -> Listed:
    """Return what is not a dataset here; ``unsupported`` where the file may be as it was written."""
    return Listed(key, None, None, problem, unsupported)


def _ordered(links: Links) -> list[Link]:
    """Return links in the order in which they were made, where it is kept; else numbers by value, then names."""
    if links.in_order:
        return sorted(links.found, key=lambda link: link.order)
    return sorted(links.found, key=lambda link: _numerically(link.name))


def _numerically(name: bytes) -> tuple[int, int, bytes]:
    return (0, int(name), name) if name.isdigit() and len(name) < 19 else (1, 0, name)
