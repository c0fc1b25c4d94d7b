"""Objects of a damaged file that no group lists any more.

The names of a group are stored apart from the objects, mostly later in the file: where it is truncated, they are lost
first. Descriptions of newer objects begin with a mark. Those of older ones do not, but their addresses are in the nodes
of the groups that listed them.
Specification: HDF5 File Format Specification 3.0, III.B "Group Symbol Table Nodes", IV.A.1.b "Version 2 Data Object
Header Prefix".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptread.formats.hdf5.links import SYMBOL, SYMBOLS
from ckptread.limits import MAX_NODE_SYMBOLS
from ckptread.storage.source import Source

OBJECT, NODE_OF_GROUP = re.compile(b"OHDR\2"), re.compile(b"SNOD\1\0")
PIECE_BYTES = 4 << 20


def object_addresses(source: Source, base: int) -> Iterator[int]:
    """Yield the addresses, counted from ``base``, of what may be objects, wherever they are in the file."""
    for at in range(0, source.size, PIECE_BYTES):
        data = source.read(at, min(PIECE_BYTES + SYMBOLS.size, source.size - at))
        yield from (at + match.start() - base for match in OBJECT.finditer(data))
        for match in NODE_OF_GROUP.finditer(data):
            yield from _listed(source, at + match.start())


def _listed(source: Source, at: int) -> Iterator[int]:
    """Yield the addresses in a node of a group, of those entries that are there."""
    if at + SYMBOLS.size > source.size:
        return
    count = min(SYMBOLS.unpack(source.read(at, SYMBOLS.size))[3], MAX_NODE_SYMBOLS)
    there = min(count * SYMBOL.size, source.size - at - SYMBOLS.size) // SYMBOL.size * SYMBOL.size
    yield from (entry[1] for entry in SYMBOL.iter_unpack(source.read(at + SYMBOLS.size, there)))
