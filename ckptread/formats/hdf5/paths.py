"""The paths in a file that is too large to list while a user waits: only the groups on the way are read."""

from __future__ import annotations

from collections.abc import Iterable

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5 import object_header as header
from ckptread.formats.hdf5.links import HARD, Link, read_links
from ckptread.formats.hdf5.object_header import read_messages
from ckptread.formats.hdf5.rounds import Parser, Rounds
from ckptread.formats.hdf5.superblock import Unsupported, read_superblock
from ckptread.storage.source import Source, Storage
from ckptread.untrusted.binary import Malformed, text

GROUP = {header.SYMBOL_TABLE, header.LINK, header.LINK_INFO}
"""Messages that only groups have."""
SMALL_BYTES = 1 << 20
"""A smaller file has a thousand datasets at most."""
MANY = 1500
"""Links of a file that take longer to list than a user waits for the names: 0.2 s."""
MOST_READ = 500
"""Children of a group that are read to see which of them are groups."""


MOST_PARTS = 50
"""Of a path that is completed at once: a group may contain itself."""


def list_paths(storage: Storage, name: str, typed: str) -> list[str] | None:
    """Return the paths that begin with ``typed``, up to their next slash; None for a file that is opened as fast."""
    with storage.open(name) as source:
        return list_paths_in(source, typed)


def list_paths_in(source: Source, typed: str) -> list[str] | None:
    """Return the same as ``list_paths``, for the HDF5 file in a source."""
    if source.size < SMALL_BYTES:
        return None
    try:
        groups = GroupLinks(source)
        return list(groups.paths(typed)) if groups.are_many() else None
    except (Malformed, Unsupported, DamagedFileError):
        return None


class GroupLinks:
    """Reads the links of the groups of a file, and nothing else."""

    def __init__(self, source: Source) -> None:
        self._rounds = Rounds(source)
        self._head = self._rounds.run(read_superblock(source.size, self._rounds.at_hand))
        self._known: dict[int, list[Link] | None] = {}
        """What was read, by address; None for what is not a group."""

    def are_many(self) -> bool:
        """Whether the file has many links. They are counted level by level, so that few of them are read."""
        count, level = 0, [self._head.root]
        seen = set(level)
        while level and count <= MANY:
            found = self._read(level)
            count += sum(map(len, found.values()))
            level = list({link.address for links in found.values() for link in links if link.kind == HARD} - seen)
            seen.update(level)
        return count > MANY

    def paths(self, typed: str) -> Iterable[str]:
        """Return the paths that begin with ``typed``, up to their next slash; those of groups end in one."""
        folder, slash, start = typed.rpartition("/")
        address: int | None = self._head.root
        for part in filter(None, folder.split("/")):
            address = next((link.address for link in self._links(address) if text(link.name) == part), None)
        found = [link for link in self._links(address) if text(link.name).startswith(start)]
        groups = self._read([link.address for link in found if link.kind == HARD] if len(found) <= MOST_READ else [])
        paths = [folder + slash + text(link.name) + "/" * (link.address in groups) for link in found]
        if len(paths) == 1 and paths[0].endswith("/") and paths[0].count("/") < MOST_PARTS:
            return self.paths(paths[0])
        return paths

    def _links(self, address: int | None) -> list[Link]:
        return [] if address is None else self._read([address]).get(address, [])

    def _read(self, addresses: list[int]) -> dict[int, list[Link]]:
        """Return the links of each of these objects that is a group, all read together."""
        for address in addresses:
            if address not in self._known:
                self._known[address] = None
                self._rounds.add(self._read_one(address))
        self._rounds.run(_nothing())
        return {address: links for address in addresses if (links := self._known[address]) is not None}

    def _read_one(self, address: int) -> Parser[None]:
        try:
            messages = yield from read_messages(self._head, address)
            if not GROUP.isdisjoint(message.kind for message in messages):
                self._known[address] = (yield from read_links(self._head, messages)).found
        except (Malformed, Unsupported):
            return  # a damaged object has no names to complete


def _nothing() -> Parser[None]:
    yield from ()
