"""HDF5 types by the low-level interface: odd precision, other floats, padding, bit fields, enums, nested records."""

import math

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

import ckptread
from ckptread.errors import CheckpointError
from tests.formats.hdf5.same_values import h5py_values, same_values

INTEGERS = (h5t.STD_I8LE, h5t.STD_I16BE, h5t.STD_U16LE, h5t.STD_I32LE, h5t.STD_U32BE, h5t.STD_I64BE, h5t.STD_U8BE)
FLOATS = (h5t.IEEE_F16LE, h5t.IEEE_F16BE, h5t.IEEE_F32LE, h5t.IEEE_F32BE, h5t.IEEE_F64LE, h5t.IEEE_F64BE)
BITS = (h5t.STD_B8LE, h5t.STD_B16BE, h5t.STD_B32LE, h5t.STD_B64BE)
SHAPES = ((), (1,), (3,), (2, 3), (5, 4))


def examine(rng, folder, counts):
    """Yield what is read otherwise than by h5py."""
    path = folder / "types.h5"
    with h5py.File(path, "w", libver=("earliest", "latest")[rng.integers(2)]) as file:
        for number in range(12):
            try:
                _write(file, f"d{number}", _type(rng), rng)
            except (ValueError, TypeError, RuntimeError, OSError):
                counts["not written by HDF5"] += 1
    with h5py.File(path) as file, ckptread.open(path) as reader:
        for info in reader.tensors.values():
            yield from _compare(file, reader, info, counts)


def _compare(file, reader, info, counts):
    try:
        values = h5py_values(file[info.key])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError):
        counts["unreadable by h5py"] += 1
        return
    if info.problem is not None:
        counts["problem"] += 1
        if not info.unsupported:
            yield f"{info.key} has a problem: {info.problem}"
        return
    counts["tensors"] += 1
    try:
        if not same_values(np.asarray(reader.read(info.key)), values):
            yield f"{info.key} ({values.dtype}, {values.shape}): other values"
    except CheckpointError as error:
        yield f"{info.key} ({values.dtype}, {values.shape}) cannot be read: {error}"


def _write(file, name, kind, rng):
    shape = SHAPES[rng.integers(len(SHAPES))]
    space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
    properties, layout = h5p.create(h5p.DATASET_CREATE), rng.integers(4)
    if layout == 0:
        properties.set_layout(h5d.COMPACT)
    elif layout == 1 and shape:
        properties.set_chunk(tuple(int(rng.integers(1, dim + 1)) for dim in shape))
        _add_filters(properties, rng)
    dataset = h5d.create(file.id, name.encode(), kind, space, properties)
    if rng.random() < 0.8:
        raw = np.frombuffer(rng.bytes(math.prod(shape) * kind.get_size()), "u1")
        dataset.write(h5s.ALL, h5s.ALL, raw.copy(), mtype=kind)


def _add_filters(properties, rng):
    if rng.random() < 0.5:
        properties.set_shuffle()
    chosen = rng.random()
    if chosen < 0.3:
        properties.set_deflate(3)
    elif chosen < 0.5:
        properties.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL)


def _type(rng, depth=0):
    makers = (_integer, _integer, _float, _float, _string, _opaque, _bits, _enum)
    if depth < 2 and rng.random() < 0.2:
        return _record(rng, depth) if rng.random() < 0.6 else _array(rng, depth)
    return makers[rng.integers(len(makers))](rng)


def _integer(rng):
    kind = INTEGERS[rng.integers(len(INTEGERS))].copy()
    bits = kind.get_size() * 8
    if rng.random() < 0.6:
        precision = int(rng.integers(2, bits + 1))
        kind.set_precision(precision)
        kind.set_offset(int(rng.integers(0, bits - precision + 1)))
    return kind


def _float(rng):
    kind, chosen = FLOATS[rng.integers(len(FLOATS))].copy(), rng.random()
    if chosen < 0.2:
        kind.set_ebias(kind.get_ebias() + int(rng.choice([-3, 5, 1])))
    elif chosen < 0.4:
        kind.set_norm((h5t.NORM_NONE, h5t.NORM_MSBSET, h5t.NORM_IMPLIED)[rng.integers(3)])
    elif chosen < 0.6 and kind.get_size() == 4:
        exponent, mantissa = int(rng.integers(4, 11)), int(rng.integers(3, 21))
        kind.set_fields(31, 31 - exponent, exponent, 31 - exponent - mantissa, mantissa)
        kind.set_ebias((1 << (exponent - 1)) - 1)
    return kind


def _string(rng):
    kind = h5t.C_S1.copy()
    kind.set_size(int(rng.integers(1, 10)))
    kind.set_strpad((h5t.STR_NULLTERM, h5t.STR_NULLPAD, h5t.STR_SPACEPAD)[rng.integers(3)])
    kind.set_cset(int(rng.integers(2)))
    return kind


def _opaque(rng):
    kind = h5t.create(h5t.OPAQUE, int(rng.integers(1, 10)))
    kind.set_tag(b"x")
    return kind


def _bits(rng):
    return BITS[rng.integers(len(BITS))].copy()


def _enum(rng):
    kind = h5t.enum_create((h5t.STD_I8LE, h5t.STD_I32BE, h5t.STD_U16LE)[rng.integers(3)])
    for number, name in enumerate((b"A", b"B", b"C")):
        kind.enum_insert(name, number * 3)
    return kind


def _record(rng, depth):
    members = [_type(rng, depth + 1) for _ in range(rng.integers(1, 4))]
    gap = int(rng.choice([0, 0, 1, 3]))
    kind = h5t.create(h5t.COMPOUND, sum(each.get_size() + gap for each in members) + int(rng.choice([0, 4])))
    at = 0
    for number, each in enumerate(members):
        at += int(rng.choice([0, gap]))
        kind.insert(b"f%d" % number, at, each)
        at += each.get_size()
    return kind


def _array(rng, depth):
    dims = tuple(int(dim) for dim in rng.integers(1, 4, rng.integers(1, 3)))
    return h5t.array_create(_type(rng, depth + 1), dims)
