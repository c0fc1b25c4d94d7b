"""Describes a dataset in the HDF5 worker: its dtype, and how its bytes are stored."""

from __future__ import annotations

from typing import Any

import h5py
import msgspec
import numpy as np
from h5py import h5a, h5d, h5g, h5s, h5t

from ckptread.formats.hdf5.filters import DEFLATE, FLETCHER32, LZF, NBIT, SCALEOFFSET, SHUFFLE, SZIP
from ckptread.formats.hdf5.reference import FAILURES
from ckptread.limits import (
    CLAIM_BYTES,
    CLAIM_RATIO,
    GROUP_TEXT_BYTES,
    MAX_ATTRIBUTE_BYTES,
    MAX_CHUNK_BYTES,
    MAX_REFERENCES,
)
from ckptread.tensors import element_count, shape_problem
from ckptread.untrusted.binary import text
from ckptread.wording import quoted
from ckptread.worker.protocol import Attribute, DatasetLayout, FoundDataset

replace = msgspec.structs.replace

BY_PARENT = {DEFLATE, SHUFFLE, FLETCHER32}
"""The filters that the parent undoes itself, checking the size of every chunk."""
BY_LIBRARY = {SZIP: "szip", NBIT: "nbit", SCALEOFFSET: "scaleoffset", LZF: "lzf"}
"""The filters that come with h5py's library."""
OPAQUE_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""What Keras stores as opaque bytes, with the name in an attribute."""
SMALL_FLOATS = {(2, 15, 7, 8, 0, 7, 127): "bfloat16"}
"""Floats that numpy has no type for: (bytes, sign bit, exponent's place and bits, mantissa's, bias)."""


class Unreadable(Exception):  # noqa: N818 - a reason to report, not a failure
    """Why the values of a dataset are not read; ``unsupported`` where the file may be intact."""

    def __init__(self, problem: str, *, unsupported: bool = False) -> None:
        self.problem = problem
        self.unsupported = unsupported


def describe_dataset(dataset: h5d.DatasetID, key: str, *, alias_of: str | None = None) -> FoundDataset:
    """Return a dataset's shape, dtype and layout, and the reason why it cannot be read, if it cannot."""
    space, kind = dataset.get_space(), dataset.get_type()
    stored_shape = None if space.get_simple_extent_type() == h5s.NULL else tuple(space.shape)
    name, dtype = _dtype(dataset, kind)
    found = FoundDataset(key=key, shape=stored_shape, dtype=name or _class_name(kind), alias_of=alias_of)
    if name is None:
        return replace(found, problem=f"its type, {found.dtype}, is none of numpy's", unsupported=True)
    if stored_shape is None:
        return found
    shape = stored_shape
    if dtype is not None and dtype.subdtype is not None:
        shape += dtype.shape
        found = replace(found, dtype=str(dtype.base), shape=shape)
    problem = shape_problem(shape)
    if problem is not None:
        return replace(found, problem=problem)
    found = replace(found, nbytes=element_count(stored_shape) * kind.get_size())
    try:
        return replace(found, layout=_layout(dataset, found.nbytes, direct=dtype is None or _is_direct(kind, dtype)))
    except Unreadable as reason:
        return replace(found, problem=reason.problem, unsupported=reason.unsupported)


def null_references(dataset: h5d.DatasetID) -> int:
    """Return how many of a small dataset's object references lead nowhere; none is ever followed."""
    kind, space = dataset.get_type(), dataset.get_space()
    if kind.get_class() != h5t.REFERENCE or space.get_simple_extent_type() == h5s.NULL:
        return 0
    count = element_count(tuple(space.shape))
    if dataset.get_storage_size() == 0:  # none was written
        return count
    if count > MAX_REFERENCES:
        return 0
    values = h5py.Dataset(dataset)[()]
    return sum(not reference for reference in np.atleast_1d(values).reshape(-1))


def _dtype(dataset: h5d.DatasetID, kind: h5t.TypeID) -> tuple[str | None, np.dtype[Any] | None]:
    """Return a type's numpy name and dtype; only the name of bfloat16, neither of what numpy cannot represent.

    Keras 3 stores bfloat16 as opaque bytes, with the name in an attribute.
    """
    small = _small_float(kind)
    if small is not None:
        return small, None
    try:
        dtype = kind.dtype
    except (TypeError, ValueError, RuntimeError):
        return None, None
    if dtype.kind == "V" and dtype.names is None and kind.get_size() <= 2:
        recorded = _recorded_dtype(dataset)
        if recorded in OPAQUE_DTYPES:
            return recorded, None
    if dtype.kind == "f" and kind.get_class() == h5t.FLOAT and kind.get_size() != dtype.itemsize:
        return None, None  # a float that h5py would convert to a larger one
    return str(dtype), dtype


def _recorded_dtype(dataset: h5d.DatasetID) -> str | None:
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


def _layout(dataset: h5d.DatasetID, nbytes: int, *, direct: bool) -> DatasetLayout:
    """Return how a dataset's bytes are stored; ``direct`` where they are the array's own. Raises Unreadable."""
    plist = dataset.get_create_plist()
    layout, stored = plist.get_layout(), dataset.get_storage_size()
    if nbytes > CLAIM_BYTES and nbytes > CLAIM_RATIO * stored:
        raise Unreadable(f"it claims {nbytes:,} bytes and stores {stored:,}: it is not read")
    if plist.get_external_count():
        file = text(plist.get_external(0)[0])
        raise Unreadable(f"its bytes are in another file, {quoted(file)}: it is not opened")
    if layout == h5d.VIRTUAL:
        raise Unreadable("it is a virtual dataset, made of other datasets: they are not opened")
    if layout == h5d.CHUNKED:
        return _chunked(dataset, plist, direct=direct)
    if not direct:
        return DatasetLayout(kind="library")
    if layout == h5d.COMPACT:
        return DatasetLayout(kind="compact")
    # The storage size shows that there is no storage; h5py's offset does not.
    if stored == 0:
        return DatasetLayout(kind="fill", fill=_fill(dataset, plist))
    return DatasetLayout(kind="contiguous", offset=dataset.get_offset())


def _chunked(dataset: h5d.DatasetID, plist: Any, *, direct: bool) -> DatasetLayout:
    chunk = tuple(plist.get_chunk())
    nbytes = element_count(chunk) * dataset.get_type().get_size()
    codes = [int(plist.get_filter(number)[0]) for number in range(plist.get_nfilters())]
    if nbytes > MAX_CHUNK_BYTES:
        raise Unreadable(f"its chunks take {nbytes:,} bytes each, more than the {MAX_CHUNK_BYTES:,} that are read")
    if len(set(codes)) < len(codes):
        raise Unreadable("a filter is in its pipeline twice, as in a decompression bomb")
    foreign = [code for code in codes if code not in BY_PARENT]
    unknown = [code for code in foreign if code not in BY_LIBRARY]
    if unknown:
        raise Unreadable(f"its chunks went through the filter {unknown[0]}, which is not known here", unsupported=True)
    if foreign and DEFLATE in codes:
        problem = f"its chunks went through deflate and {BY_LIBRARY[foreign[0]]}, which is not read"
        raise Unreadable(problem, unsupported=True)
    if foreign or not direct:
        return DatasetLayout(kind="library")
    return DatasetLayout(kind="chunked", chunk=chunk, filters=tuple(codes), fill=_fill(dataset, plist))


def _fill(dataset: h5d.DatasetID, plist: Any) -> bytes:
    """Return the fill value's bytes."""
    value = np.zeros((), dataset.dtype)
    if plist.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED:
        plist.get_fill_value(value)
    return value.tobytes()[-dataset.get_type().get_size() :]  # of bfloat16, the upper half of a float32


def attributes(group: h5g.GroupID) -> tuple[dict[str, Attribute], list[str]]:
    """Return the attributes that are text, numbers or lists of text, and the names of those that cannot be read."""
    found: dict[str, Attribute] = {}
    unreadable: list[str] = []
    budget = GROUP_TEXT_BYTES
    for number in range(h5a.get_num_attrs(group)):
        name = "?"
        try:
            attribute = h5a.open(group, index=number)
            name = text(attribute.name)
            value = _attribute(attribute)
        except (*FAILURES, MemoryError):
            unreadable.append(name)
            continue
        budget -= len(str(value))
        if value is not None and budget > 0:
            found[name] = value
    return found, unreadable


def _attribute(attribute: h5a.AttrID) -> Attribute | None:
    """Return a value that may describe the model, None for any other."""
    if attribute.get_space().get_simple_extent_type() == h5s.NULL:
        return None
    if 0 in attribute.shape:
        return []  # Keras writes an empty array of floats for a layer without weights
    kind = attribute.dtype
    if attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
        return None
    is_text = h5t.check_string_dtype(kind) is not None
    if not (is_text or kind.kind in "ifu") or len(attribute.shape) > 1:
        return None
    values = np.zeros(attribute.shape, kind)
    attribute.read(values)
    return _plain(values)


def _plain(values: np.ndarray[Any, Any]) -> Attribute | None:
    if values.ndim == 1:
        listed = [_text(value) for value in values.tolist()]
        return [value for value in listed if value is not None] if None not in listed else None
    value = values.item()
    return value if isinstance(value, int | float) else _text(value)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return text(value)
    return value if isinstance(value, str) else None
