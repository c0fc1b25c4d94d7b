"""Changed .npz archives: where numpy and ckptread both read one, they read the same, or ckptread reports a problem."""

import io
import struct
import zipfile
import zlib

import numpy as np

import ckptread
from ckptread.errors import CheckpointError

MARKS = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08")


def examine(rng, folder, counts):
    """Yield members that numpy reads otherwise, where nothing is reported."""
    data = bytearray(_archive(rng))
    for _ in range(rng.integers(1, 4)):
        CHANGES[rng.integers(len(CHANGES))](data, rng)
    path = folder / "changed.npz"
    path.write_bytes(data)
    theirs = _by_numpy(path)
    try:
        with ckptread.open(path) as reader:
            ours = {key: _read(reader, key) for key in reader.tensors}
            reported = any(each.severity != "note" for each in reader.problems)
    except CheckpointError:
        counts["refused"] += 1
        return
    counts["ours alone" if theirs is None else "read"] += 1
    if theirs is not None and not reported:
        yield from (f"{key} is another array" for key in ours.keys() | theirs.keys() if _differ(ours, theirs, key))


def _differ(ours, theirs, key):
    if key not in theirs:
        return ours[key] is not None
    if key not in ours:
        return True
    one, other = ours[key], theirs[key]
    return one is not None and (one.shape != other.shape or one.tobytes() != other.tobytes())


def _read(reader, key):
    try:
        return np.asarray(reader.read(key))
    except CheckpointError:
        return None


def _by_numpy(path):
    try:
        with np.load(io.BytesIO(path.read_bytes())) as found:
            return {name: found[name] for name in found.files}
    except Exception:
        return None


def _array(value, size=3):
    target = io.BytesIO()
    np.save(target, np.full(size, value, "f4"))
    return target.getvalue()


def _archive(rng):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.comment = rng.bytes(int(rng.choice([0, 0, 0, 5, 30])))
        for number in range(rng.integers(1, 4)):
            info = zipfile.ZipInfo(f"k{number}.npy")
            info.compress_type = int(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            with archive.open(info, "w", force_zip64=bool(rng.random() < 0.3)) as member:
                member.write(_array(number + 1, int(rng.choice([3, 300]))))
    return target.getvalue()


def _marks(data):
    return [at for at in range(len(data)) if bytes(data[at : at + 4]) in MARKS]


def _any(values, rng):
    return values[rng.integers(len(values))] if values else 0


def _header_byte(data, rng):
    at = _any(_marks(data), rng) + int(rng.integers(4, 50))
    if at < len(data):
        data[at] = _any((0, 1, 2, 4, 8, 0x20, 0x40, 0xFF, data[at] ^ 1 << int(rng.integers(8))), rng)


def _insert(data, rng):
    at = int(rng.integers(len(data) + 1))
    data[at:at] = bytes(int(rng.integers(1, 30)))


def _prepend(data, rng):
    data[0:0] = _any((b"x", bytes(22), b"PK\5\6", b"PK\3\4"), rng) * int(rng.integers(1, 4))


def _append(data, rng):
    data += _any((b"\n", bytes(1), bytes(22), _archive(rng), b"PK\5\6" + bytes(18), bytes(data[-22:])), rng)


def _extra_field(data, rng):
    """Add an extra field to the last entry of the directory, and put its lengths right."""
    at, end = data.rfind(b"PK\1\2"), data.rfind(b"PK\5\6")
    if at < 0 or end < at or end + 16 > len(data):
        return
    name, extra, _ = struct.unpack_from("<3H", data, at + 28)
    crc = zlib.crc32(bytes(data[at + 46 : at + 46 + name]))
    sizes = struct.pack("<HH3Q", 1, 24, *(int(each) for each in rng.integers(0, 500, 3)))
    renamed = struct.pack("<HHBL", 0x7075, 11, 1, crc) + b"zz.npy"
    field = _any((sizes, renamed, b"\1\0", b"\1\0\xff\xff"), rng)
    data[at + 46 + name + extra : at + 46 + name + extra] = field
    struct.pack_into("<H", data, at + 30, (extra + len(field)) & 0xFFFF)
    end += len(field)
    directory = struct.unpack_from("<L", data, end + 12)[0]
    struct.pack_into("<L", data, end + 12, (directory + len(field)) & 0xFFFFFFFF)


def _swap(data, rng):
    one, other = (_any(_marks(data), rng) for _ in range(2))
    data[one : one + 4], data[other : other + 4] = data[other : other + 4], data[one : one + 4]


CHANGES = (_header_byte,) * 6 + (_insert, _prepend, _append, _extra_field, _extra_field, _swap)
