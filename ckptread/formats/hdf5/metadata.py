"""Whether the structures of a file have the checksums that they state.

Newer structures end in a checksum, which is compared here and nowhere else: it takes longer than all of a listing.
Specification: HDF5 File Format Specification 3.0; the checksum is lookup3 of H5checksum.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5.chunk_index import read_chunk_index
from ckptread.formats.hdf5.group_trees import check_trees
from ckptread.formats.hdf5.objects import DatasetObject, ObjectReader
from ckptread.formats.hdf5.rounds import Range, Rounds
from ckptread.formats.hdf5.storage_layout import CHUNKED
from ckptread.formats.hdf5.superblock import CHECKED, SUPERBLOCK_BYTES, Unsupported, lookup3, read_superblock
from ckptread.storage.source import Source
from ckptread.untrusted.binary import Malformed

CHECKSUM_BYTES = 4


def check_metadata(source: Source) -> bool:
    """Compare the checksums of all structures, and the trees of older groups; return whether there are checksums.

    Raises DamagedFileError for the first one that does not agree.
    """
    check_trees(source)
    found = sorted(set(_checked_ranges(source)))
    for each in found:
        data = source.read(*each)
        if lookup3(data[:-CHECKSUM_BYTES]) != int.from_bytes(data[-CHECKSUM_BYTES:], "little"):
            file, offset = source.locate(each.offset)
            what = data[:4].decode("latin-1") if data[:4].isalpha() else "superblock"
            raise DamagedFileError(
                file,
                f"the checksum of the structure {what!r} at byte {offset:,} is wrong",
                advice="download the file again",
                offset=offset,
                code="hdf5-metadata-checksum",
            )
    return bool(found)


def _checked_ranges(source: Source) -> Iterator[Range]:
    """Yield where structures are that end in a checksum, of all that can be reached."""
    rounds = Rounds(source)
    checked: list[Range] = []
    with suppress(Malformed, Unsupported):  # what cannot be read is reported by whoever lists or reads it
        head = rounds.run(read_superblock(source.size))._replace(checked=checked)
        if head.version in CHECKED:
            checked.append(Range(head.base, SUPERBLOCK_BYTES))
        objects = ObjectReader(head, rounds, remains=True)
        rounds.run(objects.read(head.root))
        for each in objects.found.values():
            if isinstance(each, DatasetObject) and each.layout.kind == CHUNKED:
                with suppress(Malformed):
                    rounds.run(read_chunk_index(head, each))
    yield from (each for each in checked if each.offset + each.nbytes <= source.size)
