"""Files of some MiB that claim, or would come to, very much more: each is written by a function of its own here."""

import json
import struct
import zipfile
import zlib

import google_crc32c
import h5py
import numpy as np

from tests.fuzz.records import strings_of
from tests.table_writer import (
    MAGIC,
    block,
    entry,
    field,
    handle,
    header,
    mask,
    shape,
    table,
    varint,
    with_trailer,
    write_bundle,
)

MIB = 1 << 20


def raw_table(*blocks, compression=0):
    """A table whose blocks have these contents, as they are."""
    out, index = b"", []
    for number, contents in enumerate(blocks):
        index.append((b"%08d" % number, handle(len(out), len(contents))))
        out += with_trailer(contents, compression)
    where = handle(len(out), len(block(index)))
    return out + with_trailer(block(index)) + (handle(0, 0) + where).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def bundle(folder, rows, data=bytes(64), head=None):
    """A checkpoint with these index entries, sorted, and these bytes."""
    rows = [(b"", head or header()), *sorted(rows)]
    (folder / "ck.data-00000-of-00001").write_bytes(data)
    (folder / "ck.index").write_bytes(table(*(rows[at : at + 500] for at in range(0, len(rows), 500))))
    return folder / "ck.index"


def restarts(body):
    """A block's contents: entries, and one restart point."""
    return body + struct.pack("<II", 0, 1)


def shared_keys(folder):
    """500,000 entries of six bytes, each of which repeats a key of 60,000 bytes."""
    first = varint(0) + varint(60_000) + varint(0) + b"k" * 60_000
    more = b"".join(varint(60_000) + b"\x04\0" + b"%04d" % (n % 10_000) for n in range(400_000))
    return _index(folder, restarts(_entry(b"", header()) + first + more))


def no_entries_at_all(folder):
    """Ten million entries of three bytes: no key, no value."""
    return _index(folder, restarts(_entry(b"", header()) + b"\0\0\0" * 10_000_000))


def same_key(folder):
    """A million entries of one key."""
    return _index(folder, restarts(_entry(b"", header()) + b"\0\1\0k" * 1_000_000))


def snappy(folder):
    """Blocks that each expand to 20 times their size: 60 MiB come to 1.2 GiB."""
    import cramjam

    contents = restarts(_entry(b"", header()) + _entry(b"k", b"v" * (20 * MIB)))
    packed = bytes(cramjam.snappy.compress_raw(contents))
    return _index(folder, *[packed] * 60, compression=1)


def overlapping_blocks(folder):
    """100,000 data blocks that are all the same MiB of the file."""
    contents = restarts(_entry(b"", header()) + _entry(b"k", b"v" * MIB))
    out = with_trailer(contents)
    index = block([(b"%08d" % n, handle(0, len(contents))) for n in range(100_000)])
    where = handle(len(out), len(index))
    data = out + with_trailer(index) + (handle(0, 0) + where).ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    (folder / "ck.index").write_bytes(data)
    return folder / "ck.index"


def many_dimensions(folder):
    """One tensor of ten million dimensions, each of two bytes."""
    value = field(1, 1) + field(2, b"\x12\0" * 10_000_000)
    return _index(folder, restarts(_entry(b"", header()) + _entry(b"k", value)))


def many_slices(folder):
    """One tensor of ten million slices, each of two bytes."""
    value = field(1, 1) + field(2, shape([4])) + b"\x3a\0" * 10_000_000
    return _index(folder, restarts(_entry(b"", header()) + _entry(b"k", value)))


def slices_that_cut_everything(folder):
    """10,000 tensors of ten dimensions, in slices whose edges cut each into a million parts."""

    def extents(pairs):
        return field(7, b"".join(field(1, field(1, start) + field(2, length)) for start, length in pairs))

    four = [(0, 2), (1, 2), (2, 2), (3, 2)]
    value = field(1, 1) + field(2, shape([9] * 10)) + b"".join(extents([each] * 10) for each in four)
    body = b"".join(_entry(b"%06d" % n, value) for n in range(10_000))
    return _index(folder, restarts(_entry(b"", header()) + body))


def object_graph(folder):
    """An object graph of 20 million nodes, each of two bytes."""
    graph = b"\x0a\0" * 20_000_000
    data, crc = strings_of([graph])
    value = entry(7, [], 0, len(data), crc)
    return bundle(folder, [(b"_CHECKPOINTABLE_OBJECT_GRAPH", value)], data)


def saved_model_pb(folder):
    """A saved_model.pb of 30 million empty messages."""
    inner = field(7, b"\x0a\0" * 15_000_000)
    (folder / "saved_model.pb").write_bytes(field(2, inner) + field(2, b"\x22\0" * 15_000_000))
    (folder / "variables").mkdir()
    write_bundle(folder / "variables" / "variables", {"v": (1, (1,), bytes(4))})
    return folder


def empty_strings(folder):
    """A tensor of 40 million empty strings."""
    count = 40_000_000
    state = google_crc32c.extend(0, bytes(4 * count))
    middle = struct.pack("<I", mask(state))
    data = bytes(count) + middle
    value = entry(7, [count], 0, len(data), google_crc32c.extend(state, middle))
    return bundle(folder, [(b"s", value)], data)


def wide_strings(folder):
    """A MiB of text beside 2,000 empty ones: two GiB as strings of one width."""
    data, crc = strings_of([b"x" * MIB, *[b""] * 2_000])
    return bundle(folder, [(b"s", entry(7, [2_001], 0, len(data), crc))], data)


def state_file(folder):
    """A state file that is a MiB of line ends."""
    (folder / "checkpoint").write_bytes(b"model_checkpoint_path\n" + b"\n" * (MIB - 100))
    return folder / "checkpoint"


def v1_meta(folder):
    """A V1 checkpoint whose list of tensors is 20 million empty messages."""
    meta = field(1, b"\x0a\0" * 20_000_000)
    path = folder / "v1.ckpt"
    path.write_bytes(raw_table(restarts(_entry(b"", meta))))
    return path


def chunks_of_one(folder):
    """60 million elements in chunks of one, none of which was ever written."""
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("d", (60_000_000,), "f4", chunks=(1,))
    return path


def unwritten(folder):
    """200 datasets of 200 MiB each, none of which was ever written."""
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        for number in range(200):
            file.create_dataset(f"d{number}", (50 * MIB,), "f4")
    return path


def chunks_of_zeros(folder):
    """200 datasets of 250 MiB of zeros each, deflated a thousand times."""
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        for number in range(200):
            made = file.create_dataset(f"d{number}", (250, MIB), "u1", chunks=(50, MIB), compression="gzip")
            packed = zlib.compress(bytes(50 * MIB), 9)
            for at in range(0, 250, 50):
                made.id.write_direct_chunk((at, 0), packed)
    return path


def npz_of_zeros(folder):
    """500 arrays of 60 MiB of zeros each, deflated a thousand times."""
    path = folder / "a.npz"
    head = np.lib.format.magic(1, 0)
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % (60 * MIB)
    text = text.ljust(117) + b"\n"
    whole = head + struct.pack("<H", len(text)) + text + bytes(60 * MIB)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a0.npy", whole)
    _repeat_member(path, 500)
    return path


def _repeat_member(path, count):
    """Write the one member of an archive again and again, under other names of the same length."""
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[0]
        at = archive.start_dir
    local, central = raw[:at], raw[at : at + 46 + len(info.filename)]
    with open(path, "wb") as file:
        entries = []
        for number in range(count):
            name = b"%06d.npy" % number
            entries.append((file.tell(), name))
            file.write(
                local[:26] + struct.pack("<H", len(name)) + local[28:30] + name + local[30 + len(info.filename) :]
            )
        start = file.tell()
        for offset, name in entries:
            file.write(central[:28] + struct.pack("<H", len(name)) + central[30:42] + struct.pack("<I", offset) + name)
        size = file.tell() - start
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, start, 0))


def config_of_empty_lists(folder):
    """A config.json of 30 MiB of empty lists."""
    return _keras(folder, b"[" + b",".join([b"[]"] * 10_000_000) + b"]")


def config_of_wide_text(folder):
    """A config.json of 30 MiB of text with one character that makes it four times as long."""
    return _keras(folder, b'"' + "\U0001f600".encode() + b"x" * (30 * MIB) + b'"')


def config_of_keys(folder):
    """A config.json of a million keys."""
    return _keras(folder, b"{" + b",".join(b'"%d":0' % n for n in range(1_300_000)) + b"}")


def _keras(folder, config):
    path = folder / "a.keras"
    with h5py.File(folder / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros(3, "f4")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", config)
        archive.write(folder / "w.h5", "model.weights.h5")
    return path


def safetensors_header(folder):
    """A safetensors header of 60 MiB: a million tensors without a byte."""
    text = ",".join(f'"{n}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for n in range(1_000_000))
    return header_of_safetensors(folder, ("{" + text + "}").encode())


def header_of_safetensors(folder, text):
    """A safetensors file that is a header and nothing else."""
    path = folder / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


def safetensors_metadata(folder):
    """A safetensors header of 60 MiB of free text, a few bytes each."""
    text = json.dumps({"__metadata__": {str(n): "" for n in range(4_000_000)}})
    return header_of_safetensors(folder, text.encode())


def members(folder):
    """An archive of 200,000 empty members."""
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a0.npy", b"")
    _repeat_member(path, 60_000)
    return path


def names_that_are_paths(folder):
    """Two thousand names of 30,000 components each."""
    tensors = [(b"%05d" % n + b"/a" * 15_000, (1, (1,), bytes(4))) for n in range(1_000)]
    return write_bundle(folder / "ck", {name.decode(): value for name, value in tensors})


def one_long_name(folder):
    """A name of 60,000 bytes among 20,000 short ones."""
    tensors = {f"t{n}": (1, (1,), bytes(4)) for n in range(20_000)}
    return write_bundle(folder / "ck", {**tensors, "x" * 60_000: (1, (1,), bytes(4))})


def overlapping_tensors(folder):
    """3,000 tensors that are all the same 20 MiB."""
    data = bytes(20 * MIB)
    crc = google_crc32c.value(data)
    rows = [(b"%06d" % n, entry(1, [5 * MIB], 0, len(data), crc)) for n in range(3_000)]
    return bundle(folder, rows, data)


def hdf5_names(folder):
    """500 groups in each other, with names of 30,000 bytes."""
    path = folder / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        group = file
        for _ in range(500):
            group = group.create_group("n" * 30_000)
            group["d"] = np.zeros(1, "f4")
    return path


def hdf5_attributes(folder):
    """300 groups with 200 KiB of attributes each."""
    path = folder / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(300):
            group = file.create_group(f"g{number}")
            for part in range(4):
                group.attrs[f"a{part}"] = ["x"] * 50_000
    return path


def _entry(key, value):
    return varint(0) + varint(len(key)) + varint(len(value)) + key + value


def _index(folder, *blocks, compression=0):
    (folder / "ck.data-00000-of-00001").write_bytes(bytes(64))
    (folder / "ck.index").write_bytes(raw_table(*blocks, compression=compression))
    return folder / "ck.index"


BOMBS = (
    shared_keys, no_entries_at_all, same_key, snappy, overlapping_blocks, many_dimensions, many_slices,
    slices_that_cut_everything, object_graph, saved_model_pb, empty_strings, wide_strings, state_file, v1_meta,
    chunks_of_one, unwritten, chunks_of_zeros, npz_of_zeros, config_of_empty_lists, config_of_wide_text,
    config_of_keys, safetensors_header, safetensors_metadata, members, names_that_are_paths, one_long_name,
    overlapping_tensors, hdf5_names, hdf5_attributes,
)  # fmt: skip
