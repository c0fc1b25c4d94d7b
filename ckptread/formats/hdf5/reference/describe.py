"""What a dataset is: its dtype, and how its bytes lie. Part of the child of hdf5.py."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5s, h5t

from ckptread.formats.hdf5.reference.chunks import DEFLATE, FLETCHER32, MAX_CHUNK_BYTES, SHUFFLE
from ckptread.tensors import element_count, shape_problem
from ckptread.untrusted.binary import text

Described = dict[str, Any]

SZIP, NBIT, SCALEOFFSET, LZF = 4, 5, 6, 32000
BY_PARENT = {DEFLATE, SHUFFLE, FLETCHER32}
"""The filters that the parent undoes itself, with exact sizes."""
BY_LIBRARY = {SZIP: "szip", NBIT: "nbit", SCALEOFFSET: "scaleoffset", LZF: "lzf"}
"""The filters that h5py's library brings along."""
CLAIM_BYTES, CLAIM_RATIO = 256 << 20, 1100
"""A dataset above this size that claims more than deflate can make of what is stored is not to be believed."""
OPAQUE_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""What Keras stores as opaque bytes, with an attribute that says so."""
MAX_ATTRIBUTE_BYTES = 64 << 20
MAX_TEXT_BYTES = 32 << 20
"""The most that the attributes of one group come to: a model's configuration is one of them."""
MOST_REFERENCES = 100_000
"""The most references of a dataset that are looked at."""
SMALL_FLOATS = {(2, 15, 7, 8, 0, 7, 127): "bfloat16"}
"""Floats that numpy has no type for: (bytes, sign bit, exponent's place and bits, mantissa's, bias)."""


def describe_dataset(dataset: h5d.DatasetID) -> Described:
    """Return a dataset's shape, dtype and layout, and why it cannot be read if it cannot."""
    space, kind, plist = dataset.get_space(), dataset.get_type(), dataset.get_create_plist()
    shape = None if space.get_simple_extent_type() == h5s.NULL else tuple(space.shape)
    name, dtype = _dtype(dataset, kind)
    found: Described = {"shape": shape, "dtype": name, "nbytes": 0, "layout": "none", "problem": None}
    if name is None:
        foreign = _class_name(kind)
        return {**found, "dtype": foreign, "problem": f"its type, {foreign}, is none of numpy's", "unsupported": True}
    if shape is None:
        return found
    if dtype is not None and dtype.subdtype is not None:
        found["dtype"], found["shape"] = str(dtype.base), shape + dtype.shape
    problem = shape_problem(found["shape"])
    if problem is not None:
        return {**found, "problem": problem}
    nbytes = element_count(shape) * kind.get_size()
    held = dataset.get_storage_size()
    if nbytes > CLAIM_BYTES and nbytes > CLAIM_RATIO * held:
        problem = f"it claims {nbytes:,} bytes, of which the file holds {held:,}: it is not read"
        return {**found, "nbytes": nbytes, "problem": problem}
    return {**found, "nbytes": nbytes, **_layout(dataset, plist, direct=dtype is None or _is_direct(kind, dtype))}


def null_references(dataset: h5d.DatasetID) -> int:
    """Return how many of a small dataset's object references lead nowhere; none is ever followed."""
    kind, space = dataset.get_type(), dataset.get_space()
    if kind.get_class() != h5t.REFERENCE or space.get_simple_extent_type() == h5s.NULL:
        return 0
    count = element_count(tuple(space.shape))
    if dataset.get_storage_size() == 0:  # none was written
        return count
    if count > MOST_REFERENCES:
        return 0
    values = h5py.Dataset(dataset)[()]
    return sum(not reference for reference in np.atleast_1d(values).reshape(-1))


def _dtype(dataset: h5d.DatasetID, kind: h5t.TypeID) -> tuple[str | None, np.dtype[Any] | None]:
    """Return numpy's name of a type, and the type; only the name of what numpy itself has not (bfloat16).

    bfloat16 is also what an attribute says so of, as Keras 3 writes it. No name: numpy has nothing like it.
    """
    small = _small_float(kind)
    if small is not None:
        return small, None
    try:
        dtype = kind.dtype
    except (TypeError, ValueError, RuntimeError):
        return None, None
    if dtype.kind == "V" and dtype.names is None and kind.get_size() <= 2:
        said = _said_dtype(dataset)
        if said in OPAQUE_DTYPES:
            return said, None
    if dtype.kind == "f" and kind.get_class() == h5t.FLOAT and kind.get_size() != dtype.itemsize:
        return None, None  # a float that h5py would convert to a larger one
    return str(dtype), dtype


def _said_dtype(dataset: h5d.DatasetID) -> str | None:
    if not h5a.exists(dataset, b"dtype"):
        return None
    value = _attribute(h5a.open(dataset, b"dtype"))
    return value if isinstance(value, str) else None


def _small_float(kind: h5t.TypeID) -> str | None:
    if kind.get_class() != h5t.FLOAT:
        return None
    return SMALL_FLOATS.get((kind.get_size(), *kind.get_fields(), kind.get_ebias()))


def _class_name(kind: h5t.TypeID) -> str:
    names = {h5t.INTEGER: "integer", h5t.FLOAT: "float", h5t.TIME: "time", h5t.STRING: "string",
             h5t.BITFIELD: "bitfield", h5t.OPAQUE: "opaque", h5t.COMPOUND: "compound", h5t.REFERENCE: "reference",
             h5t.ENUM: "enum", h5t.VLEN: "vlen", h5t.ARRAY: "array"}  # fmt: skip
    return f"HDF5 {names.get(kind.get_class(), 'type')} of {kind.get_size()} bytes"


def _is_direct(kind: h5t.TypeID, dtype: np.dtype[Any]) -> bool:
    """Whether the stored bytes are the array's own: no conversion, no heap."""
    if dtype.subdtype is not None:
        return _is_direct(kind.get_super(), dtype.base)
    if kind.get_size() != dtype.itemsize or dtype.hasobject:
        return False
    what = kind.get_class()
    if what == h5t.ENUM:
        base = kind.get_super()
        return _is_direct(base, base.dtype) and base.get_size() == dtype.itemsize
    if what == h5t.COMPOUND:
        return _is_direct_compound(kind, dtype)
    if what == h5t.STRING:
        return bool(kind.get_strpad() == h5t.STR_NULLPAD)
    if what == h5t.OPAQUE:
        return True
    if _small_float(kind) is not None:
        return bool(kind.get_order() == h5t.ORDER_LE)
    return what in (h5t.INTEGER, h5t.FLOAT) and bool(h5t.py_create(dtype).equal(kind))


def _is_direct_compound(kind: h5t.TypeID, dtype: np.dtype[Any]) -> bool:
    members = [(kind.get_member_offset(n), kind.get_member_type(n)) for n in range(kind.get_nmembers())]
    if dtype.kind == "c":
        part = np.dtype(f"{dtype.byteorder}f{dtype.itemsize // 2}")
        return [at for at, _ in members] == [0, part.itemsize] and all(_is_direct(m, part) for _, m in members)
    if dtype.names is None or len(dtype.names) != len(members):
        return False
    fields = [dtype.fields[name] for name in dtype.names] if dtype.fields else []
    return all(at == f[1] and _is_direct(m, f[0]) for (at, m), f in zip(members, fields, strict=True))


def _layout(dataset: h5d.DatasetID, plist: Any, *, direct: bool) -> Described:
    layout = plist.get_layout()
    if plist.get_external_count():
        file = text(plist.get_external(0)[0])
        return {"problem": f"its bytes lie in another file, {file!r}: it is not opened"}
    if layout == h5d.VIRTUAL:
        return {"problem": "it is a virtual dataset, made of other datasets: they are not opened"}
    if layout == h5d.CHUNKED:
        return _chunked(dataset, plist, direct=direct)
    if not direct:
        return {"layout": "library"}
    if layout == h5d.COMPACT:
        return {"layout": "compact"}
    # Storage size 0, not the offset, tells a dataset without storage: h5py gives odd offsets for those.
    if dataset.get_storage_size() == 0:
        return {"layout": "fill", "fill": _fill(dataset, plist)}
    return {"layout": "contiguous", "offset": dataset.get_offset()}


def _chunked(dataset: h5d.DatasetID, plist: Any, *, direct: bool) -> Described:
    chunk = tuple(plist.get_chunk())
    nbytes = element_count(chunk) * dataset.get_type().get_size()
    filters = [(int(f[0]), [int(v) for v in f[2]]) for f in map(plist.get_filter, range(plist.get_nfilters()))]
    codes = [code for code, _ in filters]
    if nbytes > MAX_CHUNK_BYTES:
        return {"problem": f"its chunks take {nbytes:,} bytes each, more than the {MAX_CHUNK_BYTES:,} that are read"}
    if len(set(codes)) < len(codes):
        return {"problem": "a filter stands twice in its pipeline, as in a decompression bomb"}
    foreign = [code for code in codes if code not in BY_PARENT]
    unknown = [code for code in foreign if code not in BY_LIBRARY]
    if unknown:
        problem = f"its chunks went through the filter {unknown[0]}, which is not known here"
        return {"problem": problem, "unsupported": True}
    if foreign and DEFLATE in codes:
        problem = f"its chunks went through deflate and {BY_LIBRARY[foreign[0]]}, which is not read"
        return {"problem": problem, "unsupported": True}
    if foreign or not direct:
        return {"layout": "library"}
    return {"layout": "chunked", "chunk": chunk, "filters": codes, "fill": _fill(dataset, plist)}


def _fill(dataset: h5d.DatasetID, plist: Any) -> str:
    """Return the fill value's bytes, as hexadecimal digits."""
    value = np.zeros((), dataset.dtype)
    if plist.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED:
        plist.get_fill_value(value)
    return value.tobytes()[-dataset.get_type().get_size() :].hex()  # of bfloat16, the upper half of a float32


def attributes(group: h5g.GroupID) -> tuple[Described, list[str]]:
    """Return the attributes that are text, numbers or lists of text, and the names of those that cannot be read."""
    found: Described = {}
    odd: list[str] = []
    budget = MAX_TEXT_BYTES
    for number in range(h5a.get_num_attrs(group)):
        name = "?"
        try:
            attribute = h5a.open(group, index=number)
            name = text(attribute.name)
            value = _attribute(attribute)
        except (TypeError, ValueError, RuntimeError, OSError, KeyError, MemoryError):
            odd.append(name)
            continue
        budget -= len(str(value))
        if value is not None and budget > 0:
            found[name] = value
    return found, odd


def _attribute(attribute: h5a.AttrID) -> str | int | float | list[str] | None:
    """Return a value that says something of the model, None for any other."""
    if attribute.get_space().get_simple_extent_type() == h5s.NULL:
        return None
    if 0 in attribute.shape:
        return []  # what Keras writes for a layer without weights: no names, as floats
    kind = attribute.dtype
    if attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
        return None
    is_text = h5t.check_string_dtype(kind) is not None
    if not (is_text or kind.kind in "ifu") or len(attribute.shape) > 1:
        return None
    values = np.zeros(attribute.shape, kind)
    attribute.read(values)
    return _plain(values)


def _plain(values: np.ndarray[Any, Any]) -> str | int | float | list[str] | None:
    if values.ndim == 1:
        listed = [_text(value) for value in values.tolist()]
        return [value for value in listed if value is not None] if None not in listed else None
    value = values.item()
    return value if isinstance(value, int | float) else _text(value)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return text(value)
    return value if isinstance(value, str) else None
