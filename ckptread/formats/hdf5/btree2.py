"""B-trees of version 2: what lists the links, attributes and chunks of newer files.

Specification: HDF5 File Format Specification 3.0, III.A.2 "Disk Format: Level 1A2 - Version 2 B-trees".
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

import msgspec

from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock
from ckptread.untrusted.binary import Malformed

HEAD = Struct("<4sBBIHHBBQHQ")
"""Mark, version, kind of the records, bytes of a node and a record, depth, split and merge percent, the root's address
and records, records in all."""
PREFIX_BYTES, CHECKSUM_BYTES = 6, 4
"""Of a node: mark, version, kind; the checksum is behind its records."""
RECORD_BYTES = {1: 24, 5: 11, 8: 17}
"""By kind, of those of one size: objects in heaps, links and attributes by name."""
MAX_DEPTH = 16
MAX_RECORDS = 1_000_000


class Level(msgspec.Struct, frozen=True, gc=False):
    """What the pointers of a level's nodes take, and how many records a node may have."""

    most: int
    """Records of a node."""
    below: int
    """Records of a node and of all nodes below it."""
    pointer: int
    """Bytes of a pointer: address, records of the node, and from the second level on of all below it."""


class TreeHead(msgspec.Struct, frozen=True, gc=False):
    """The head of a tree."""

    kind: int
    node_bytes: int
    record_bytes: int
    depth: int
    root: int
    root_records: int
    records: int


def read_tree_2(head: Superblock, address: int, kind: int) -> Parser[list[bytes]]:
    """Return all records of the tree at ``address``, in its order; none where there is no tree. Raises Malformed."""
    if address == UNDEFINED:
        return []
    tree = yield from read_tree_head(head, address, kind)
    levels = _levels(tree, head.base + address)
    found: list[list[list[bytes]]] = []
    nodes = [(tree.root, tree.root_records)] if tree.root != UNDEFINED else []
    for depth in range(tree.depth, -1, -1):
        if any(count > levels[depth].most for _, count in nodes):
            raise Malformed("a node of a tree has more records than it has room for", head.base + address)
        data = yield from head.read_all([(at, _node_bytes(tree, count, depth)) for at, count in nodes])
        below: list[tuple[int, int]] = []
        found.append([])
        for (at, count), node in zip(nodes, data, strict=True):
            _check_node(node, depth, head.base + at)
            end = PREFIX_BYTES + count * tree.record_bytes
            head.note(at, end + (count + 1) * levels[depth].pointer * bool(depth) + CHECKSUM_BYTES)
            found[-1].append([node[n : n + tree.record_bytes] for n in range(PREFIX_BYTES, end, tree.record_bytes)])
            below += _pointers(node, end, count + 1, levels[depth - 1], levels[depth].pointer) if depth else []
        if sum(len(records) for level in found for records in level) > min(tree.records, MAX_RECORDS):
            raise Malformed(f"a tree has more than {tree.records:,} records", head.base + address)
        nodes = below
    return _in_order(found)


def _in_order(levels: list[list[list[bytes]]]) -> list[bytes]:
    """Return the records of all nodes, given by level: those of a node are between those of the nodes below it."""
    below: Iterator[list[bytes]] = iter(())
    for level in reversed(levels):
        below = iter([_between(node, below) for node in level])
    return next(below, [])


def _between(node: list[bytes], below: Iterator[list[bytes]]) -> list[bytes]:
    found = [*next(below, ())]
    for record in node:
        found += [record, *next(below, ())]
    return found


def read_tree_head(head: Superblock, address: int, kind: int) -> Parser[TreeHead]:
    """Read the head of the tree at ``address``. Raises Malformed where it is none of this kind."""
    mark, _, own, node, record, depth, _, _, root, count, total = HEAD.unpack(
        (yield from head.read(address, HEAD.size))
    )
    at = head.base + address
    fits = RECORD_BYTES.get(kind, 1) <= record <= node - PREFIX_BYTES - CHECKSUM_BYTES
    if mark != b"BTHD" or own != kind or depth > MAX_DEPTH or not fits:
        raise Malformed(f"no tree of records of kind {kind} is at byte {at:,}", at)
    head.note(address, HEAD.size + CHECKSUM_BYTES)
    return TreeHead(own, node, record, depth, root, count, total)


def _node_bytes(tree: TreeHead, count: int, depth: int) -> int:
    """Return how much of a node to read: of a leaf, what its records take."""
    return tree.node_bytes if depth else PREFIX_BYTES + count * tree.record_bytes


def _check_node(node: bytes, depth: int, at: int) -> None:
    if node[:4] != (b"BTIN" if depth else b"BTLF"):
        raise Malformed(f"no node of a tree is at byte {at:,}", at)


def _levels(tree: TreeHead, at: int) -> list[Level]:
    """Return what each level's nodes are like, the leaves first. Raises Malformed where a node holds nothing."""
    room = tree.node_bytes - PREFIX_BYTES - CHECKSUM_BYTES
    most = room // tree.record_bytes
    levels = [Level(most, most, 0)]
    for _ in range(tree.depth):
        last = levels[-1]
        pointer = 8 + _width(levels[0].most) + (_width(last.below) if len(levels) > 1 else 0)
        most = (room - pointer) // (tree.record_bytes + pointer)
        if most <= 0:
            raise Malformed("the nodes of a tree are too small for a record", at)
        levels.append(Level(most, (most + 1) * last.below + most, pointer))
    return levels


def _width(most: int) -> int:
    """Return the bytes that a count of at most ``most`` takes."""
    return (most.bit_length() + 7) // 8


def _pointers(node: bytes, at: int, count: int, below: Level, nbytes: int) -> list[tuple[int, int]]:
    """Return the address and the records of each node below."""
    found = []
    for place in range(at, at + count * nbytes, nbytes):
        records = int.from_bytes(node[place + 8 : place + 8 + _width_of(below, nbytes)], "little")
        found.append((int.from_bytes(node[place : place + 8], "little"), records))
    return found


def _width_of(below: Level, nbytes: int) -> int:
    """Return the bytes of a pointer's first count: all that is left, but for the second count of upper levels."""
    return nbytes - 8 if below.pointer == 0 else nbytes - 8 - _width(below.below)
