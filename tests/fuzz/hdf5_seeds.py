"""What the fuzzers of HDF5's structures begin with: what a parser reads of sound files, written by h5py here."""

import io
import re
import struct
from functools import cache

import h5py
import numpy as np

from ckptread.formats.hdf5 import object_header
from ckptread.formats.hdf5.chunk_index import read_chunk_index
from ckptread.formats.hdf5.heaps import read_collection, read_local_heap
from ckptread.formats.hdf5.links import read_links, read_symbols
from ckptread.formats.hdf5.native import NativeFile
from ckptread.formats.hdf5.objects import DatasetObject, GroupObject
from ckptread.formats.hdf5.storage_layout import CHUNKED
from ckptread.formats.hdf5.superblock import Unsupported
from ckptread.untrusted.binary import Malformed
from tests.conformance.cases import FIXTURES
from tests.fuzz.hdf5_targets import ADDRESS, PLACE, Image, head_of, parse, read_heap, read_noted, read_records
from tests.fuzz.records import joined

NAMES_OF_LINKS, NAMES_OF_ATTRIBUTES = 5, 8
"""Kinds of records of a version 2 tree."""
MOST_BYTES = 60_000
"""Of a file: a record of an image takes less than 64 KiB."""
VERSIONS = (("earliest", "latest"), "v108", "latest")


@cache
def files():
    """Return sound files as bytes: fixtures, and files written here, of which each has few structures."""
    paths = [*FIXTURES.glob("hdf5-*/*.h5"), *FIXTURES.glob("keras[12]/*.h5"), *FIXTURES.glob("hostile/*.h5")]
    found = [path.read_bytes() for path in sorted(paths) if path.stat().st_size < MOST_BYTES]
    return [
        *found,
        *(_written(write, version) for version in VERSIONS for write in (_types, _groups, _chunked, _values)),
    ]


def _written(write, version):
    target = io.BytesIO()
    with h5py.File(target, "w", libver=version) as file:
        write(file)
    return target.getvalue()


def _types(file):
    record = np.dtype([("a", "<f4", (2,)), ("b", ">i2"), ("c", "S3")])
    for number, dtype in enumerate(("<f4", ">f8", "?", "<c8", "S4", "V3", record, h5py.enum_dtype({"A": 0, "B": 5}),
                                    h5py.string_dtype(), h5py.vlen_dtype("<i4"), h5py.ref_dtype, h5py.regionref_dtype,
                                    np.dtype(("<u2", (2, 3))), "<f2", "g")):  # fmt: skip
        file.create_dataset(f"d{number}", (2,), dtype=dtype)
    file["d8"][0] = "text"
    file["d9"][1] = [1, 2, 3]
    file["d10"][0] = file["d1"].ref
    file["named"] = np.dtype("<f8")
    file.create_dataset("committed", (2,), dtype=file["named"])
    file.create_dataset("nothing", dtype="f4", data=h5py.Empty("f4"))


def _groups(file):
    file.attrs["text"], file.attrs["number"], file.attrs["names"] = "abc", 2.5, ["a", "bc"]
    for number in range(12):
        file.attrs[f"more {number}"] = np.arange(number)
        file[f"few/{number}"] = h5py.SoftLink(f"/many/{number}")
    file.attrs["large"] = "x" * 30_000
    ordered = file.create_group("ordered", track_order=True)
    for number in range(10):
        ordered.create_group(f"{9 - number}")
    ordered["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
    many = file.create_group("many")
    for number in range(80):
        many[f"a rather long name of a link, which is number {number}"] = ordered


INDEXES = (("single", (2, 2), None), ("fixed", (9, 8), None), ("extensible", (9, 2), (None, 2)),
           ("tree", (9, 4), (None, None)))  # fmt: skip


def _chunked(file):
    for filters in ({}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf", "fletcher32": True}):
        group = file.create_group("+".join(filters) or "none")
        for name, shape, limits in INDEXES:
            values = np.arange(shape[0] * shape[1], dtype="<i4").reshape(shape)
            chunk = shape if name == "single" else (1, 2)
            group.create_dataset(name, data=values, chunks=chunk, maxshape=limits, fillvalue=7, **filters)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_chunk((2,))
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space = h5py.h5s.create_simple((6,))
    h5py.h5d.create(file.id, b"implicit", h5py.h5t.NATIVE_INT32, space, early)


def _values(file):
    texts = file.create_dataset("texts", (6,), h5py.string_dtype())
    texts[:] = [b"a", b"", b"bc" * 20, b"d", b"e", b"f"]
    lists = file.create_dataset("lists", (3,), h5py.vlen_dtype("<i2"), chunks=(2,), maxshape=(None,))
    lists[0], lists[2] = [1, 2], [3]
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    padded = h5py.h5t.C_S1.copy()
    padded.set_size(5)
    padded.set_strpad(h5py.h5t.STR_SPACEPAD)
    h5py.h5d.create(file.id, b"padded", padded, h5py.h5s.create_simple((2,)), compact)


def read_of(parser, data):
    """Run a parser over bytes in memory; return the places that it read, with their bytes, in order, each once."""
    found, wanted = {}, next(parser, None)
    try:
        while wanted is not None:
            ranges = [wanted] if isinstance(wanted, tuple) else wanted
            answers = [data[at : at + nbytes] for at, nbytes in ranges]
            found.update({at: each for (at, _), each in zip(ranges, answers, strict=True)})
            wanted = parser.send(answers[0] if isinstance(wanted, tuple) else answers)
    except (StopIteration, Malformed, Unsupported, struct.error):
        pass
    return [PLACE.pack(at) + each for at, each in sorted(found.items()) if each]


def seed_at(parser, address, data, more=b""):
    """Return an image of what a parser of what is at an address reads."""
    return joined([ADDRESS.pack(address) + more, *read_of(parser, data)])


@cache
def _objects():
    """Return the file, its object, and the object's messages, of all objects of all files whose base is 0."""
    found = []
    for data in files():
        try:
            native = NativeFile(Image(data, "seed"), "seed", remains=True)
        except Exception:
            continue
        found += [(data, each) for each in native._objects.found.values() if not native.head.base]
    return found


@cache
def _messages(*kinds):
    """Return the data of all messages of these kinds, each once."""
    found = []
    for data, each in _objects():
        try:
            messages = parse(object_header.read_messages(head_of(), each.address), [PLACE.pack(0) + data])
        except Malformed:
            continue
        found += [message.data for message in messages if message.kind in kinds and not message.flags & 2]
    return list(dict.fromkeys(found))


def _at_objects(read, kind):
    seeds = [seed_at(read(head_of(), each.address), each.address, data) for data, each in _objects()
             if isinstance(each, kind)]  # fmt: skip
    return list(dict.fromkeys(seeds))


def _at_marks(mark, read):
    """Return images of what begins with a mark."""
    pattern = re.compile(mark, re.DOTALL)
    found = [
        seed_at(read(head_of(), match.start()), match.start(), data)
        for data in files()
        for match in pattern.finditer(data)
    ]
    return list(dict.fromkeys(found))


def _group(head, address):
    messages = yield from object_header.read_messages(head, address)
    return (yield from read_links(head, messages))


def _fractal_heaps():
    """Heaps, with the objects that the trees of their file name, where they name some in that heap."""
    found = []
    for data in files():
        names = [name for match in re.finditer(b"BTHD", data) for name in _heap_names(data, match.start())]
        for match in re.finditer(b"FRHP", data):
            some = b"".join(each for each in names if len(each) == data[match.start() + 5])[:56]
            found.append(seed_at(read_heap(head_of(), match.start(), some), match.start(), data, some))
    return found


def _heap_names(data, address):
    """Return the identifications of a heap's objects in the records of a tree: of links, or of attributes."""
    kind = data[address + 5]
    if kind not in (NAMES_OF_LINKS, NAMES_OF_ATTRIBUTES):
        return []
    records = parse(read_records(head_of(), address), [PLACE.pack(0) + data])
    return [record[4:] if kind == NAMES_OF_LINKS else record[:8] for record in records]


def _chunk_indexes():
    found = []
    for data, each in _objects():
        if isinstance(each, DatasetObject) and each.layout.kind == CHUNKED:
            header = read_of(object_header.read_messages(head_of(), each.address), data)
            index = read_of(read_chunk_index(head_of(), each), data)
            found.append(joined([ADDRESS.pack(each.address), *header, *index]))
    return found


def _elements():
    found = []
    for data, each in _objects():
        if not isinstance(each, DatasetObject) or each.layout.kind == CHUNKED:
            continue
        raw = data[each.layout.offset or each.layout.address :][: 6 * each.kind.size]
        heap = [PLACE.pack(match.start()) + data[match.start() :][:400] for match in re.finditer(b"GCOL", data)]
        kinds = [kind for kind in _messages(object_header.DATATYPE) if _size(kind) == each.kind.size]
        found += [joined([kind, raw, *heap]) for kind in kinds]
    return list(dict.fromkeys(found))[:200]


def _size(kind):
    return int.from_bytes(kind[4:8], "little")


HDF5_SEEDS = {
    "hdf5-superblock": lambda: [data[:4096] for data in files()],
    "hdf5-header": lambda: _at_objects(object_header.read_messages, object),
    "hdf5-tree-2": lambda: _at_marks(b"BTHD", read_records),
    "hdf5-symbols": lambda: _at_marks(b"TREE\\0", read_symbols),
    "hdf5-names": lambda: _at_marks(b"HEAP", read_local_heap),
    "hdf5-fractal-heap": _fractal_heaps,
    "hdf5-global-heap": lambda: _at_marks(b"GCOL", read_collection),
    "hdf5-links": lambda: _at_objects(_group, GroupObject),
    "hdf5-attributes": lambda: _at_objects(read_noted, GroupObject),
    "hdf5-chunk-index": _chunk_indexes,
    "hdf5-datatype": lambda: _messages(object_header.DATATYPE),
    "hdf5-dataspace": lambda: _messages(object_header.DATASPACE),
    "hdf5-layout": lambda: _messages(object_header.LAYOUT),
    "hdf5-filters": lambda: _messages(object_header.FILTERS),
    "hdf5-fill": lambda: _messages(object_header.FILL, object_header.OLD_FILL),
    "hdf5-lzf": lambda: [b"\x04hello\x20\x04\x40\x03", b"\x00a\xe0\xff\x00", b"\x1f" + bytes(range(32))],
    "hdf5-elements": _elements,
    "hdf5-file": lambda: [data for data in files() if len(data) < 25_000],
}
