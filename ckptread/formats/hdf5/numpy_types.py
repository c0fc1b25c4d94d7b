"""What numpy calls a type of HDF5, as h5py does."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from ckptread.formats.hdf5.datatype import (
    ARRAY,
    BIT_FIELD,
    COMPOUND,
    ENUM,
    FLOAT,
    HEAP_BYTES,
    INTEGER,
    OPAQUE,
    REFERENCE,
    STRING,
    VARIABLE,
    Datatype,
    TypeMember,
)

IEEE: dict[tuple[int, ...], str] = {
    (0, 16, 10, 5, 0, 10, 15): "f2",
    (0, 32, 23, 8, 0, 23, 127): "f4",
    (0, 64, 52, 11, 0, 52, 1023): "f8",
    (0, 80, 64, 15, 0, 64, 16383): "f16",
    (0, 16, 7, 8, 0, 7, 127): "bfloat16",
}
REGION_BYTES, OBJECT_BYTES = 12, 8
"""Of a reference: the address of a collection and a number in it, or an object's address."""
MAX_OLD_KIND = 1
"""Of a reference's flags: newer kinds may lead to other files."""
PLAIN_NAMES = {"i": "int", "u": "uint", "f": "float", "c": "complex"}


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """A type as numpy knows it."""

    name: str
    """As ``str(dtype)``."""
    format: str
    """As in a structured dtype: ``<f4``."""
    dims: tuple[int, ...] = ()
    """Of an array type: further axes."""
    plain: bool = True
    """Whether the stored bytes are numpy's own: no conversion, no heap."""

    @property
    def spelled(self) -> str:
        """The format and the further axes, as in a structured dtype."""
        kind = self.format if self.format[0] in "[{" else repr(self.format)
        return f"{kind}, {self.dims!r}" if self.dims else kind


@lru_cache(maxsize=256)
def element_of(kind: Datatype) -> Element | None:
    """Return what numpy calls a type; None where it has nothing like it."""
    found = _ELEMENTS.get(kind.kind)
    return None if found is None else found(kind)


def _number(code: str, size: int, order: str, *, plain: bool = True) -> Element:
    """Return a number; the order of its bytes is named where it is not this machine's usual one."""
    mark = "" if size == 1 else order
    name = f"{PLAIN_NAMES[code]}{8 * size}" if mark != ">" else f">{code}{size}"
    return Element(name=name, format=f"{mark}{code}{size}", plain=plain)


def _order(kind: Datatype) -> str:
    return ">" if kind.flags & 1 else "<"


def _integer(kind: Datatype) -> Element | None:
    if kind.size not in (1, 2, 4, 8):
        return None
    code = "i" if kind.flags & 8 else "u"
    return _number(code, kind.size, _order(kind), plain=kind.fields == (0, 8 * kind.size))


def _float(kind: Datatype) -> Element | None:
    """Return a float as it is; one of another layout that fits in a type of its size is the library's to convert."""
    code = IEEE.get(kind.fields)
    if code is not None and kind.flags & ~1 == FLOAT_FLAGS[code] and kind.size == FLOAT_BYTES[code]:
        if code == "bfloat16":
            return Element(name=code, format=code, plain=_order(kind) == "<")
        return _number("f", kind.size, _order(kind))
    return _converted_float(kind)


FLOAT_BYTES = {"f2": 2, "f4": 4, "f8": 8, "f16": 16, "bfloat16": 2}
FLOAT_FLAGS = {"f2": 0x0F20, "f4": 0x1F20, "f8": 0x3F20, "f16": 0x4F00, "bfloat16": 0x0F20}
"""The place of the sign, and whether the mantissa's first bit is implied; nothing is padded."""
NUMPY_FLOATS = ((2, 10, 16, -14), (4, 23, 128, -126), (8, 52, 1024, -1022), (16, 64, 16384, -16382))
"""Bytes, bits of the mantissa, the largest and the smallest exponent, as h5py chooses by them."""


def _converted_float(kind: Datatype) -> Element | None:
    _, _, _, exponent_bits, _, mantissa_bits, bias = kind.fields
    for size, bits, largest, smallest in NUMPY_FLOATS:
        fits = (1 << exponent_bits) - bias - 1 <= largest and 1 - bias >= smallest
        if size >= kind.size and mantissa_bits <= bits and fits:
            return _number("f", size, _order(kind), plain=False) if size == kind.size else None
    return None


def _string(kind: Datatype) -> Element | None:
    padding = kind.flags & 15
    return Element(name=f"|S{kind.size}", format=f"S{kind.size}", plain=padding == 1) if kind.size else None


def _bytes(kind: Datatype) -> Element | None:
    """Return opaque bytes; h5py writes numpy's own types as such, with a tag that says which."""
    tagged = re.fullmatch(NUMPY_TAG, kind.tag, re.ASCII)
    if tagged is None:
        return Element(name=f"|V{kind.size}", format=f"V{kind.size}") if kind.size else None
    order, code, size, unit = tagged.groups()
    if code in "SV" and int(size) == kind.size:
        return Element(name=f"|{code}{size}", format=f"{code}{size}")
    if code not in "Mm" or int(size) != kind.size or kind.size != 8:
        return None
    word = {"M": "datetime64", "m": "timedelta64"}[code]
    name = f"{word}{unit or ''}" if order != ">" else f">{code}8{unit or ''}"
    return Element(name=name, format=f"{order}{code}8{unit or ''}")


NUMPY_TAG = r"NUMPY:([<>|])([SVMm])(\d{1,9})(\[\w{1,9}\])?"


def _object(kind: Datatype) -> Element:
    return Element(name="object", format="O", plain=False)


def _enum(kind: Datatype) -> Element | None:
    if kind.base is None or kind.base.kind != INTEGER:
        return None
    found = element_of(kind.base)
    is_bool = kind.size == 1 and dict(kind.labels) == {"FALSE": b"\0", "TRUE": b"\1"}
    if found is None or not is_bool:
        return found
    return Element(name="bool", format="?", plain=found.plain)


def _array(kind: Datatype) -> Element | None:
    found = None if kind.base is None else element_of(kind.base)
    return None if found is None else msgspec.structs.replace(found, dims=kind.dims + found.dims)


def _compound(kind: Datatype) -> Element | None:
    members = sorted(kind.members, key=lambda member: member[1])
    found = [element_of(each) for _, _, each in members]
    elements = [each for each in found if each is not None]
    if len(elements) < len(found) or not elements or any(each.format == "bfloat16" for each in elements):
        return None
    plain = all(each.plain for each in elements)
    names = [name for name, _, _ in members]
    if (
        names == ["r", "i"]
        and elements[0].format == elements[1].format
        and elements[0].format[1:2] == "f"
        and not elements[0].dims
    ):
        size = kind.members[0][2].size
        packed = [place for _, place, _ in members] == [0, size] and kind.size == 2 * size
        return _number("c", 2 * size, elements[0].format[0], plain=plain and packed)
    return _record(kind, members, elements, plain)


def _listed(names: list[str], elements: list[Element]) -> str:
    return f"[{', '.join(f'({name!r}, {each.spelled})' for name, each in zip(names, elements, strict=True))}]"


def _record(kind: Datatype, members: list[TypeMember], elements: list[Element], plain: bool) -> Element | None:
    """Return a record as numpy writes its dtype: a list where its fields are next to each other, else with offsets."""
    names = [name for name, _, _ in members]
    growths = [each.memory_size - each.size for _, _, each in members]
    places = [place + sum(growths[:n]) for n, (_, place, _) in enumerate(members)]
    ends = [place + each.numpy_size for place, (_, _, each) in zip(places, members, strict=True)]
    if (
        len(set(names)) < len(names)
        or "" in names
        or any(end > place for end, place in zip(ends, places[1:], strict=False))
    ):
        return None
    if places == [0, *ends[:-1]] and ends[-1] == kind.memory_size:
        spelled = _listed(names, elements)
    else:
        formats = ", ".join(f"({e.spelled})" if e.dims else e.spelled for e in elements)
        spelled = (
            f"{{'names': {names!r}, 'formats': [{formats}], 'offsets': {places!r}, 'itemsize': {kind.memory_size}}}"
        )
    return Element(name=spelled, format=spelled, plain=plain)


_ELEMENTS = {
    INTEGER: _integer, FLOAT: _float, STRING: _string, OPAQUE: _bytes, BIT_FIELD: _integer, COMPOUND: _compound,
    REFERENCE: _object, ENUM: _enum, VARIABLE: _object, ARRAY: _array,
}  # fmt: skip


def is_native(kind: Datatype) -> bool:
    """Whether elements that are not plain are decoded here: strings, lists of numbers, references; records of them."""
    if kind.kind == STRING:
        return True
    if kind.kind == REFERENCE:
        return kind.size in (OBJECT_BYTES, REGION_BYTES) and kind.flags & 15 <= MAX_OLD_KIND
    if kind.kind == VARIABLE and kind.size == HEAP_BYTES:
        return kind.is_text or (kind.base is not None and _is_plain(kind.base))
    found = element_of(kind) if kind.kind == COMPOUND else None
    return found is not None and found.format[0] in "[{" and all(_is_member(each) for _, _, each in kind.members)


def _is_member(kind: Datatype) -> bool:
    found = element_of(kind)
    return found is not None and (found.plain or (is_native(kind) and not found.dims))


def _is_plain(kind: Datatype) -> bool:
    element = element_of(kind)
    return element is not None and element.plain and not element.dims and element.format != "bfloat16"
