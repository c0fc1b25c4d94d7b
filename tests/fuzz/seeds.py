"""What the fuzzers begin with: the fixtures, taken apart into the records that each target takes."""

import io
import json
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path

from ckptread.formats.tensorflow.leveldb_table import LevelTable
from ckptread.storage.local import FileSource
from ckptread.worker.protocol import (
    DatasetsListed,
    End,
    Entries,
    Failed,
    FoundAttributes,
    FoundDataset,
    FoundProblem,
    LongText,
    Values,
    write_message,
)
from tests import table_writer
from tests.conformance.cases import FIXTURES
from tests.fuzz import formats
from tests.fuzz.hdf5_seeds import HDF5_SEEDS
from tests.fuzz.records import joined

FINDINGS = Path(__file__).resolve().parent / "findings"
SMALL = 20_000
"""A seed above this size makes slow executions."""


def _entries(path):
    source = FileSource(str(path))
    try:
        opened = LevelTable(source)
        return [entry for block in opened.blocks for entry in opened.entries(block)]
    finally:
        source.close()


def _tables(pattern):
    return [(path, _entries(path)) for path in sorted(FIXTURES.glob(pattern))]


def _files(*patterns):
    paths = [path for pattern in patterns for path in sorted(FIXTURES.glob(pattern))]
    return [path.read_bytes() for path in paths if path.stat().st_size <= SMALL]


def _table():
    written = table_writer.table([(b"", table_writer.header())], [(b"k", b"v")])
    return [*_files("*/*.index", "tf-v1/*.ckpt"), written]


def _block():
    contents = [table_writer.block(entries) for _, entries in _tables("*/*.index")]
    return [b"\0" + each for each in contents if len(each) < SMALL]


def _bundle():
    found = []
    for path, entries in _tables("*/*.index"):
        shard = path.with_name(path.name.removesuffix(".index") + ".data-00000-of-00001")
        data = shard.read_bytes() if shard.exists() else b""
        found.append(joined([part for entry in entries for part in entry] + [data[:0xFFFF]]))
    return [each for each in found if len(each) < SMALL]


def _v1():
    paths = sorted(FIXTURES.glob("tf-v1*/*.ckpt")) + sorted(FIXTURES.glob("tf-v1*/*-of-*"))
    return [joined([part for entry in _entries(path) for part in entry]) for path in paths]


def _protobuf():
    values = [value for _, entries in _tables("*/*.index") for _, value in entries][:200]
    return [bytes([kind]) + value for kind in range(16) for value in values[kind::16]]


def _graphs():
    graphs = []
    for path, entries in _tables("*/*.index"):
        shard = path.with_name(path.name.removesuffix(".index") + ".data-00000-of-00001")
        data = shard.read_bytes() if shard.exists() else b""
        at = data.find(b"\n")
        keys = b"\0".join(key for key, _ in entries if key)
        folder = path.parent.parent
        beside = [folder / "saved_model.pb", folder / "keras_metadata.pb", path.with_suffix(".meta")]
        said = [each.read_bytes() if each.exists() else b"" for each in beside]
        for start in {at, data.find(b"\n\x0e"), data.rfind(b"\n\x1e")} - {-1}:
            parts = [data[start:], *said, keys]
            if sum(map(len, parts)) < SMALL and max(map(len, parts)) <= 0xFFFF:
                graphs.append(joined(parts))
    return graphs


CONFIG = {
    "class_name": "Functional",
    "config": {
        "name": "demo",
        "layers": [
            {"class_name": "Dense", "config": {"name": "dense", "units": 3, "use_bias": True, "trainable": False}},
            {"class_name": "LSTM", "config": {"name": "lstm", "units": 2}},
            {"class_name": "Bidirectional", "config": {"layer": {"class_name": "GRU", "config": {"name": "g"}}}},
        ],
    },
}
KEYS_3 = [b"layers/dense/vars/0", b"layers/dense/vars/1", b"layers/lstm/cell/vars/0", b"optimizer/vars/0"]
KEYS_2 = [b"dense/dense/kernel:0", b"dense/dense/bias:0", b"model_weights/dense/dense/kernel:0"]
SAID = {
    "": {"layer_names": ["dense"], "keras_version": "2.15.0", "backend": "tensorflow"},
    "dense": {"weight_names": ["dense/kernel:0", "dense/bias:0"]},
    "layers/dense/vars": {"name": "dense"},
    "model_weights": {"layer_names0": ["dense"]},
}
TRAINING = {"optimizer_config": {"class_name": "Adam", "config": {"name": "Adam", "amsgrad": True}}}


def _keras():
    texts = [json.dumps(value).encode() for value in (CONFIG, TRAINING, SAID)]
    configs = [texts[0]]
    for path in sorted(FIXTURES.glob("*/*.keras")):
        with zipfile.ZipFile(path) as archive:
            configs.append(archive.read("config.json"))
    return [joined([c, texts[1], texts[2], b"\0".join(k)]) for c in configs for k in (KEYS_3, KEYS_2)]


def _json():
    texts = [json.dumps(value).encode() for value in (CONFIG, SAID, [1, -2.5, 1e300, None, True, "\ud83d\ude00"])]
    return [*texts, b"[[[]]]", b'{"a": 1, "a": 2}', b'"\\u0000\\ud800"']


def _npy_header():
    texts = (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }",
        b"{'descr': '|V2', 'fortran_order': True, 'shape': (), }",
        b"{'descr': [('a', '<f4', (2,)), ('', '|V4'), ('b', [('c', '>i2')])], 'fortran_order': False, 'shape': (2,), }",
        b"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2L, 3L), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    )
    return [bytes([version]) + text for version in range(3) for text in texts]


def _safetensors():
    found = []
    for whole in _files("safetensors/*.safetensors"):
        nbytes = struct.unpack_from("<Q", whole)[0]
        found.append(joined([whole[8 : 8 + nbytes], whole[8 + nbytes :]]))
    return found


def _hdf5_chunk():
    head = struct.Struct("<BBHHI")
    found = []
    for kind, itemsize in enumerate((1, 2, 4, 8, 16, 3)):
        plain = bytes(range(256))[: 4 * 5 * itemsize].ljust(4 * 5 * itemsize, b"x")
        found += [
            head.pack(kind, 0, 3, 4, 0) + plain,
            head.pack(kind, 1, 3, 4, 0) + zlib.compress(plain),
            head.pack(kind, 4, 3, 4, 0) + zlib.compress(plain),
            head.pack(kind, 3, 3, 4, 0) + plain + b"\0\0\0\0",
            head.pack(kind, 5, 3, 4, 1) + plain + b"\0\0\0\0",
        ]
    return found


def _hdf5_values():
    leaf = struct.Struct("<cQ")
    text = leaf.pack(b"s", 3) + b"abc"
    head = repr(("int32", (2,))).encode()
    body = len(head).to_bytes(4, "little") + head + bytes(8)
    listed = leaf.pack(b"l", len(body)) + body
    return [
        b"\0" + text,
        b"\0" + listed,
        b"\x08" + text + listed,
        b"\6" + text + bytes(4),
        b"\0" + leaf.pack(b"r", 1) + b"\1",
    ]


ENTRIES = [
    FoundDataset(key="a", shape=(2, 3), dtype="float32", nbytes=24, address=96),
    FoundDataset(key="b", shape=(4,), dtype="<f8", nbytes=32, address=96, alias_of="a"),
    FoundDataset(key="c", shape=None, dtype="object", problem="why"),
    FoundProblem(key="d", code="hdf5-link", message="a link", severity="note"),
    FoundAttributes(group="layers", attributes={"name": "x", "n": 1, "f": 0.5, "list": ["a", "b"]}),
]  # fmt: skip
TEXT = LongText(group="layers", name="model_config", nbytes=4)
FAILED = Failed(kind="DamagedFileError", problem="it broke", advice="do")


def _framed(*messages):
    pipe = io.BytesIO()
    for message in messages:
        write_message(pipe, message, bytes(getattr(message, "nbytes", 0)))
    return pipe.getvalue()


def _worker_index():
    def listed(*messages):
        return joined(_framed(message)[4:] for message in messages)

    one_by_one = [Entries(entries=[entry]) for entry in ENTRIES]
    return [listed(Entries(entries=ENTRIES), DatasetsListed(), End()), listed(TEXT, FAILED), listed(*one_by_one)]


def _worker_stream():
    return [_framed(Entries(entries=ENTRIES[:2]), DatasetsListed(), End()), _framed(Values(nbytes=9), FAILED)]


SEEDS = {
    "table": _table,
    "block": _block,
    "bundle": _bundle,
    "v1": _v1,
    "protobuf": _protobuf,
    "names-tensorflow": _graphs,
    "names-keras": _keras,
    "json": _json,
    "zip": lambda: _files("numpy/*.npz", "keras*/*.keras"),
    "npz": lambda: _files("numpy/*.npz"),
    "npy-header": _npy_header,
    "safetensors": _safetensors,
    "hdf5-chunk": _hdf5_chunk,
    "hdf5-values": _hdf5_values,
    "worker-stream": _worker_stream,
    "worker-index": _worker_index,
    **HDF5_SEEDS,
    **formats.SEEDS,
}


@cache
def seeds(name):
    """Return what a target is fuzzed from: valid inputs, and what was ever found."""
    found = [path.read_bytes() for path in sorted((FINDINGS / name).glob("*"))] if FINDINGS.is_dir() else []
    return [*SEEDS[name](), *found]
