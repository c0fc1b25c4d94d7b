"""Version 1 B-trees: the names of older groups, and the chunks of older datasets.

Specification: HDF5 File Format Specification 3.0, III.A.1 "Version 1 B-trees".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from struct import Struct
from typing import Any

import msgspec

from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock
from ckptread.limits import MAX_CHUNKS
from ckptread.untrusted.binary import Malformed

NODE = Struct("<4sBBHQQ")
"""Mark, kind, level, entries, neighbours left and right; then a key and an address in turn, and a last key."""
GROUP, CHUNKS = 0, 1
NAMES = {GROUP: "a group", CHUNKS: "chunks"}
ADDRESS_BYTES = 8
USUAL_BYTES = 544
"""Of a node of a group."""
MAX_LEVEL = 16


class TreeNode(msgspec.Struct, frozen=True):
    """A node, its entries not taken apart."""

    level: int
    left: int
    right: int
    entries: list[bytes]
    """A key and an address each."""
    last: bytes
    """The key behind them: what follows all that the node leads to."""


def child_of(entry: bytes) -> int:
    """Return the address of what an entry leads to."""
    return int.from_bytes(entry[-ADDRESS_BYTES:], "little")


def read_tree_1(
    head: Superblock, address: int, kind: int, key_bytes: int, order: Callable[[bytes], Any] | None = None
) -> Parser[list[bytes]]:
    """Return the entries of the lowest level of the tree at ``address``, in order. Raises Malformed.

    Where ``order`` says what a key is to be sorted by, all nodes are between the keys that lead to them.
    """
    addresses, seen, level = [address], {address}, None
    around = [(b"", b"")]
    while True:
        nodes = yield from read_nodes(head, addresses, kind, key_bytes)
        if level is None:
            level = min(nodes[0].level, MAX_LEVEL)
        if any(node.level != level for node in nodes):
            raise Malformed(f"the nodes of a tree of {NAMES[kind]} are not of one level", head.base + address)
        _note_neighbours(head, addresses, nodes)
        if order is not None:
            _check_keys(nodes, around, order, head.base + address)
        if level == 0 and len(nodes) == 1:
            return nodes[0].entries
        entries = [entry for node in nodes for entry in node.entries]
        if level == 0:
            return entries
        around = [pair for node in nodes for pair in pairwise([*node.entries, node.last])]
        addresses, level, before = list(map(child_of, entries)), level - 1, len(seen)
        seen.update(addresses)
        if len(seen) < before + len(addresses) or len(seen) > MAX_CHUNKS or not addresses:
            raise Malformed(f"a tree of {NAMES[kind]} leads to a node twice, or to too many", head.base + address)


def read_nodes(head: Superblock, addresses: Sequence[int], kind: int, key_bytes: int) -> Parser[list[TreeNode]]:
    """Return the nodes at these addresses. Raises Malformed."""
    nbytes = key_bytes + ADDRESS_BYTES

    def size_of(data: bytes, address: int) -> int:
        mark, own, _, count, _, _ = NODE.unpack_from(data)
        if mark != b"TREE" or own != kind:
            raise Malformed(f"no tree of {NAMES[kind]} is at byte {head.base + address:,}", head.base + address)
        return NODE.size + int(count) * nbytes + key_bytes

    nodes = []
    for data in (yield from head.read_structures(addresses, NODE.size, USUAL_BYTES, size_of)):
        _, _, level, count, left, right = NODE.unpack_from(data)
        entries = [data[at : at + nbytes] for at in range(NODE.size, NODE.size + count * nbytes, nbytes)]
        nodes.append(TreeNode(level, left, right, entries, data[NODE.size + count * nbytes :][:key_bytes]))
    return nodes


def _check_keys(
    nodes: Sequence[TreeNode], around: Sequence[tuple[bytes, bytes]], order: Callable[[bytes], Any], at: int
) -> None:
    """Raise where a node holds what is not between the two keys ``around`` it: the library would not find that."""
    for node, (low, high) in zip(nodes, around, strict=True):
        if node.entries:
            first, last = order(node.entries[0]), order(node.entries[-1])
            if last >= order(node.last) or (low and first < order(low)) or (high and last >= order(high)):
                raise Malformed("the index of the chunks is out of order", at)


def _note_neighbours(head: Superblock, addresses: Sequence[int], nodes: Sequence[TreeNode]) -> None:
    """Note the nodes of one level that do not state each other as their neighbours."""
    if head.strangers is not None:
        around = [UNDEFINED, *addresses, UNDEFINED]
        for number, (address, node) in enumerate(zip(addresses, nodes, strict=True)):
            if (node.left, node.right) != (around[number], around[number + 2]):
                head.strangers.append(head.base + address)
