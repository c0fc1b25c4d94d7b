"""Where the structures of an HDF5 file lie, so that a change can hit one, and get past its checksum.

Specification: HDF5 File Format Specification 3.0; its checksums are Bob Jenkins' lookup3, "hashlittle" with 0.
"""

import io
import re
import struct
from dataclasses import dataclass

import h5py
from h5py import h5d, h5o

SIGNATURES = re.compile(
    b"\x89HDF\r\n\x1a\n|TREE|SNOD|HEAP|GCOL|OHDR|OCHK|FRHP|FHDB|FHIB|FSHD|FSSE|BTHD|BTIN|BTLF|EAHD|EAIB|EASB|EADB|"
    b"FAHD|FADB|SMTB|SMLI"
)
SIZES = {b"\x89HDF": 96, b"TREE": 544, b"SNOD": 328, b"HEAP": 120, b"GCOL": 4096}
"""How far a change reaches into a structure that has no checksum; its true size is in the file, and may be a lie."""
MOST_CHECKED = 700
"""A structure's end is found by trying where its checksum fits: so far at most."""
CHECKED_CHUNKS = {1, 3}
"""Deflate ends in an Adler-32, and fletcher32 is one."""


@dataclass(frozen=True)
class Part:
    """A structure: its first byte, the byte behind its last, and where its checksum stands (None: it has none)."""

    start: int
    end: int
    checksum_at: int | None = None


@dataclass(frozen=True)
class Anatomy:
    """What there is to change in a file."""

    parts: tuple[Part, ...]
    """Superblocks, headers, nodes of trees, heaps, indices of chunks."""
    vouched: tuple[Part, ...]
    """Stored chunks whose bytes have a checksum."""

    def is_vouched(self, places):
        """Whether every one of these places lies in a chunk that has a checksum."""
        return bool(places) and all(any(part.start <= at < part.end for part in self.vouched) for at in places)


def anatomy(data, *, sound):
    """Return where the structures of a file lie; the library is asked only about a file that is ``sound``."""
    parts = [_part(data, found.start()) for found in SIGNATURES.finditer(data)]
    if not sound:
        return Anatomy(tuple(parts), ())
    headers, vouched = [], []
    with h5py.File(io.BytesIO(data), "r") as file:
        for item in _objects(file):
            headers += _old_header(data, h5o.get_info(item.id).addr)
            if isinstance(item, h5py.Dataset):
                vouched += _vouched(item.id)
    return Anatomy((*parts, *headers), tuple(vouched))


def sealed(data, parts, places):
    """Return the bytes with the checksums of the structures put right that any of these places lies in."""
    found = bytearray(data)
    for part in parts:
        if part.checksum_at is None or part.end > len(found):
            continue
        if any(part.start <= at < part.end for at in places):
            struct.pack_into("<I", found, part.checksum_at, lookup3(found[part.start : part.checksum_at]))
    return bytes(found)


def _part(data, start):
    size = SIZES.get(bytes(data[start : start + 4]))
    if size == 96 and data[start + 8 : start + 9] in (b"\2", b"\3"):
        return Part(start, start + 48, start + 44)
    if size is not None:
        return Part(start, min(len(data), start + size))
    for at in range(start + 8, min(len(data) - 4, start + MOST_CHECKED) + 1):
        if lookup3(data[start:at]) == struct.unpack_from("<I", data, at)[0]:
            return Part(start, at + 4, at)
    return Part(start, min(len(data), start + 64))


def _objects(file):
    yield file["/"]
    found = []
    file.visititems(lambda name, item: found.append(item))
    yield from found


def _old_header(data, start):
    """A header of version 1 has no signature: its address is what the library says."""
    if data[start : start + 2] != b"\1\0":
        return []
    return [Part(start, min(len(data), start + 16 + struct.unpack_from("<I", data, start + 8)[0]))]


def _vouched(dataset):
    plist = dataset.get_create_plist()
    codes = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    if plist.get_layout() != h5d.CHUNKED or not codes & CHECKED_CHUNKS or dataset.get_storage_size() == 0:
        return []
    found = []
    dataset.chunk_iter(lambda chunk: found.append((chunk.byte_offset, chunk.size, chunk.filter_mask)))
    return [Part(at, at + size) for at, size, mask in found if not mask]


def lookup3(data):
    """Return the checksum of HDF5's metadata: H5_checksum_lookup3 of H5checksum.c."""
    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    at = 0
    while len(data) - at > 12:
        x, y, z = struct.unpack_from("<III", data, at)
        a, b, c = _mixed((a + x) & 0xFFFFFFFF, (b + y) & 0xFFFFFFFF, (c + z) & 0xFFFFFFFF)
        at += 12
    if not data:
        return c
    x, y, z = struct.unpack("<III", bytes(data[at:]).ljust(12, b"\0"))
    return _final((a + x) & 0xFFFFFFFF, (b + y) & 0xFFFFFFFF, (c + z) & 0xFFFFFFFF)


def _rotated(value, bits):
    return (value << bits | value >> 32 - bits) & 0xFFFFFFFF


def _mixed(a, b, c):
    for bits in (4, 6, 8, 16, 19, 4):
        a, c = ((a - c) & 0xFFFFFFFF) ^ _rotated(c, bits), (c + b) & 0xFFFFFFFF
        a, b, c = b, c, a
    return a, b, c


def _final(a, b, c):
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotated(b, bits)) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b
