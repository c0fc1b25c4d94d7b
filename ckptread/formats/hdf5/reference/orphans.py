"""Finds the objects of a damaged HDF5 file that no group lists any more, in the HDF5 worker.

A group's names are stored apart from the objects, mostly later in the file: truncation loses them first. The headers
of datasets and groups are still there. Those of version 2 are found by their signature; those of version 1 have none,
but what is left of the groups' nodes holds their addresses.
Specification: HDF5 File Format Specification 3.0, III.B "Group Symbol Table Nodes", IV.A.1.b "Version 2 Data Object
Header Prefix"; an object reference is the address of one, VI.A.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Container, Iterable, Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5, h5d, h5g, h5l, h5r

from ckptread.formats.hdf5.group_trees import SYMBOL, SYMBOLS
from ckptread.formats.hdf5.reference import FAILURES
from ckptread.limits import MAX_NODE_SYMBOLS, MAX_ORPHANS
from ckptread.storage.source import Source

OBJECT, NODE_OF_GROUP = re.compile(b"OHDR\2"), re.compile(b"SNOD\1\0")
PIECE_BYTES = 4 << 20

Address = int
"""Of an object's header, counted from the superblock."""


def find_orphans(file: h5py.File, source: Source, seen: Container[Address]) -> Iterator[tuple[Address, Any]]:
    """Yield the objects that were not seen, by address, except those that another one of them lists."""
    found = sorted(set(_addresses(source, file.userblock_size)))[:MAX_ORPHANS]
    objects = dict(_opened(file, (address for address in found if address not in seen)))
    held = {below for each in objects.values() if isinstance(each, h5g.GroupID) for below in _below(each)}
    yield from ((address, each) for address, each in objects.items() if address not in held)


def _addresses(source: Source, base: int) -> Iterator[Address]:
    """Yield the addresses of what may be objects."""
    for at in range(0, source.size, PIECE_BYTES):
        data = source.read(at, min(PIECE_BYTES + SYMBOLS.size, source.size - at))
        yield from (at + match.start() - base for match in OBJECT.finditer(data))
        for match in NODE_OF_GROUP.finditer(data):
            yield from _listed(source, at + match.start())


def _listed(source: Source, at: int) -> Iterator[Address]:
    """Yield the addresses in a group's node, as far as its entries are in the file."""
    if at + SYMBOLS.size > source.size:
        return
    count = min(SYMBOLS.unpack(source.read(at, SYMBOLS.size))[3], MAX_NODE_SYMBOLS)
    there = min(count * SYMBOL.size, source.size - at - SYMBOLS.size) // SYMBOL.size * SYMBOL.size
    yield from (entry[1] for entry in SYMBOL.iter_unpack(source.read(at + SYMBOLS.size, there)))


def _opened(file: h5py.File, addresses: Iterable[Address]) -> Iterator[tuple[Address, Any]]:
    wanted = [address for address in addresses if 0 <= address < 1 << 63]
    for address, reference in zip(wanted, _references(wanted), strict=True):
        try:
            opened = h5r.dereference(reference, file.id)
        except FAILURES:
            continue  # not an object, or its header is incomplete
        if isinstance(opened, h5d.DatasetID | h5g.GroupID):
            yield address, opened


def _references(addresses: list[Address]) -> list[h5r.Reference]:
    """Return references to objects at these addresses, which h5py makes by reading them from a file."""
    if not addresses:
        return []
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        dataset = file.create_dataset("made", data=[file.ref] * len(addresses), dtype=h5py.ref_dtype)
        offset = dataset.id.get_offset()
    made.seek(offset)
    made.write(np.array(addresses, "<u8").tobytes())
    with h5py.File(made, "r") as file:
        return list(file["made"][()])


def _below(group: h5g.GroupID) -> list[Address]:
    """Return the addresses of a group's members, as far as it can be listed."""
    found: list[Address] = []

    def collect(_name: bytes, info: Any) -> None:
        if info.type == h5l.TYPE_HARD:
            found.append(info.u)

    with contextlib.suppress(*FAILURES):
        group.links.iterate(collect, info=True, order=h5.ITER_NATIVE)
    return found
