"""What a group holds: names, and what each leads to.

Specification: HDF5 File Format Specification 3.0, III.B "Group Symbol Table Nodes", III.C "Symbol Table Entry",
IV.A.2.c "The Link Info Message", g "The Link Message", r "The Symbol Table Message".
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import Any

import msgspec

from ckptread.formats.hdf5 import object_header as header
from ckptread.formats.hdf5.btree1 import GROUP, child_of, read_nodes, read_tree_1
from ckptread.formats.hdf5.btree2 import read_tree_2
from ckptread.formats.hdf5.heaps import (
    FractalHeap,
    read_fractal_heap,
    read_heap_object,
    read_heap_objects,
    read_local_heap,
)
from ckptread.formats.hdf5.object_header import HeaderMessage
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock, Unsupported
from ckptread.limits import MAX_ENTRIES
from ckptread.untrusted.binary import Malformed

HARD, SOFT, EXTERNAL = 0, 1, 64
SOFT_CACHE = 2
"""Of an entry of a symbol table: it is a soft link, and where its target is in the heap of names follows."""
SYMBOL_TABLE = Struct("<QQ")
"""The addresses of a tree and of a heap of names."""
SYMBOLS = Struct("<4sBBH")
SYMBOL = Struct("<QQIIIIQ")
"""Where the name is in the heap, the object's address, what is cached, reserved, then what is cached: for a soft link
where its target is in the heap."""
USUAL_LEAF_BYTES = 328
NAME_AT_BYTES = 8
"""Of a key in a tree: where a name is in the heap."""
NAME_RECORD = 5
"""Records of version 2 trees: links by the hash of their names."""
ORDER_TRACKED, ORDER_INDEXED = 1, 2
HAS_ORDER, HAS_KIND, HAS_CHARSET = 4, 8, 16


class Link(msgspec.Struct, frozen=True, gc=False):
    """A name in a group."""

    name: bytes
    kind: int
    address: int
    """Of the object, for a hard link."""
    target: bytes
    """The path, for a soft link; the file and the path, each ending in NUL, for an external one."""
    order: int
    """Of creation; 0 where the file does not keep it."""


class Links(msgspec.Struct, frozen=True):
    """The links of a group."""

    found: list[Link]
    in_order: bool
    """Whether the group keeps the order in which they were made."""
    problem: str = ""
    """Why these are not all, where only what remains was wanted."""


def read_links(head: Superblock, messages: list[HeaderMessage]) -> Parser[Links]:
    """Return the links of the group that these messages describe. Raises Malformed, Unsupported."""
    found: list[Link] = []
    for message in messages:
        if message.kind == header.SYMBOL_TABLE:
            found += yield from _read_symbol_table(head, message)
        elif message.kind == header.LINK:
            found.append(_read_link(message.data, message.offset))
        elif message.kind == header.LINK_INFO:
            found += yield from _read_dense_links(head, message)
    return Links(found, _keeps_order(messages))


def _keeps_order(messages: list[HeaderMessage]) -> bool:
    return any(m.kind == header.LINK_INFO and m.data[1] & ORDER_INDEXED for m in messages if len(m.data) > 1)


def read_remaining_links(head: Superblock, messages: list[HeaderMessage]) -> Parser[Links]:
    """Return those links of a damaged group that can be read, one after the other, and why there are no more."""
    found: list[Link] = []
    problems: list[str] = []
    for message in messages:
        if message.kind == header.LINK:
            yield from _keep(_one_message(message), found, problems)
        elif message.kind == header.LINK_INFO:
            yield from _keep(_read_remaining_dense(head, message, problems), found, problems)
        elif message.kind == header.SYMBOL_TABLE:
            yield from _keep(_read_remaining_table(head, message, problems), found, problems)
    return Links(found, _keeps_order(messages), problems[0] if problems else "")


def _one_message(message: HeaderMessage) -> Parser[list[Link]]:
    yield from ()
    return [_read_link(message.data, message.offset)]


def _keep(parser: Parser[list[Any]], found: list[Any], problems: list[str]) -> Parser[None]:
    """Run a parser, and keep what it finds, or why it does not end."""
    try:
        found += yield from parser
    except (Malformed, Unsupported, struct.error) as error:
        problems.append(str(getattr(error, "problem", error)))


def _read_remaining_table(head: Superblock, message: HeaderMessage, problems: list[str]) -> Parser[list[Link]]:
    tree, heap = SYMBOL_TABLE.unpack_from(message.data)
    names = yield from read_local_heap(head, heap)
    entries: list[tuple[int, ...]] = []
    yield from _keep(read_symbols(head, tree), entries, problems)
    if not entries:
        yield from _read_remaining_nodes(head, tree, entries, problems)
    found: list[Link] = []
    for entry in entries:
        yield from _keep(_one_symbol(names, entry, message.offset), found, problems)
    return found


def _read_remaining_nodes(
    head: Superblock, tree: int, entries: list[tuple[int, ...]], problems: list[str]
) -> Parser[None]:
    """Add the entries of each node that can be read, whatever the others are like."""
    nodes, seen = [tree], {tree}
    for at in nodes:
        below: list[int] = []
        yield from _keep(_read_any_node(head, at, entries), below, problems)
        nodes += [each for each in below if each not in seen]
        seen.update(below)
        if len(seen) > MAX_ENTRIES:
            break


def _one_symbol(names: bytes, entry: tuple[int, ...], offset: int) -> Parser[list[Link]]:
    yield from ()
    return [_symbol_link(names, entry, offset)]


def _read_any_node(head: Superblock, at: int, entries: list[tuple[int, ...]]) -> Parser[list[int]]:
    """Read a node of a group's tree: add its entries, or return the nodes below it."""
    mark = yield from head.read(at, SYMBOLS.size)
    if mark.startswith(b"SNOD"):
        entries += yield from _read_leaves(head, [at])
        return []
    nodes = yield from read_nodes(head, [at], GROUP, NAME_AT_BYTES)
    return list(map(child_of, nodes[0].entries))


def _read_remaining_dense(head: Superblock, message: HeaderMessage, problems: list[str]) -> Parser[list[Link]]:
    place = _dense_place(message)
    if place is None:
        return []
    heap = yield from read_fractal_heap(head, place[0])
    found: list[Link] = []
    for record in (yield from read_tree_2(head, place[1], NAME_RECORD)):
        yield from _keep(_one_dense(head, heap, record), found, problems)
    return found


def _one_dense(head: Superblock, heap: FractalHeap, record: bytes) -> Parser[list[Link]]:
    data = yield from read_heap_object(head, heap, record[4 : 4 + heap.id_bytes])
    return [_read_link(data, head.base + heap.root)]


def _read_symbol_table(head: Superblock, message: HeaderMessage) -> Parser[list[Link]]:
    """Return the links of an older group: a tree of entries, and a heap of names."""
    if len(message.data) < 16:
        raise Malformed("a symbol table is truncated", message.offset)
    tree, heap = SYMBOL_TABLE.unpack_from(message.data)
    names = yield from read_local_heap(head, heap)
    entries = yield from read_symbols(head, tree)
    return [_symbol_link(names, entry, message.offset) for entry in entries]


def read_symbols(head: Superblock, tree: int) -> Parser[list[tuple[int, ...]]]:
    """Return the entries of an older group's tree. Raises Malformed."""
    leaves = list(map(child_of, (yield from read_tree_1(head, tree, GROUP, NAME_AT_BYTES))))
    if len(set(leaves)) < len(leaves):
        raise Malformed("a group's tree leads to a node twice", head.base + tree)
    return (yield from _read_leaves(head, leaves))


def _read_leaves(head: Superblock, addresses: list[int]) -> Parser[list[tuple[int, ...]]]:
    def size_of(data: bytes, address: int) -> int:
        mark, _, _, count = SYMBOLS.unpack_from(data)
        if mark != b"SNOD":
            raise Malformed(f"no entries of a group are at byte {head.base + address:,}", head.base + address)
        return SYMBOLS.size + int(count) * SYMBOL.size

    entries: list[tuple[int, ...]] = []
    for data in (yield from head.read_structures(addresses, SYMBOLS.size, USUAL_LEAF_BYTES, size_of)):
        entries += SYMBOL.iter_unpack(data[SYMBOLS.size : size_of(data, 0)])
    return entries


def _symbol_link(names: bytes, entry: tuple[int, ...], offset: int) -> Link:
    name_at, address, cached, _, target_at, _, _ = entry
    if cached == SOFT_CACHE:
        return Link(_name_at(names, name_at, offset), SOFT, UNDEFINED, _name_at(names, target_at, offset), 0)
    return Link(_name_at(names, name_at, offset), HARD, address, b"", 0)


def _name_at(names: bytes, at: int, offset: int) -> bytes:
    end = names.find(b"\0", at)
    if at >= len(names) or end < 0:
        raise Malformed("a name is outside the heap of names", offset)
    return names[at:end]


def _read_dense_links(head: Superblock, message: HeaderMessage) -> Parser[list[Link]]:
    """Return the links that a newer group keeps in a heap: none where there are few."""
    place = _dense_place(message)
    if place is None:
        return []
    heap = yield from read_fractal_heap(head, place[0])
    records = yield from read_tree_2(head, place[1], NAME_RECORD)
    objects = yield from read_heap_objects(head, heap, [record[4 : 4 + heap.id_bytes] for record in records])
    return [_read_link(data, head.base + heap.root) for data in objects]


def _dense_place(message: HeaderMessage) -> tuple[int, int] | None:
    """Return the addresses of the heap and of the tree that lists it by name; None where there is no heap."""
    tracked = message.data[1:2] and message.data[1] & ORDER_TRACKED
    at = 10 if tracked else 2
    if len(message.data) < at + 16:
        raise Malformed("the message about a group's links is truncated", message.offset)
    address, tree = Struct("<QQ").unpack_from(message.data, at)
    return None if address == UNDEFINED else (address, tree)


def _read_link(data: bytes, offset: int) -> Link:
    try:
        return _link(data)
    except (struct.error, IndexError) as error:
        raise Malformed("a link is truncated", offset) from error


def _link(data: bytes) -> Link:
    flags, at, kind, order = data[1], 2, HARD, 0
    if flags & HAS_KIND:
        kind, at = data[at], at + 1
    if flags & HAS_ORDER:
        order, at = int.from_bytes(data[at : at + 8], "little"), at + 8
    at += 1 if flags & HAS_CHARSET else 0
    width = 1 << (flags & 3)
    length, at = int.from_bytes(data[at : at + width], "little"), at + width
    name, at = data[at : at + length], at + length
    if len(name) < length:
        raise IndexError
    if kind == HARD:
        return Link(name, kind, Struct("<Q").unpack_from(data, at)[0], b"", order)
    nbytes = int.from_bytes(data[at : at + 2], "little")
    target = data[at + 2 : at + 2 + nbytes]
    return Link(name, kind, UNDEFINED, target[1:] if kind == EXTERNAL else target, order)
