"""Changes to an HDF5 file or a .keras archive, drawn from a seeded generator: bytes, fields, blocks, ends."""

import io
import struct
import zipfile
from dataclasses import dataclass

from tests.fuzz.hdf5_anatomy import anatomy, sealed
from tests.fuzz.mutate import EDGES

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SEALED_SHARE = 0.8
"""How often the checksum of a changed structure is put right, so that what reads it gets past."""
MEMBER_BYTES = 16 << 20
"""Of a larger member, a bomb, the archive is changed alone."""
ARCHIVE_SHARE = 0.4
"""How often a .keras archive is changed itself; else the HDF5 file in it, in an archive that is in order."""


@dataclass(frozen=True)
class Changed:
    """A file that was changed."""

    data: bytes
    what: str
    """For a person: the kind of change, and where."""
    vouched: bool = False
    """Only bytes that a checksum of their own stands for were changed: no value may be another one."""
    cut: bool = False
    """The end is missing, and nothing else: what is found must be what was there."""
    archive: bool = False
    """The archive around the weights was changed, whose checksums stand for every value."""


class Subject:
    """A file to be changed. ``sound`` is one that the HDF5 library can be asked about."""

    def __init__(self, path, *, sound):
        self.path, self.data = path, path.read_bytes()
        self._member = _weights_member(self.data)
        inner = self.data if self._member is None else _read(self.data, self._member)
        self._inner = inner
        self._anatomy = anatomy(inner, sound=sound and inner.startswith(SIGNATURE))

    def change(self, rng):
        """Return the file with one change, or two."""
        if self._member is None:
            return _changed(self._inner, self._anatomy, rng)
        if rng.random() < ARCHIVE_SHARE:
            done = _changed(self.data, None, rng)
            return Changed(done.data, f"archive: {done.what}", cut=done.cut, archive=True)
        done = _changed(self._inner, self._anatomy, rng)
        return Changed(_rebuilt(self.data, self._member, done.data), f"{self._member}: {done.what}", done.vouched)


def _weights_member(data):
    if not data.startswith(b"PK"):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [info for info in archive.infolist() if info.filename.endswith(".h5")]
    return found[0].filename if len(found) == 1 and found[0].file_size < MEMBER_BYTES else None


def _read(data, name):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def _rebuilt(data, name, weights):
    """Return the archive with another member in that one's place, and checksums that fit."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(info, weights if info.filename == name else old.read(info), info.compress_type)
    return target.getvalue()


def _changed(data, known, rng):
    found = bytearray(data)
    said = [rng.choice(CHANGES)(found, known, rng) for _ in range(rng.choice((1, 1, 1, 2))) if found]
    parts = () if known is None else known.parts
    if len(found) != len(data):
        cut = len(said) == 1 and data.startswith(bytes(found))
        return Changed(bytes(found), "; ".join(said), cut=cut)
    places = [at for at in range(len(data)) if data[at] != found[at]]
    vouched = known is not None and known.is_vouched(places)
    if rng.random() < SEALED_SHARE:
        return Changed(sealed(found, parts, places), "; ".join(said), vouched)
    return Changed(bytes(found), "; ".join(said), vouched)


def _structure(data, known, rng):
    """Return where a structure lies; where none is known, any few bytes."""
    parts = [part for part in known.parts if part.start < len(data)] if known else []
    if parts:
        part = rng.choice(parts)
        return part.start, min(part.end, len(data))
    at = rng.randrange(max(1, len(data)))
    return at, min(len(data), at + 64)


def _byte(data, known, rng):
    at = rng.randrange(len(data))
    data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))
    return f"byte {at}"


def _structure_byte(data, known, rng):
    start, end = _structure(data, known, rng)
    at = rng.randrange(start, max(start + 1, end))
    if at < len(data):
        data[at] = rng.choice((0, 1, 2, 3, 4, 8, 0xFF, rng.randrange(256), data[at] ^ 1 << rng.randrange(8)))
    return f"byte {at} of the structure at {start}"


def _field(data, known, rng):
    """A number at a place where one may stand: an edge, one more, one less, or where another structure lies."""
    start, end = _structure(data, known, rng)
    nbytes = rng.choice((1, 2, 4, 8, 8))
    at = start + nbytes * rng.randrange(max(1, (end - start) // nbytes))
    if at + nbytes > len(data):
        return "nothing"
    old = int.from_bytes(data[at : at + nbytes], "little")
    other, _ = _structure(data, known, rng)
    value = rng.choice((rng.choice(EDGES), old + 1, old - 1, old * 2, old // 2, other, start, len(data), len(data) - 1))
    data[at : at + nbytes] = (value & ((1 << 8 * nbytes) - 1)).to_bytes(nbytes, "little")
    return f"{nbytes} bytes at {at}, {old} to {value}"


def _address(data, known, rng):
    """The address of one structure, wherever it is told, becomes that of another: circles, and things twice."""
    one, two = _structure(data, known, rng)[0], _structure(data, known, rng)[0]
    at = data.find(struct.pack("<Q", one))
    if at < 0:
        return "nothing"
    data[at : at + 8] = struct.pack("<Q", two)
    return f"the address at {at}, {one} to {two}"


def _swap(data, known, rng):
    nbytes = rng.choice((8, 16, 64, 256, 512))
    one, two = (_structure(data, known, rng)[0] for _ in range(2))
    if rng.random() < 0.5:
        one, two = (nbytes * rng.randrange(max(1, len(data) // nbytes)) for _ in range(2))
    if abs(one - two) < nbytes or max(one, two) + nbytes > len(data):
        return "nothing"
    data[one : one + nbytes], data[two : two + nbytes] = data[two : two + nbytes], data[one : one + nbytes]
    return f"{nbytes} bytes at {one} and {two} swapped"


def _copy(data, known, rng):
    (one, end), (two, _) = _structure(data, known, rng), _structure(data, known, rng)
    piece = data[one : min(end, one + len(data) - two)]
    data[two : two + len(piece)] = piece
    return f"the structure at {one} over that at {two}"


def _blank(data, known, rng):
    at, nbytes, value = rng.randrange(len(data)), rng.choice((4, 16, 64, 512)), rng.choice((0, 0xFF))
    nbytes = min(nbytes, len(data) - at)
    data[at : at + nbytes] = bytes([value]) * nbytes
    return f"{nbytes} bytes at {at} all {value}"


def _cut(data, known, rng):
    at = rng.choice((rng.randrange(len(data)), _structure(data, known, rng)[0], len(data) - rng.randrange(1, 9)))
    del data[max(0, at) :]
    return f"cut at {at}"


def _shift(data, known, rng):
    at, nbytes = rng.randrange(len(data)), rng.choice((1, 8, 512))
    if rng.random() < 0.5:
        del data[at : at + nbytes]
        return f"{nbytes} bytes taken out at {at}"
    data[at:at] = bytes(rng.randrange(256) for _ in range(nbytes))
    return f"{nbytes} bytes put in at {at}"


def _chunk(data, known, rng):
    """A byte of a stored chunk that has a checksum."""
    vouched = known.vouched if known else ()
    if not vouched:
        return _byte(data, known, rng)
    part = rng.choice(vouched)
    at = rng.randrange(part.start, part.end)
    if at < len(data):
        data[at] ^= rng.randrange(1, 256)
    return f"byte {at} of a chunk"


CHANGES = (_byte, _structure_byte, _structure_byte, _field, _field, _field, _address, _address, _swap, _copy,
           _blank, _cut, _shift, _chunk, _chunk)  # fmt: skip
"""Those that reach furthest stand here more than once."""
