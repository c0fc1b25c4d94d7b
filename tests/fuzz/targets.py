"""The parsers that are fuzzed: each target takes any bytes, and raises only where something is wrong with ckptread.

What may happen: a value, or an error of ours. Whatever else is raised is a finding, and so is a value that is not
what the file holds.
"""

import io
import json
import os
import struct
import tempfile
import zlib

import numpy as np

from ckptread.errors import CheckpointError
from ckptread.formats.hdf5 import chunks as hdf5_chunks
from ckptread.formats.hdf5 import values as hdf5_values
from ckptread.formats.hdf5.dataset_layout import UNREADABLE, DatasetLayout
from ckptread.formats.hdf5.worker_index import WorkerIndex
from ckptread.formats.numpy.npy_header import read_npy_header
from ckptread.formats.numpy.npz import NpzReader
from ckptread.formats.safetensors.reader import SafetensorsReader
from ckptread.formats.tensorflow import messages as tf_messages
from ckptread.formats.tensorflow.bundle import open_bundle
from ckptread.formats.tensorflow.leveldb_table import LevelTable
from ckptread.formats.tensorflow.v1 import open_v1
from ckptread.formats.zip.archive import ZipArchive
from ckptread.names.keras.describe import KerasEvidence
from ckptread.names.keras.describe import name_keras_tensors as describe_keras
from ckptread.names.tensorflow import messages, object_graph, saved_model
from ckptread.names.tensorflow.describe import TensorFlowEvidence
from ckptread.names.tensorflow.describe import name_tensorflow_tensors as describe_tensorflow
from ckptread.reader import Tensor
from ckptread.storage.addresses import find_storage
from ckptread.storage.memory import BytesSource
from ckptread.tensors import TensorInfo, element_count
from ckptread.untrusted import binary
from ckptread.untrusted import json_text as jsondata
from ckptread.untrusted.dtypes import numpy_dtype
from ckptread.worker.parent import Worker
from ckptread.worker.protocol import ListDatasets, WorkerMessage
from tests.fuzz import formats
from tests.fuzz.hdf5_targets import HDF5_TARGETS, NOT_HERE
from tests.fuzz.records import pairs, records, table_of, with_checksum

OURS = (CheckpointError, binary.Malformed, *NOT_HERE)
READ_BYTES = 1 << 20
"""Tensors above this size are not read: the fuzzer wants many small executions."""
SHM = "/dev/shm" if os.path.isdir("/dev/shm") else None
FOLDER = tempfile.TemporaryDirectory(prefix="ckptread-fuzz-", dir=SHM)


class Memory(BytesSource):
    """Bytes that the readers take for a file."""

    def locate(self, offset):
        return self.name, offset


def source(data):
    """Return bytes as what the readers read from."""
    return Memory(data, "fuzz")


def read_all(reader):
    """Read every tensor that says it can be read; check what was read against what was listed."""
    for key, info in reader.tensors.items():
        assert isinstance(info, TensorInfo)
        assert (info.shape is None) or all(dim >= 0 for dim in info.shape) or info.problem, info
        if info.problem is not None or info.nbytes > READ_BYTES:
            continue
        try:
            values = reader.read(key)
            parts = list(Tensor(reader, info).blocks(4096)) if info.nbytes < 1 << 16 else []
        except OURS:
            continue
        assert info.shape is None or values.shape == info.shape, info
        assert sum(part.size for part in parts) in (0, values.size), info
    list(reader.regions())


def table(data):
    """The sorted table, checksums and all as they come."""
    opened = LevelTable(source(data))
    for block in opened.blocks:
        opened.entries(block)
        opened.values(block)


def block(data):
    """The contents of a table's block, behind a checksum that fits: the first byte is the compression."""
    from tests.table_writer import MAGIC, handle, with_trailer
    from tests.table_writer import block as block_of

    packed = with_trailer(data[1:], data[0] & 1 if data else 0)
    index = block_of([(b"\xff", handle(0, len(data[1:])))])
    at = len(packed)
    where = handle(0, 0) + handle(at, len(index))
    table(packed + with_trailer(index) + where.ljust(40, b"\0") + struct.pack("<Q", MAGIC))


BUNDLE_DATA = bytes(range(256)) * 16


def bundle(data):
    """A V2 checkpoint: entries by twos, each tensor's checksum put right; the last record is the shard."""
    parts = records(data)
    shard = parts.pop() if len(parts) % 2 else BUNDLE_DATA
    entries = [(key, with_checksum(value, shard) if key else value) for key, value in pairs(parts)]
    prefix = os.path.join(FOLDER.name, "ck")
    _write(prefix + ".index", table_of(entries))
    _write(prefix + ".data-00000-of-00001", shard)
    with open_bundle(*find_storage(prefix)) as reader:
        read_all(reader)
        _same_bytes(reader, shard)


def _same_bytes(reader, shard):
    """A tensor of one extent is those bytes of the shard, and nothing else."""
    for key, info in reader.tensors.items():
        if (
            info.extent is None
            or info.dtype == "string"
            or info.nbytes > READ_BYTES
            or "-00000-" not in info.extent.file
        ):
            continue
        try:
            values = np.ascontiguousarray(reader.read(key))
        except OURS:
            continue
        stored = shard[info.extent.offset : info.extent.offset + info.nbytes]
        turned = info.extent.byteorder == "big"
        assert turned or values.tobytes() == stored, info


def v1(data):
    """A V1 checkpoint: entries by twos."""
    path = os.path.join(FOLDER.name, "v1.ckpt")
    _write(path, table_of(pairs(records(data))))
    with open_v1(*find_storage(path)) as reader:
        read_all(reader)


def _write(path, data):
    with open(path, "wb") as file:
        file.write(data)


MESSAGES = [
    value for module in (tf_messages, messages) for value in vars(module).values() if isinstance(value, binary.Message)
]


def protobuf(data):
    """Every protocol buffer message there is a table for; the first byte says which."""
    if data:
        MESSAGES[data[0] % len(MESSAGES)].decode(data[1:])


def names_tensorflow(data):
    """What TensorFlow's own description says of the names: object graph, saved_model.pb, keras_metadata.pb, .meta."""
    parts = [*records(data), b"", b"", b"", b"", b""]
    keys = [part.decode("utf-8", "surrogateescape") for part in parts[4].split(b"\0")[:50]]
    infos = [TensorInfo(key=key, shape=(2, 3), dtype="float32", nbytes=24) for key in dict.fromkeys(keys)]
    graph, saved, metadata, meta = (part or None for part in parts[:4])
    evidence = TensorFlowEvidence(
        object_graph=object_graph.parse_object_graph(graph or b""),
        saved_model=saved,
        keras_metadata=metadata,
        meta_graph=meta,
        same_bytes=lambda a, b: len(a) == len(b),
    )
    found = describe_tensorflow(infos, evidence)
    assert sorted(info.key for info in found) == sorted(info.key for info in infos)
    saved_model.parse_saved_model(parts[1], parts[3])


def names_keras(data):
    """What a configuration and the attributes say of a Keras file's names."""
    parts = [*records(data), b"", b"", b"", b""]
    config, training, attributes = (_json(part) for part in parts[:3])
    groups = attributes if isinstance(attributes, dict) else {}
    # The worker tells attributes as texts, numbers and lists of texts.
    said = {
        str(group): {name: _said(value) for name, value in values.items()}
        for group, values in groups.items()
        if isinstance(values, dict)
    }
    keys = [part.decode("utf-8", "surrogateescape") for part in parts[3].split(b"\0")[:50]]
    shapes = ((), (3,), (2, 3), (3, 3, 1, 2), None)
    infos = [
        TensorInfo(key=key, shape=shapes[at % 5], dtype="float32", nbytes=24)
        for at, key in enumerate(dict.fromkeys(keys))
    ]
    evidence = KerasEvidence(
        config=config,
        training_config=training,
        attributes=said,
        archive=bool(len(data) & 1),
        same_bytes=lambda _a, _b: True,
    )
    found = describe_keras(infos, evidence)
    assert sorted(info.key for info in found) == sorted(info.key for info in infos)


def _said(value):
    if isinstance(value, str | int | float):
        return value
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def _json(data):
    try:
        return jsondata.bounded_json(data)
    except binary.Malformed:
        return None


def json_text(data):
    """JSON: what is accepted is what json.loads makes of it."""
    value = jsondata.bounded_json(data, unique=False)
    assert repr(value) == repr(json.loads(data))


def zip_members(data):
    """A zip archive and every member in it: what is read has the CRC-32 that is stated."""
    archive = ZipArchive(source(data))
    list(archive.regions())
    for name, member in archive.members.items():
        if member.problem is None and member.nbytes <= READ_BYTES:
            try:
                found = archive.read(name, READ_BYTES)
            except OURS:
                continue
            assert zlib.crc32(found) == member.crc32
            assert len(found) == member.nbytes


def npz(data):
    """An .npz archive, and every array in it."""
    with NpzReader(source(data)) as reader:
        read_all(reader)


def npy_header(data):
    """The header of an .npy array, behind a length that fits: its size is that of shape and dtype."""
    text = data[1:] if data else b""
    whole = b"\x93NUMPY" + bytes([1 + data[0] % 3 if data else 1, 0])
    whole += struct.pack("<H" if whole[6] == 1 else "<I", len(text) & 0xFFFF) + text[:0xFFFF]
    header = read_npy_header(lambda nbytes: whole[:nbytes], "fuzz.npy")
    if header.problem is None:
        dtype = numpy_dtype(header.dtype)
        assert not dtype.hasobject
        assert element_count(header.shape) * dtype.itemsize == header.nbytes, header


def safetensors(data):
    """A safetensors file: the first record is its header, behind a length that fits; the second its bytes."""
    parts = [*records(data), b"", b""]
    whole = struct.pack("<Q", len(parts[0])) + parts[0] + parts[1]
    with SafetensorsReader(source(whole)) as reader:
        read_all(reader)
        for key, info in reader.tensors.items():
            if info.extent is not None and info.nbytes <= READ_BYTES:
                stored = whole[info.extent.offset : info.extent.offset + info.nbytes]
                assert np.ascontiguousarray(reader.read(key)).tobytes() == stored


CHUNK = struct.Struct("<BBHHI")
DTYPES = ("u1", "<u2", "<f4", "<f8", "<c16", "V3")
FILTERS = ((), (1,), (2,), (3,), (2, 1), (1, 3), (3, 1), (2, 1, 3), (2, 3, 1), (32000,))


def hdf5_chunk(data):
    """A chunk of an HDF5 dataset, its filters undone: exactly its size comes out, or an error."""
    if len(data) < CHUNK.size:
        return
    kind, filters, rows, columns, mask = CHUNK.unpack_from(data)
    stored, dtype = data[CHUNK.size :], np.dtype(DTYPES[kind % len(DTYPES)])
    shape = (rows % 64 + 1, columns % 64 + 1)
    codes = FILTERS[filters % len(FILTERS)]
    layout = DatasetLayout(kind="chunked", chunk=shape, filters=codes)
    place = {(0, 0): hdf5_chunks.Chunk(mask, 0, len(stored))}
    chunks = hdf5_chunks.Chunks(source(stored), "fuzz", layout, dtype, place, dtype.itemsize)
    whole = chunks.decode((0, 0), place[0, 0])
    assert len(whole) == shape[0] * shape[1] * dtype.itemsize
    out = np.empty(shape, dtype)
    chunks.read((range(shape[0]), range(shape[1])), out)
    assert out.tobytes() == whole


VALUE_DTYPES = (
    np.dtype(object),
    np.dtype("<i4"),
    np.dtype([("name", object), ("number", "<i4")]),
    np.dtype([("pair", object, (2,)), ("x", "<f8", (2,))]),
)


def hdf5_values_sent(data):
    """Strings, lists and references as the worker sends them."""
    if data:
        hdf5_values.decode(data[1:], VALUE_DTYPES[data[0] % 4], ((), (1,), (2,), (0,), (2, 2))[data[0] // 4 % 5])


class _Process:
    """A worker's process whose answers are these bytes."""

    def __init__(self, answers):
        self.stdin, self.stdout = io.BytesIO(), io.BytesIO(answers)

    def poll(self):
        return None

    def kill(self):
        return None

    wait = kill


def _worker(answers):
    import threading

    worker = object.__new__(Worker)
    worker._path, worker._library, worker._timed_out, worker._ready = "fuzz.h5", "HDF5", False, True
    worker._lock, worker._process = threading.Lock(), _Process(answers)
    return worker


LISTING = ListDatasets()


def worker_stream(data):
    """What a worker sends, framing and all."""
    for message, raw in _worker(data).ask(LISTING, 60):
        assert isinstance(message, WorkerMessage)
        assert isinstance(raw, bytes)


def worker_index(data):
    """What a worker tells of a file: every record is a message, in a frame that fits."""
    framed = b"".join(struct.pack("<I", len(part)) + part for part in records(data))
    index = WorkerIndex(source(bytes(4096)), "fuzz.h5")
    try:
        for message, raw in _worker(framed).ask(LISTING, 60):
            index.add(message, raw)
    finally:
        for key, info in index.tensors.items():
            assert info.problem or info.shape is None or all(dim >= 0 for dim in info.shape)
            assert info.extent is None
            assert index.layouts[key] == UNREADABLE  # only the library knows how it is stored


TARGETS = {
    "table": table,
    "block": block,
    "bundle": bundle,
    "v1": v1,
    "protobuf": protobuf,
    "names-tensorflow": names_tensorflow,
    "names-keras": names_keras,
    "json": json_text,
    "zip": zip_members,
    "npz": npz,
    "npy-header": npy_header,
    "safetensors": safetensors,
    "hdf5-chunk": hdf5_chunk,
    "hdf5-values": hdf5_values_sent,
    "worker-stream": worker_stream,
    "worker-index": worker_index,
    **HDF5_TARGETS,
    **formats.targets(read_all),
}


def execute(name, data):
    """Run one target on these bytes. Returns whether they were taken; raises what is a finding."""
    try:
        TARGETS[name](data)
    except OURS:
        return False
    return True
