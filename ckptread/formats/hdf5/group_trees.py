"""Checks the B-trees of an HDF5 file's groups, in the file format that HDF5 writes by default.

The library reads only the nodes it needs and compares little: a node that is its own sibling goes unnoticed until
something iterates over it. Here every node of a level must point to the next one and back.
Specification: HDF5 File Format Specification 3.0, III.A.1 "Version 1 B-trees", III.B "Group Symbol Table Nodes".
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from ckptread.errors import CheckpointError, DamagedFileError
from ckptread.formats.hdf5.superblock import HEAD_BYTES, OFFSET_BYTES, SIGNATURE, SIZES_AT, find_superblock
from ckptread.storage.source import Source

UNDEFINED = (1 << 64) - 1
NODE = Struct("<4sBBHQQ")
SYMBOLS = Struct("<4sBBH")
SYMBOL = Struct("<QQLLQQ")
BASE_AT = {0: 24, 1: 28}
ROOT_AT = {0: 56, 1: 60}
"""By version of the superblock: the positions of the base address and of the root group's entry."""
CACHED = 1  # the entry holds the addresses of the group's tree and names


class TreeNode(NamedTuple):
    """A node of a tree, and its address."""

    at: int
    level: int
    left: int
    right: int
    children: tuple[int, ...]


class _Places:
    """Reads a file by address, no more than its size in all: nodes share no bytes."""

    def __init__(self, source: Source, base: int) -> None:
        self.source = source
        self.base = base
        self._left = source.size

    def read(self, at: int, nbytes: int) -> bytes | None:
        """Return the bytes at an address; None outside the file, and once more was read than the file holds."""
        self._left -= nbytes
        if self._left < 0:
            return None
        try:
            return self.source.read(self.base + at, nbytes)
        except CheckpointError:
            return None


def check_trees(source: Source) -> bool:
    """Walk over the trees of all groups that can be found. Returns false: they have no checksum.

    Raises DamagedFileError where the nodes of a level are not each other's neighbours. The library reports anything
    else that is wrong with them.
    """
    found = _root(source)
    if found is None:
        return False
    places = _Places(source, found[0])
    todo, seen = [found[1]], {found[1]}
    while todo:
        for tree in _check_tree(places, todo.pop()):
            if tree not in seen:
                seen.add(tree)
                todo.append(tree)
    return False


def _root(source: Source) -> tuple[int, int] | None:
    """Return the base of all addresses, and the root group's tree; None in another version of the format."""
    found = find_superblock(source, 2 * HEAD_BYTES)
    if found is None:
        return None
    head = found.data
    version = head[len(SIGNATURE)]
    if version not in ROOT_AT or head[SIZES_AT[version]] != OFFSET_BYTES:
        return None
    entry = SYMBOL.unpack_from(head, ROOT_AT[version])
    base = int.from_bytes(head[BASE_AT[version] : BASE_AT[version] + OFFSET_BYTES], "little")
    return (base, entry[4]) if entry[2] == CACHED else None


def _check_tree(places: _Places, root: int) -> Iterator[int]:
    """Check one group's tree, level by level, and yield the trees of the groups in it."""
    addresses, level = [root], None
    while addresses:
        nodes = [node for at in addresses if (node := _node(places, at)) is not None]
        if len(nodes) < len(addresses) or any(node.level != nodes[0].level for node in nodes):
            return
        if level is not None and nodes[0].level != level - 1:
            return
        level = nodes[0].level
        _check_neighbours(places, nodes)
        addresses = [child for node in nodes for child in node.children]
        if level == 0:
            yield from (tree for at in addresses for tree in _trees_below(places, at))
            return


def _check_neighbours(places: _Places, nodes: list[TreeNode]) -> None:
    around = [UNDEFINED, *(node.at for node in nodes), UNDEFINED]
    for left, node, right in zip(around, nodes, around[2:], strict=False):
        if (node.left, node.right) != (left, right):
            file, offset = places.source.locate(places.base + node.at)
            raise DamagedFileError(
                file,
                f"the node of a group's tree at byte {offset:,} has the wrong neighbour",
                advice="members of the group may be listed twice, or not at all: fetch the file again",
                offset=offset,
            )


def _node(places: _Places, at: int) -> TreeNode | None:
    head = places.read(at, NODE.size)
    if head is None:
        return None
    mark, kind, level, count, left, right = NODE.unpack(head)
    body = places.read(at + NODE.size, 16 * count + 8)
    if mark != b"TREE" or kind != 0 or body is None:
        return None
    children = Struct(f"<{2 * count + 1}Q").unpack(body)[1::2]
    return TreeNode(at, level, left, right, children)


def _trees_below(places: _Places, at: int) -> Iterator[int]:
    """Yield the trees of the groups that a symbol node lists."""
    head = places.read(at, SYMBOLS.size)
    if head is None or not head.startswith(b"SNOD"):
        return
    count = SYMBOLS.unpack(head)[3]
    body = places.read(at + SYMBOLS.size, count * SYMBOL.size)
    for entry in SYMBOL.iter_unpack(body or b""):
        if entry[2] == CACHED:
            yield entry[4]
