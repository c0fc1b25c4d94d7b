"""The head of an HDF5 file: where the file says that it ends.

Specification: HDF5 File Format Specification 3.0, II.A "Disk Format: Level 0A - Format Signature and Superblock".
"""

from __future__ import annotations

from ckptread.errors import DamagedFileError
from ckptread.source import Source

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD_BYTES = 64
SIZES_AT = {0: 13, 1: 13, 2: 9, 3: 9}
"""By version: where the size of an offset stands, from the signature."""
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""By version: where the end-of-file address stands, with offsets of eight bytes."""
OFFSET_BYTES = 8


def stated_end(source: Source) -> int | None:
    """Return the size that the file is to have; None where it does not begin as HDF5 files do, or says none.

    The signature stands at the file's beginning, or behind a user block of 512 bytes, 1,024, 2,048 and so on.
    """
    at = 0
    while at + HEAD_BYTES <= source.size:
        head = source.read(at, HEAD_BYTES)
        if head.startswith(SIGNATURE):
            return _end_of(head)
        at = max(512, 2 * at)
    return None


def _end_of(head: bytes) -> int | None:
    version = head[8]
    if version not in END_AT or head[SIZES_AT[version]] != OFFSET_BYTES:
        return None
    start = END_AT[version]
    return int.from_bytes(head[start : start + OFFSET_BYTES], "little")


def cut_short(source: Source) -> DamagedFileError | None:
    """Return the error of a file that ends before it says; None of one that does not."""
    end = stated_end(source)
    missing = 0 if end is None else end - source.size
    if missing <= 0 or end is None or end >> 63:
        return None
    return DamagedFileError(
        source.name,
        f"it is cut short: {missing:,} of its {end:,} bytes are missing",
        advice="its download or copy was interrupted: fetch it again; 'ckptread salvage' saves what is whole",
        offset=source.locate(source.size)[1],
    )
