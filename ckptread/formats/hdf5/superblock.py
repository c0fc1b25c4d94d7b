"""The head of an HDF5 file: where the file says that it ends, and whether its writer has closed it.

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
"""By version: where the size of an offset stands, from the signature."""
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""By version: where the end-of-file address stands, with offsets of eight bytes."""
OFFSET_BYTES = 8
MASK = (1 << 32) - 1
CHECKED = (2, 3)
"""The versions that end in a checksum, with the flags of a file that is being written."""
FLAGS_AT, CHECKSUM_AT = 11, 44


class Head(NamedTuple):
    """The first bytes of a file, and where they stand."""

    at: int
    data: bytes

    def lay_over(self, at: int, view: memoryview) -> None:
        """Write these bytes over those that were read from ``at``."""
        start, stop = max(at, self.at), min(at + view.nbytes, self.at + len(self.data))
        if start < stop:
            view[start - at : stop - at] = self.data[start - self.at : stop - self.at]


def stated_end(source: Source) -> int | None:
    """Return the size that the file is to have; None where it does not begin as HDF5 files do, or says none."""
    head = _head(source)
    return None if head is None else _end_of(head.data)


def mended_head(source: Source) -> Head | None:
    """Return the head of a file as if its writer had closed it, and its checksum were right; None of older kinds.

    The library refuses a file whose writer was killed, by the flags in the head, and so the whole of a file for a
    wrong bit there.
    """
    head = _head(source)
    if head is None or head.data[8] not in CHECKED or head.data[SIZES_AT[head.data[8]]] != OFFSET_BYTES:
        return None
    closed = head.data[:FLAGS_AT] + b"\0" + head.data[FLAGS_AT + 1 : CHECKSUM_AT]
    return Head(head.at, closed + lookup3(closed).to_bytes(4, "little"))


def _head(source: Source) -> Head | None:
    """Return the first bytes: of the file, or behind a user block of 512 bytes, 1,024, 2,048 and so on."""
    at = 0
    while at + HEAD_BYTES <= source.size:
        head = source.read(at, HEAD_BYTES)
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


def cut_short(source: Source) -> DamagedFileError | None:
    """Return the error of a file that ends before it says; None of one that does not."""
    end = stated_end(source)
    missing = 0 if end is None else end - source.size
    if missing <= 0 or end is None or end >> 63:
        return None
    return DamagedFileError(
        source.name,
        f"it is cut short: {missing:,} of its {end:,} bytes {'is' if missing == 1 else 'are'} missing",
        advice="its download or copy was interrupted: fetch it again; 'ckptread salvage' saves what is whole",
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
    for turn in (4, 6, 8, 16, 19, 4):
        a = (a - c ^ _turned(c, turn)) & MASK
        c = (c + b) & MASK
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for turn in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, turn)) & MASK
        a, b, c = b, c, a
    return b


def _turned(value: int, turn: int) -> int:
    return (value << turn | value >> 32 - turn) & MASK
