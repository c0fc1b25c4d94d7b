"""How files of formats that are not read here are recognised: by their first bytes, and by what must follow them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import partial

from ckptread.errors import CheckpointError
from ckptread.formats.candidate import HDF5_SIGNATURE, Candidate, look
from ckptread.storage.source import Storage
from ckptread.untrusted.binary import Malformed, varint

BYTES, VARINT, LENGTHS = 2, 0, {1: 8, 5: 4}
"""Protobuf's wire types."""
OPERATION = re.compile(rb"[A-Za-z][\w.>/-]*")
MINDSPORE_TYPE = re.compile(rb"(B?Float|U?Int|Bool|Complex|str)\d*")
ONNX_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""The fields of ONNX's ModelProto, and the wire type of each: 7 is the graph, 8 the versions of its operators."""
MESSAGE_MAPS = (*range(0x81, 0x90), 0xDE, 0xDF)
"""How a MessagePack file that is a mapping begins."""
SHORT_TEXT, LONG_TEXT = 0xA0, 0xD9
"""The mark of a text of less than 32 bytes, to which its length is added; and that of one whose length follows."""
TFJS_SHARD = re.compile(r"group\d+-shard\d+of\d+(\.bin)?")


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number, the wire type and the bytes of a message's fields, as far as they are there and valid."""
    at = 0
    while at < len(data):
        try:
            tag, at = varint(data, at)
            start, size = at, LENGTHS.get(tag & 7, 0)
            if tag & 7 == VARINT:
                size = varint(data, at)[1] - at
            elif tag & 7 == BYTES:
                size, start = varint(data, at)
        except Malformed:
            return
        if tag >> 3 == 0 or tag & 7 not in (VARINT, BYTES, *LENGTHS):
            yield 0, tag & 7, b""
            return
        at = start + size
        yield tag >> 3, tag & 7, data[start:at]


def is_onnx(c: Candidate) -> bool:
    """An ONNX model: a message that begins with its version, and has a graph or versions of operators."""
    found = [(number, wire) for number, wire, _ in _fields(c.head)]
    known = found[:1] == [(1, VARINT)] and all(ONNX_FIELDS.get(number) == wire for number, wire in found)
    return known and bool({(7, BYTES), (8, BYTES)} & set(found))


def _first_record(c: Candidate) -> list[bytes]:
    """Return the fields of the message that a file begins with in its field 1, which are all of bytes."""
    number, wire, record = next(_fields(c.head), (0, 0, b""))
    if (number, wire) != (1, BYTES):
        return []
    return [data for at, kind, data in _fields(record) if kind == BYTES and at in (1, 2)]


def is_graph(c: Candidate) -> bool:
    """A graph of TensorFlow begins with a node: its name, and then its operation."""
    first = _first_record(c)
    return len(first) > 1 and all(OPERATION.fullmatch(text) for text in first[:2])


def is_mindspore(c: Candidate) -> bool:
    """A checkpoint of MindSpore begins with a tensor's name, and the tensor: its axes, then its type as a word."""
    first = _first_record(c)
    tensor = list(_fields(first[1])) if len(first) > 1 else []
    return any(number == 2 and MINDSPORE_TYPE.fullmatch(kind) for number, _, kind in tensor)


def is_meta_graph(c: Candidate) -> bool:
    """The .meta file of a checkpoint: what the graph is, the graph and what was saved, all of them messages."""
    found = [(number, wire) for number, wire, _ in _fields(c.head)]
    return bool(found) and all(0 < number < 8 and wire == BYTES for number, wire in found)


def is_messages(c: Candidate) -> bool:
    """MessagePack, as flax writes it: a mapping whose first key is text."""
    if not c.head or c.head[0] not in MESSAGE_MAPS:
        return False
    first = {0xDE: 3, 0xDF: 5}.get(c.head[0], 1)
    mark, length, *_ = (*c.head[first : first + 2], 0, 0)
    size, start = (length, first + 2) if mark == LONG_TEXT else (mark - SHORT_TEXT, first + 1)
    key = c.head[start : start + size] if 0 < size < 256 else b""
    return 0 < len(key) == size and key.isascii() and key.decode("ascii").isprintable()


def is_matlab4(c: Candidate) -> bool:
    """MATLAB up to version 4: five numbers, the last one the length of the name that follows, and a zero byte."""
    for order in "<>":
        kind, rows, columns, imaginary, length = struct.unpack(order + "5i", c.head[:20].ljust(20, b"\xff"))
        name = c.head[20 : 20 + length] if 1 < length <= 64 else b""
        sizes = 0 <= kind < 5000 and kind // 100 % 10 == 0 and rows >= 0 and columns >= 0 and imaginary in (0, 1)
        if sizes and name[-1:] == b"\0" and re.fullmatch(rb"[A-Za-z]\w*", name[:-1]):
            return True
    return False


def is_tensorflow_js_folder(c: Candidate) -> bool:
    """A folder with the weights that TensorFlow.js loads."""
    return c.folder and any(map(TFJS_SHARD.fullmatch, c.storage.list(c.path)))


def is_zarr_folder(c: Candidate) -> bool:
    """A group or an array of Zarr."""
    return any(map(c.has, (".zgroup", ".zarray", ".zmetadata", "zarr.json")))


def is_orbax_folder(c: Candidate) -> bool:
    """A checkpoint of Orbax, or the folder of one of its items."""
    return any(map(c.has, ("_CHECKPOINT_METADATA", "manifest.ocdbt", "_METADATA", "commit_success.txt")))


def is_family_part(candidate: Candidate) -> bool:
    """Whether it is a later file of HDF5's family driver: the first one has the same name with the number 0."""
    path = candidate.path
    numbers = [found for found in re.finditer(r"\d+", path) if int(found.group())]
    firsts = (path[: each.start()] + "0" * len(each.group()) + path[each.end() :] for each in numbers[-2:])
    return any(map(partial(_is_first_of_family, candidate.storage), firsts))


def _is_first_of_family(storage: Storage, name: str) -> bool:
    try:
        head = look(storage, name).head
    except CheckpointError:
        return False
    return head.startswith(HDF5_SIGNATURE) and b"NCSAfami" in head
