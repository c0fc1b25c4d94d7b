"""A writer of TensorFlow tables and bundles, for tests: from the specification, and nothing of ckptread.

Each part can be made wrong on its own, with checksums that fit, so that a test reaches what it is after.
"""

import struct
from pathlib import Path

import google_crc32c

MAGIC = 0xDB4775248B80FB57


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def mask(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def masked(data):
    return mask(google_crc32c.value(data))


def block(entries, restart_interval=16):
    out, restarts, last = b"", [], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % restart_interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return out + b"".join(struct.pack("<I", at) for at in restarts) + struct.pack("<I", len(restarts))


def with_trailer(contents, compression=0):
    kind = bytes([compression])
    return contents + kind + struct.pack("<I", masked(contents + kind))


def handle(offset, nbytes):
    return varint(offset) + varint(nbytes)


def table(*blocks_of_entries, compress=None):
    """Return a table with one data block per list of entries; ``compress`` makes snappy of a block's contents."""
    out, index = b"", []
    for entries in blocks_of_entries:
        contents = block(entries)
        packed = compress(contents) if compress else contents
        index.append((entries[-1][0], handle(len(out), len(packed))))
        out += with_trailer(packed, 1 if compress else 0)
    meta = handle(len(out), len(block([])))
    out += with_trailer(block([]))
    where = handle(len(out), len(block(index)))
    out += with_trailer(block(index))
    footer = (meta + where).ljust(40, b"\0")
    return out + footer + struct.pack("<Q", MAGIC)


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def header(shards=1, endianness=0):
    return field(1, shards) + (field(2, endianness) if endianness else b"") + field(3, field(1, 1))


def shape(dims):
    return b"".join(field(2, field(1, dim)) for dim in dims)


def entry(dtype, dims, offset, nbytes, crc, shard=0, slices=b""):
    return (
        field(1, dtype)
        + field(2, shape(dims))
        + (field(3, shard) if shard else b"")
        + (field(4, offset) if offset else b"")
        + field(5, nbytes)
        + b"\x35"
        + struct.pack("<I", mask(crc))
        + slices
    )


def write_bundle(prefix: Path, tensors, **options):
    """Write a bundle of one shard: ``tensors`` is {name: (dtype number, dims, bytes)}."""
    data, entries = b"", [(b"", header())]
    for name, (dtype, dims, raw) in sorted(tensors.items()):
        entries.append((name.encode(), entry(dtype, dims, len(data), len(raw), google_crc32c.value(raw))))
        data += raw
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries, **options))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)
    return str(prefix)
