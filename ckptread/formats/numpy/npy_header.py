"""The header of numpy's .npy arrays.

What it is: a magic number, a version, a length, and the text of a Python dictionary that gives dtype, order and
shape; behind it the array's bytes.
Specification: https://numpy.org/neps/nep-0001-npy-format.html, numpy/lib/format.py (versions 1, 2 and 3).
Read here: every dtype that is plain data, in either byte order, structured ones too; C and Fortran order.
Not read: Python objects, which are pickled and can run code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ckptread.errors import DamagedFileError, UnsafeFileError, UnsupportedError
from ckptread.limits import ELEMENT_BYTES, NPY_HEADER_BYTES
from ckptread.tensors import PICKLED, element_count, shape_problem
from ckptread.untrusted.binary import Malformed
from ckptread.untrusted.literals import read_literal

MAGIC = b"\x93NUMPY"
HEAD_BYTES = 256
"""Read at first: nearly every header takes 64 or 128 bytes."""
LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
ENCODINGS = {1: "latin-1", 2: "latin-1", 3: "utf-8"}


NAMES = {
    "b1": "bool", "?": "bool",
    "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64",
    "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64",
    "f2": "float16", "f4": "float32", "f8": "float64",
    "c8": "complex64", "c16": "complex128",
}  # fmt: skip
SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8, 12, 16), "c": (8, 16, 24, 32),
         "M": (8,), "m": (8,)}  # fmt: skip
_PLAIN = re.compile(
    r"([<>|=]?)(\?|[biufcSUVMm])(\d{0,9})((?:\[\d{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)", re.ASCII
)


class NpyHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the header records about the array behind it."""

    dtype: str
    """As in TensorInfo."""
    shape: tuple[int, ...]
    fortran: bool
    """Whether the first axis runs fastest, in an array where that makes a difference."""
    offset: int
    """Where the array's bytes begin."""
    nbytes: int
    """The array's bytes; 0 where they cannot be counted."""
    problem: str | None = None
    """Why no array can be read by this header, or None."""


class _Dtype(msgspec.Struct, frozen=True):
    """An element's dtype: numpy's spelling of it, as text or as the structure it is made of."""

    spec: Any
    itemsize: int


def read_npy_header(head: Callable[[int], bytes], name: str) -> NpyHeader:
    """Read the header of an array; ``head(n)`` returns its first n bytes or fewer, ``name`` is for messages.

    Raises DamagedFileError where it is invalid, UnsafeFileError where it is too long, UnsupportedError for an unknown
    version.
    """
    data = head(HEAD_BYTES)
    if data[:6] != MAGIC or len(data) < 12:
        raise DamagedFileError(name, "it does not begin as a .npy array does", advice="download it again")
    if data[6] not in LENGTH_BYTES:
        raise UnsupportedError(name, f"it is a .npy array of version {data[6]}.{data[7]}")
    start = 8 + LENGTH_BYTES[data[6]]
    end = start + int.from_bytes(data[8:start], "little")
    if end > NPY_HEADER_BYTES:
        raise UnsafeFileError(name, f"its header takes {end:,} bytes")
    if end > len(data):
        data = head(end)
    if end > len(data):
        raise DamagedFileError(name, "it ends within its header", advice="download it again")
    try:
        return _header(data[start:end].decode(ENCODINGS[data[6]]), end)
    except UnicodeDecodeError as error:
        raise DamagedFileError(name, f"its .npy header is invalid: it is not {error.encoding.upper()}") from error
    except Malformed as error:
        raise DamagedFileError(name, f"its .npy header is invalid: {error}") from error


def _header(text: str, offset: int) -> NpyHeader:
    fields = read_literal(text)
    if not isinstance(fields, dict) or sorted(fields) != ["descr", "fortran_order", "shape"]:
        raise Malformed("it does not give descr, fortran_order and shape", 0)
    shape, fortran = fields["shape"], fields["fortran_order"]
    if not isinstance(shape, tuple) or not all(type(dim) is int for dim in shape) or type(fortran) is not bool:
        raise Malformed("its shape is not a tuple of integers, or its order not a boolean", 0)
    if _has_objects(fields["descr"]):
        return NpyHeader(dtype="object", shape=shape, fortran=False, offset=offset, nbytes=0, problem=PICKLED)
    dtype = _dtype(fields["descr"])
    if dtype is None:
        return NpyHeader(
            dtype=repr(fields["descr"]),
            shape=shape,
            fortran=False,
            offset=offset,
            nbytes=0,
            problem="its dtype is not one of numpy's",
        )
    problem = _size_problem(shape, dtype.itemsize)
    matters = fortran and sum(dim > 1 for dim in shape) > 1
    nbytes = 0 if problem else element_count(shape) * dtype.itemsize
    return NpyHeader(
        dtype=_name(dtype.spec), shape=shape, fortran=matters, offset=offset, nbytes=nbytes, problem=problem
    )


def _size_problem(shape: tuple[int, ...], itemsize: int) -> str | None:
    if not 0 < itemsize <= ELEMENT_BYTES:
        return f"its elements take {itemsize:,} bytes each"
    return shape_problem(shape, itemsize)


def _name(spec: Any) -> str:
    """Return a dtype's name as in TensorInfo: 'float32', '>f4', '<U8', or a structure written out."""
    if not isinstance(spec, str):
        return repr(spec)
    little = spec[0] in "<|" or spec[1:] in ("b1", "i1", "u1")
    return NAMES.get(spec[1:], spec) if little else spec


def _has_objects(descr: Any) -> bool:
    if isinstance(descr, str):
        return descr.lstrip("<>|=").startswith("O")
    fields = descr if isinstance(descr, list) else []
    return any(isinstance(field, tuple) and len(field) > 1 and _has_objects(field[1]) for field in fields)


def _dtype(descr: Any) -> _Dtype | None:
    """Return the dtype that the header describes; None where numpy has no such dtype."""
    return _plain(descr) if isinstance(descr, str) else _structure(descr) if isinstance(descr, list) else None


def _plain(descr: str) -> _Dtype | None:
    found = _PLAIN.fullmatch(descr)
    if found is None:
        return None
    order, kind, digits, unit = found.groups()
    if kind == "?":
        kind, digits = "b", "1"
    count = int(digits or 0)
    if count not in SIZES.get(kind, (count,)) or (unit and kind not in "Mm"):
        return None
    order = "|" if kind in "SVb" or (kind in "iu" and count == 1) else ">" if order == ">" else "<"
    return _Dtype(f"{order}{kind}{count}{unit}", 4 * count if kind == "U" else count)


def _structure(descr: list[Any]) -> _Dtype | None:
    """Return a structured dtype; where there is padding, or a name of no length, in the form with every offset."""
    fields, formats, offsets, at, padded = [], [], [], 0, False
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3) or not _is_name(field[0]):
            return None
        inner, shape = _dtype(field[1]), field[2] if len(field) == 3 else ()
        if inner is None or not isinstance(shape, tuple) or not all(type(dim) is int for dim in shape):
            return None
        nbytes = inner.itemsize * element_count(shape)
        if field[0] == "" and not shape and str(inner.spec).startswith("|V"):
            padded = True
        else:
            fields.append(field[0])
            formats.append((inner.spec, shape) if shape else inner.spec)
            offsets.append(at)
        at += nbytes
    names = [name if isinstance(name, str) else name[1] for name in fields]
    if len(set(names)) < len(names) or not names:
        return None
    if not padded and "" not in names:  # numpy would call such a field f0
        pairs = zip(fields, formats, strict=True)
        return _Dtype([(n, *f) if isinstance(f, tuple) else (n, f) for n, f in pairs], at)
    return _Dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": at}, at)


def _is_name(name: Any) -> bool:
    """Whether this names a field: a string, or a pair of a title and a string."""
    return isinstance(name, str) or (
        isinstance(name, tuple) and len(name) == 2 and all(isinstance(part, str) for part in name)
    )
