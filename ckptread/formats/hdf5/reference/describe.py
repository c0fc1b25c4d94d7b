"""Describes a dataset in the HDF5 worker: its shape, its dtype, and why it cannot be read."""

from __future__ import annotations

from typing import Any

import h5py
import msgspec
import numpy as np
from h5py import h5a, h5d, h5g, h5s, h5t

from ckptread.formats.hdf5.description import LIBRARY_FILTERS, NATIVE_FILTERS, OPAQUE_DTYPES
from ckptread.formats.hdf5.filters import DEFLATE, LZF
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
from ckptread.worker.protocol import Attribute, FoundDataset

replace = msgspec.structs.replace

SMALL_FLOATS = {(2, 15, 7, 8, 0, 7, 127): "bfloat16"}
"""Floats that numpy has no type for: (bytes, sign bit, exponent's place and bits, mantissa's, bias)."""


def describe_dataset(dataset: h5d.DatasetID, key: str, address: int, *, alias_of: str | None = None) -> FoundDataset:
    """Return a dataset's shape and dtype, and the reason why it cannot be read, if it cannot."""
    space, kind = dataset.get_space(), dataset.get_type()
    stored_shape = None if space.get_simple_extent_type() == h5s.NULL else tuple(space.shape)
    name, dtype = _dtype(dataset, kind)
    found = FoundDataset(
        key=key, shape=stored_shape, dtype=name or _class_name(kind), address=address, alias_of=alias_of,
        is_text=_is_text(dtype),
    )  # fmt: skip
    if name is None:
        return replace(found, problem=f"its type, {found.dtype}, is none of numpy's", unsupported=True)
    if stored_shape is None:
        return found
    shape = stored_shape
    if dtype is not None and dtype.subdtype is not None:
        base, dims = flat_array(dtype)
        shape += dims
        found = replace(found, dtype=str(base), shape=shape)
    problem = shape_problem(shape)
    if problem is not None:
        return replace(found, problem=problem)
    found = replace(found, nbytes=element_count(stored_shape) * kind.get_size())
    problem, unsupported = _problem(dataset, found.nbytes)
    return replace(found, problem=problem, unsupported=unsupported)


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
    small = small_float(kind)
    if small is not None:
        return small, None
    try:
        dtype = kind.dtype
    except (TypeError, ValueError, RuntimeError):
        return None, None
    if dtype.kind == "V" and dtype.names is None:
        recorded = _recorded_dtype(dataset)
        if recorded and OPAQUE_DTYPES.get(recorded) == kind.get_size():
            return recorded, None
    if dtype.kind == "f" and kind.get_class() == h5t.FLOAT and kind.get_size() != dtype.itemsize:
        return None, None  # a float that h5py would convert to a larger one
    return str(dtype), dtype


def flat_array(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return what an array type, or arrays of arrays, is made of, and all its dimensions."""
    dims: tuple[int, ...] = ()
    while dtype.subdtype is not None:
        dtype, more = dtype.subdtype
        dims += more
    return dtype, dims


def _is_text(dtype: np.dtype[Any] | None) -> bool:
    return dtype is not None and h5t.check_string_dtype(dtype) is not None


def _recorded_dtype(dataset: h5d.DatasetID) -> str | None:
    if not h5a.exists(dataset, b"dtype"):
        return None
    value = _attribute(h5a.open(dataset, b"dtype"))
    return value if isinstance(value, str) else None


def small_float(kind: h5t.TypeID) -> str | None:
    """Return the name of a float that numpy has no type for, None of any other type."""
    if kind.get_class() != h5t.FLOAT:
        return None
    return SMALL_FLOATS.get((kind.get_size(), *kind.get_fields(), kind.get_ebias()))


def _class_name(kind: h5t.TypeID) -> str:
    names = {h5t.INTEGER: "integer", h5t.FLOAT: "float", h5t.TIME: "time", h5t.STRING: "string",
             h5t.BITFIELD: "bitfield", h5t.OPAQUE: "opaque", h5t.COMPOUND: "compound", h5t.REFERENCE: "reference",
             h5t.ENUM: "enum", h5t.VLEN: "vlen", h5t.ARRAY: "array"}  # fmt: skip
    return f"HDF5 {names.get(kind.get_class(), 'type')} of {kind.get_size()} bytes"


def _problem(dataset: h5d.DatasetID, nbytes: int) -> tuple[str | None, bool]:
    """Return why a dataset is not read, and whether that is a limit of this program, not damage."""
    plist = dataset.get_create_plist()
    layout, stored = plist.get_layout(), dataset.get_storage_size()
    if nbytes > CLAIM_BYTES and nbytes > CLAIM_RATIO * stored:
        return f"it claims {nbytes:,} bytes and stores {stored:,}: it is not read", False
    if plist.get_external_count():
        return f"its bytes are in another file, {quoted(text(plist.get_external(0)[0]))}: it is not opened", False
    if layout == h5d.VIRTUAL:
        return "it is a virtual dataset, made of other datasets: they are not opened", False
    return _chunk_problem(dataset, plist) if layout == h5d.CHUNKED else (None, False)


def _chunk_problem(dataset: h5d.DatasetID, plist: Any) -> tuple[str | None, bool]:
    nbytes = element_count(tuple(plist.get_chunk())) * dataset.get_type().get_size()
    codes = [int(plist.get_filter(number)[0]) for number in range(plist.get_nfilters())]
    unknown = [code for code in codes if code not in NATIVE_FILTERS and code not in LIBRARY_FILTERS]
    if nbytes > MAX_CHUNK_BYTES:
        return f"its chunks take {nbytes:,} bytes each, more than the {MAX_CHUNK_BYTES:,} that are read", False
    if len(set(codes)) < len(codes):
        return "a filter is in its pipeline twice, as in a decompression bomb", False
    if unknown:
        return f"its chunks went through the filter {unknown[0]}, which h5py's library does not have", True
    if set(codes) & LIBRARY_FILTERS.keys() and {DEFLATE, LZF} & set(codes):
        return "its chunks went through two compressions, which is not read", True
    return None, False


def attributes(group: h5g.GroupID) -> tuple[dict[str, Attribute], list[str]]:
    """Return the attributes that are text, numbers or lists of text, and the names of those that cannot be read."""
    found: dict[str, Attribute] = {}
    unreadable: list[str] = []
    budget = GROUP_TEXT_BYTES
    names: list[bytes] = []
    h5a.iterate(group, names.append)  # by number, each one is looked for from the first on
    for stored in names:
        name = text(stored)
        try:
            value = _attribute(h5a.open(group, stored))
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
