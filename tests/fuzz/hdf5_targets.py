"""The native HDF5 parsers, each structure a target of its own.

A parser of a file's structures takes an image: records, of which the first are the parser's arguments, and each other
one is a place and the bytes there. Seeds are what a parser reads of a sound file, and nothing else of it, so that
changes hit the structure.
"""

import struct

import numpy as np

from ckptread.errors import UnsupportedError
from ckptread.formats.hdf5 import attributes, btree2, chunk_index, heaps, links, metadata, object_header, orphans
from ckptread.formats.hdf5 import dataspace as dataspaces
from ckptread.formats.hdf5 import superblock as superblocks
from ckptread.formats.hdf5.datatype import read_datatype
from ckptread.formats.hdf5.elements import TooLarge, decode_elements
from ckptread.formats.hdf5.filters import decompress_lzf
from ckptread.formats.hdf5.numpy_types import element_of, is_native
from ckptread.formats.hdf5.objects import DatasetObject, ObjectReader
from ckptread.formats.hdf5.opening import open_hdf5_source
from ckptread.formats.hdf5.rounds import Rounds
from ckptread.formats.hdf5.storage_layout import read_fill, read_filters, read_layout, read_old_fill
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock, Unsupported
from ckptread.reader import Remains
from ckptread.storage.memory import BytesSource
from ckptread.tensors import element_count
from ckptread.untrusted.dtypes import numpy_dtype
from tests.fuzz.records import records

NOT_HERE = (Unsupported, TooLarge)
"""What is left to the library, or refused by whoever knows the file."""
IMAGE_BYTES = 1 << 17
PLACE = struct.Struct("<I")
ADDRESS = struct.Struct("<Q")


class Image(BytesSource):
    """Bytes that the readers take for a file, and that no worker is asked about."""

    def locate(self, offset):
        return self.name, offset

    def recipe(self):
        raise UnsupportedError(self.name, "there is no worker here")


def image(parts):
    """Return a file that has these bytes at these places, and zeros elsewhere."""
    data = bytearray()
    for part in parts:
        if len(part) < PLACE.size:
            continue
        at = PLACE.unpack_from(part)[0]
        end = at + len(part) - PLACE.size
        if end <= IMAGE_BYTES:
            data.extend(bytes(max(0, end - len(data))))
            data[at:end] = part[PLACE.size :]
    return bytes(data)


def head_of():
    """Return the superblock of a file whose addresses count from its beginning; it notes what has a checksum."""
    return Superblock(0, 0, 2, UNDEFINED, UNDEFINED, checked=[])


def parse(parser, parts):
    """Run a parser over an image."""
    return Rounds(Image(image(parts), "fuzz")).run(parser)


def at_address(read):
    """Return a target of a parser of what is at an address: its argument."""

    def target(data):
        first, *parts = [*records(data), b""]
        if len(first) >= ADDRESS.size:
            parse(read(head_of(), ADDRESS.unpack_from(first)[0]), parts)

    return target


def read_records(head, address):
    """The records of a version 2 tree, of whatever kind."""
    kind = (yield from head.read(address, 6))[5]
    return (yield from btree2.read_tree_2(head, address, kind))


def read_heap(head, address, names):
    """A fractal heap, and the objects that these identifications name."""
    heap = yield from heaps.read_fractal_heap(head, address)
    for at in range(0, len(names), max(1, heap.id_bytes)):
        yield from heaps.read_heap_object(head, heap, names[at : at + heap.id_bytes])


def heap_objects(data):
    """A fractal heap's objects, by identifications that follow the address."""
    first, *parts = [*records(data), b""]
    if len(first) >= ADDRESS.size:
        parse(read_heap(head_of(), ADDRESS.unpack_from(first)[0], first[ADDRESS.size :]), parts)


def read_group(head, address):
    """The links of an object: all, and those that are left of it."""
    messages = yield from object_header.read_messages(head, address)
    left = yield from links.read_remaining_links(head, messages)
    found = yield from links.read_links(head, messages)
    assert left.problem or sorted(map(repr, left.found)) == sorted(map(repr, found.found))


def read_noted(head, address):
    """The attributes of an object."""
    messages = yield from object_header.read_messages(head, address)
    found = yield from attributes.read_attributes(head, messages, attributes.GlobalHeap(head))
    assert all(isinstance(name, str) for name in found.values)


def chunks(data):
    """Where the chunks of a dataset are: within the address space, at positions where chunks begin."""
    first, *parts = [*records(data), b""]
    if len(first) < ADDRESS.size:
        return
    address = ADDRESS.unpack_from(first)[0]
    rounds, head = Rounds(Image(image(parts), "fuzz")), head_of()
    objects = ObjectReader(head, rounds)
    rounds.run(objects.read(address))
    dataset = objects.found[address]
    if isinstance(dataset, DatasetObject):
        found = rounds.run(chunk_index.read_chunk_index(head, dataset))
        chunk = dataset.layout.chunk
        for position, each in found.items():
            assert len(position) == len(chunk)
            assert not any(at % dim for at, dim in zip(position, chunk, strict=True))
            assert each.offset >= 0
            assert each.nbytes >= 0


def superblock(data):
    """The superblock, and what says where a file ends."""
    source = Image(data, "fuzz")
    superblocks.stated_end(source)
    superblocks.truncation_error(source, superblocks.find_superblock(source, superblocks.HEAD_BYTES))
    superblocks.repaired_superblock(source)
    Rounds(source).run(superblocks.read_superblock(source.size))


def datatype(data):
    """A type: what numpy makes of it is as large as it says."""
    kind, _ = read_datatype(data, 0, 0)
    element = element_of(kind)
    assert kind.memory_size >= 0
    assert kind.called
    assert kind.in_heap in (True, False)
    if element is None or is_native(kind) or element.name == "object":
        return
    dtype = numpy_dtype(element.name)
    assert not element.plain or dtype.itemsize * element_count(element.dims) == kind.size, (element, kind)


def dataspace(data):
    """A shape."""
    found = dataspaces.read_dataspace(data, 0)
    assert found.shape is None or len(found.shape) == len(found.limits)


def layout(data):
    """A layout."""
    read_layout(data, 0)


def filters(data):
    """A pipeline of filters."""
    read_filters(data, 0)


def fill(data):
    """A fill value, new and old."""
    assert len(read_fill(data)) <= len(data)
    assert len(read_old_fill(data)) <= len(data)


LZF_BYTES = 4096


def lzf(data):
    """A chunk that LZF packed."""
    assert len(decompress_lzf(data, LZF_BYTES)) <= LZF_BYTES


def elements(data):
    """Values of a type that are decoded here: the type, the stored elements, collections of the global heap."""
    kind_data, raw, *parts = [*records(data), b"", b""]
    kind, _ = read_datatype(kind_data, 0, 0)
    element = element_of(kind)
    if element is None or not is_native(kind) or not 0 < kind.size <= 256:
        return
    count = len(raw) // kind.size
    stored = np.frombuffer(raw, f"V{kind.size}", count)
    rounds, head = Rounds(Image(image(parts), "fuzz")), head_of()

    def read(addresses):
        return {at: rounds.run(heaps.read_collection(head, at)) for at in addresses}

    assert decode_elements(stored, kind, read, lambda address: "w").shape == (count,)


def whole(data):
    """A whole file: everything that is listed is read, natively."""
    from tests.fuzz.targets import read_all

    for remains in (Remains.accepted, Remains.refused):
        with open_hdf5_source(Image(data, "fuzz"), remains) as reader:
            read_all(reader)
    metadata.check_metadata(Image(data, "fuzz"))
    list(orphans.object_addresses(Image(data, "fuzz"), 0))


HDF5_TARGETS = {
    "hdf5-superblock": superblock,
    "hdf5-header": at_address(object_header.read_messages),
    "hdf5-tree-2": at_address(read_records),
    "hdf5-symbols": at_address(links.read_symbols),
    "hdf5-names": at_address(heaps.read_local_heap),
    "hdf5-fractal-heap": heap_objects,
    "hdf5-global-heap": at_address(heaps.read_collection),
    "hdf5-links": at_address(read_group),
    "hdf5-attributes": at_address(read_noted),
    "hdf5-chunk-index": chunks,
    "hdf5-datatype": datatype,
    "hdf5-dataspace": dataspace,
    "hdf5-layout": layout,
    "hdf5-filters": filters,
    "hdf5-fill": fill,
    "hdf5-lzf": lzf,
    "hdf5-elements": elements,
    "hdf5-file": whole,
}
