"""The superblock of an HDF5 file: the size that it records, and whether its writer closed the file.

Specification: HDF5 File Format Specification 3.0, II.A "Disk Format: Level 0A - Format Signature and Superblock".
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ckptread.errors import DamagedFileError
from ckptread.storage.source import Source

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD_BYTES = 64
SIZES_AT = {0: 13, 1: 13, 2: 9, 3: 9}
"""By version: the position of the size of an offset, from the signature."""
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""By version: the position of the end-of-file address, with offsets of eight bytes."""
OFFSET_BYTES = 8
MASK = (1 << 32) - 1
CHECKED = (2, 3)
"""The versions with a checksum, and flags of a file that is being written."""
FLAGS_AT, CHECKSUM_AT = 11, 44


class Head(NamedTuple):
    """The superblock's bytes, and their offset in the file."""

    at: int
    data: bytes

    def lay_over(self, at: int, view: memoryview) -> None:
        """Write these bytes over those that were read from ``at``."""
        start, stop = max(at, self.at), min(at + view.nbytes, self.at + len(self.data))
        if start < stop:
            view[start - at : stop - at] = self.data[start - self.at : stop - self.at]


def stated_end(source: Source) -> int | None:
    """Return the size that the file records; None where it has no superblock, or one of unusual offsets."""
    head = find_superblock(source, HEAD_BYTES)
    return None if head is None else _end_of(head.data)


def repaired_superblock(source: Source) -> Head | None:
    """Return the superblock without its "open for write" flag and with a correct checksum; None of older versions.

    libhdf5 refuses a file whose flag is still set, or whose superblock checksum is wrong.
    """
    head = find_superblock(source, HEAD_BYTES)
    if head is None or head.data[8] not in CHECKED or head.data[SIZES_AT[head.data[8]]] != OFFSET_BYTES:
        return None
    closed = head.data[:FLAGS_AT] + b"\0" + head.data[FLAGS_AT + 1 : CHECKSUM_AT]
    return Head(head.at, closed + lookup3(closed).to_bytes(4, "little"))


def find_superblock(source: Source, nbytes: int) -> Head | None:
    """Return ``nbytes`` from the signature on, which may follow a user block of 512, 1,024, 2,048 ... bytes."""
    at = 0
    while at + nbytes <= source.size:
        head = source.read(at, nbytes)
        if head.startswith(SIGNATURE):
            return Head(at, head)
        at = max(512, 2 * at)
    return None


def _end_of(head: bytes) -> int | None:
    version = head[8]
    if version not in END_AT or head[SIZES_AT[version]] != OFFSET_BYTES:
        return None
    start = END_AT[version]
    return int.from_bytes(head[start : start + OFFSET_BYTES], "little")


def truncation_error(source: Source) -> DamagedFileError | None:
    """Return the error of a file that is shorter than it records, None of any other."""
    end = stated_end(source)
    missing = 0 if end is None else end - source.size
    if missing <= 0 or end is None or end >> 63:
        return None
    return DamagedFileError(
        source.name,
        f"it is truncated: {missing:,} of its {end:,} bytes {'is' if missing == 1 else 'are'} missing",
        advice="its download or copy was interrupted: fetch it again, or save what is intact with 'ckptread salvage'",
        offset=source.locate(source.size)[1],
    )


def lookup3(data: bytes) -> int:
    """Return HDF5's checksum of metadata: Bob Jenkins' lookup3, hashlittle with 0 (H5checksum.c)."""
    a = b = c = (0xDEADBEEF + len(data)) & MASK
    padded = data + bytes(-len(data) % 12)
    words = Struct(f"<{len(padded) // 4}I").unpack(padded)
    for at in range(0, len(words) - 3, 3):
        a, b, c = _mixed((a + words[at]) & MASK, (b + words[at + 1]) & MASK, (c + words[at + 2]) & MASK)
    if not data:
        return c
    a, b, c = ((last + word) & MASK for last, word in zip((a, b, c), words[-3:], strict=True))
    return _final(a, b, c)


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for count in (4, 6, 8, 16, 19, 4):
        a = (a - c ^ _rotate(c, count)) & MASK
        c = (c + b) & MASK
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for count in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotate(b, count)) & MASK
        a, b, c = b, c, a
    return b


def _rotate(value: int, count: int) -> int:
    return (value << count | value >> 32 - count) & MASK
