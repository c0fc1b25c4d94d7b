"""The superblock of an HDF5 file: the size that it records, and whether its writer closed the file.

Specification: HDF5 File Format Specification 3.0, II.A "Disk Format: Level 0A - Format Signature and Superblock".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import cast

import msgspec

from ckptread.errors import DamagedFileError
from ckptread.formats.hdf5.rounds import Parser, Range
from ckptread.storage.source import Source
from ckptread.tensors import Finding
from ckptread.untrusted.binary import Malformed
from ckptread.wording import plural

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD_BYTES = 64
SIZES_AT = {0: 13, 1: 13, 2: 9, 3: 9}
"""By version: the position of the size of an offset, from the signature."""
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""By version: the position of the end-of-file address, with offsets of eight bytes."""
BASE_AT = {0: 24, 1: 28, 2: 12, 3: 12}
"""By version: the position of the address that the others count from."""
OFFSET_BYTES = 8
MASK = (1 << 32) - 1
CHECKED = (2, 3)
"""The versions with a checksum, and flags of a file that is being written."""
FLAGS_AT, CHECKSUM_AT = 11, 44
SUPERBLOCK_BYTES = CHECKSUM_AT + 4


class Head(msgspec.Struct, frozen=True, gc=False):
    """The superblock's bytes, and their offset in the file."""

    at: int
    data: bytes

    def lay_over(self, at: int, view: memoryview) -> None:
        """Write these bytes over those that were read from ``at``."""
        start, stop = max(at, self.at), min(at + view.nbytes, self.at + len(self.data))
        if start < stop:
            view[start - at : stop - at] = self.data[start - self.at : stop - self.at]


AtHand = Callable[[int, int, int], bytes | None]
"""Returns bytes from an offset on that need not be waited for, and more of them if they are there too; else None."""
SizeOf = Callable[[bytes, int], int]
"""Returns the bytes of a structure, by what it begins with; its address is for an error."""


def nothing_at_hand(offset: int, nbytes: int, usual: int) -> bytes | None:
    """Return None: all bytes are waited for."""
    return None


class Superblock(msgspec.Struct, frozen=True):
    """Where a file's structures begin."""

    base: int
    """What all addresses count from: where the signature is."""
    root: int
    """The address of the root group's description."""
    version: int
    driver: int
    """The address of the driver information block; UNDEFINED where there is none."""
    extension: int
    """The address of the superblock extension's description; UNDEFINED where there is none."""

    open_for_writing: bool = False
    """Whether the file's writer never closed it."""
    checked: list[Range] | None = None
    """Where structures are that end in a checksum, each noted as it is read; None where nobody wants to know."""

    strangers: list[int] | None = None
    """Where nodes of trees are whose neighbours are not those that they state, noted in the same way."""
    at_hand: AtHand = nothing_at_hand

    def read(self, address: int, nbytes: int) -> Parser[bytes]:
        """Return the bytes at an address."""
        found = self.at_hand(self.base + address, nbytes, nbytes)
        return (yield self.base + address, nbytes) if found is None else found

    def read_all(self, places: Sequence[tuple[int, int]]) -> Parser[list[bytes]]:
        """Return the bytes at several addresses, which are fetched together."""
        found = [self.at_hand(self.base + address, nbytes, nbytes) for address, nbytes in places]
        if None in found:
            found = yield [(self.base + address, nbytes) for address, nbytes in places]
        return cast(list[bytes], found)

    def read_structure(self, address: int, head_bytes: int, usual: int, size_of: SizeOf) -> Parser[bytes]:
        """Return a structure whose head says how long it is; most are of the ``usual`` size."""
        found = self.at_hand(self.base + address, head_bytes, usual)
        if found is None:
            found = yield self.base + address, head_bytes
        nbytes = size_of(found, address)
        return (yield from self.read(address, nbytes)) if len(found) < nbytes else found

    def read_structures(
        self, addresses: Sequence[int], head_bytes: int, usual: int, size_of: SizeOf
    ) -> Parser[list[bytes]]:
        """Return several such structures: all heads are fetched together, then all that is missing."""
        if len(addresses) == 1:
            return [(yield from self.read_structure(addresses[0], head_bytes, usual, size_of))]
        found = [self.at_hand(self.base + address, head_bytes, usual) for address in addresses]
        if None in found:
            found = yield [(self.base + address, head_bytes) for address in addresses]
        heads = cast(list[bytes], found)
        sizes = list(map(size_of, heads, addresses))
        if all(len(data) >= nbytes for data, nbytes in zip(heads, sizes, strict=True)):
            return heads
        return (yield from self.read_all(list(zip(addresses, sizes, strict=True))))

    def note(self, address: int, nbytes: int) -> None:
        """Note a structure of so many bytes, the last four of which are a checksum over the others."""
        if self.checked is not None:
            self.checked.append((self.base + address, nbytes))


# II.A, by version, with offsets of eight bytes: where these addresses are, from the signature.
ROOT_ENTRY_AT = {0: 56, 1: 60}
DRIVER_AT = {0: 48, 1: 52}
EXTENSION_AT, ROOT_AT = 20, 36
UNDEFINED = (1 << 64) - 1
"""The address of what is not there."""
LARGEST_BYTES = 100
OPEN_FOR_WRITING = 1
"""A flag of versions 2 and 3."""


def read_superblock(size: int, at_hand: AtHand = nothing_at_hand) -> Parser[Superblock]:
    """Read the superblock of a file of ``size`` bytes; ``at_hand`` is how parsers read by it.

    Raises Malformed where there is none, Unsupported where it is of another version or has addresses of another size.
    """
    at = 0
    while at + HEAD_BYTES <= size:
        head = yield at, min(LARGEST_BYTES, size - at)
        if head.startswith(SIGNATURE):
            return msgspec.structs.replace(_superblock(at, head), at_hand=at_hand)
        at = max(512, 2 * at)
    raise Malformed("it has no HDF5 signature", 0)


def _superblock(at: int, head: bytes) -> Superblock:
    version = head[8]
    if version not in SIZES_AT:
        raise Unsupported(f"version {version} of the superblock is not known")
    if head[SIZES_AT[version] : SIZES_AT[version] + 2] != bytes([OFFSET_BYTES, OFFSET_BYTES]):
        raise Unsupported("its addresses are not of 8 bytes")
    if version in CHECKED:
        extension, root = (_address(head, place) for place in (EXTENSION_AT, ROOT_AT))
        return Superblock(at, root, version, UNDEFINED, extension, bool(head[FLAGS_AT] & OPEN_FOR_WRITING))
    entry = ROOT_ENTRY_AT[version]
    if len(head) < entry + 40:
        raise Malformed("its superblock is truncated", at)
    return Superblock(at, _address(head, entry + 8), version, _address(head, DRIVER_AT[version]), UNDEFINED)


def _address(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + OFFSET_BYTES], "little")


class Unsupported(Exception):  # noqa: N818 - not an error of the file: another reader may know what to do
    """A structure that is legal, but that only the HDF5 library reads."""


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


def find_head(size: int) -> Parser[Head | None]:
    """Return the beginning of the superblock, as ``find_superblock`` does."""
    at = 0
    while at + HEAD_BYTES <= size:
        head = yield at, HEAD_BYTES
        if head.startswith(SIGNATURE):
            return Head(at, head)
        at = max(512, 2 * at)
    return None


def truncation_error(source: Source, head: Head | None) -> DamagedFileError | None:
    """Return the error of a file that is shorter than it records, None of any other."""
    end = None if head is None else _end_of(head.data)
    missing = 0 if end is None else end - source.size
    if missing <= 0 or end is None or end >> 63:
        return None
    return DamagedFileError(
        source.name,
        f"it is truncated: {missing:,} of its {end:,} bytes {'is' if missing == 1 else 'are'} missing",
        advice="the copy was interrupted: download it again, or save what is intact with 'ckptread salvage'",
        offset=source.locate(source.size)[1],
    )


def extra_bytes(source: Source, head: Head | None) -> Finding | None:
    """Return a warning where bytes follow the end that the file records: other programs may read them."""
    end = None if head is None else _end_of(head.data)
    if head is None or end is None:
        return None
    end += head.at - _address(head.data, BASE_AT[head.data[8]])
    if not 0 < end < source.size:
        return None
    message = f"{plural(source.size - end, 'byte', 'follow')} the end of the file that its superblock records"
    file, offset = source.locate(end)
    return Finding(code="hdf5-extra-bytes", severity="warning", message=message, file=file, offset=offset)


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
