"""Whether the structures of a file have the checksums and the neighbours that they state.

Newer structures end in a checksum, which is compared here and nowhere else: it takes longer than all of a listing.
Specification: HDF5 File Format Specification 3.0; the checksum is lookup3 of H5checksum.c.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5.chunk_index import read_chunk_index
from ckptread.formats.hdf5.objects import DatasetObject, ObjectReader
from ckptread.formats.hdf5.rounds import Range, Rounds
from ckptread.formats.hdf5.storage_layout import CHUNKED
from ckptread.formats.hdf5.superblock import CHECKED, SUPERBLOCK_BYTES, Unsupported, lookup3, read_superblock
from ckptread.storage.source import Source
from ckptread.untrusted.binary import Malformed

CHECKSUM_BYTES = 4


def check_metadata(source: Source) -> bool:
    """Compare the checksums of all structures, and the neighbours of trees; return whether there are checksums.

    Raises DamagedFileError for the first one that does not agree.
    """
    checked, strangers = _read_structures(source)
    if strangers:
        problem = "the node of a tree at byte {offset:,} has the wrong neighbour"
        advice = "members of the group may be listed twice, or not at all: download the file again"
        raise _damaged(source, strangers[0], problem, advice, "hdf5-structure")
    for offset, nbytes in sorted(set(checked)):
        data = source.read(offset, nbytes)
        if lookup3(data[:-CHECKSUM_BYTES]) != int.from_bytes(data[-CHECKSUM_BYTES:], "little"):
            what = data[:4].decode("latin-1") if data[:4].isalpha() else "superblock"
            problem = f"the checksum of the structure {what!r} at byte {{offset:,}} is wrong"
            raise _damaged(source, offset, problem, "download the file again", "hdf5-metadata-checksum")
    return bool(checked)


def _damaged(source: Source, at: int, problem: str, advice: str, code: str) -> DamagedFileError:
    file, offset = source.locate(at)
    return DamagedFileError(file, problem.format(offset=offset), advice=advice, offset=offset, code=code)


def _read_structures(source: Source) -> tuple[list[Range], list[int]]:
    """Read all that can be reached; return where structures end in a checksum, and the nodes without neighbours."""
    rounds = Rounds(source)
    checked: list[Range] = []
    strangers: list[int] = []
    with suppress(Malformed, Unsupported):  # what cannot be read is reported by whoever lists or reads it
        head = rounds.run(read_superblock(source.size, rounds.at_hand))
        head = msgspec.structs.replace(head, checked=checked, strangers=strangers)
        if head.version in CHECKED:
            checked.append((head.base, SUPERBLOCK_BYTES))
        objects = ObjectReader(head, rounds, remains=True)
        rounds.run(objects.read(head.root))
        for each in objects.found.values():
            if isinstance(each, DatasetObject) and each.layout.kind == CHUNKED:
                with suppress(Malformed):
                    rounds.run(read_chunk_index(head, each))
    return [each for each in checked if sum(each) <= source.size], strangers
