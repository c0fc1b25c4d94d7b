"""Elements that are decoded after they are read: strings and lists in the global heap, references, padded strings.

Specification: HDF5 File Format Specification 3.0, III.E "Global Heap", IV.A.2.d "The Datatype Message" (padding of
strings), VIII "Appendix D: Encoding for Dataspace and Reference".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ckptread.formats.hdf5.attributes import NULL_TERMINATED, SPACE_PADDED
from ckptread.formats.hdf5.datatype import COMPOUND, REFERENCE, STRING, Datatype
from ckptread.formats.hdf5.numpy_types import OBJECT_BYTES, element_of
from ckptread.formats.hdf5.region_text import region_text
from ckptread.formats.hdf5.values import Reference
from ckptread.limits import VALUES_BYTES
from ckptread.untrusted.binary import Malformed

if TYPE_CHECKING:
    import numpy as np

    from ckptread.tensors import Array

REGION_KIND = 1
"""Of a reference's flags; 0 is a reference to an object."""

Collections = Mapping[int, Mapping[int, bytes]]
PathOf = Callable[[int], str | None]
"""Returns the path of the object at an address, for references; None where there is none."""
ReadCollections = Callable[[list[int]], Collections]
"""Reads collections of the global heap, by address."""


class TooLarge(Exception):  # noqa: N818 - becomes an UnsafeFileError where the file is known
    """Values that total more than is read at once."""


def decode_elements(raw: Array, kind: Datatype, read: ReadCollections, path_of: PathOf) -> Array:
    """Return the values of elements as they are stored: an array of the same shape. Raises Malformed."""
    if kind.kind == STRING:
        return _unpadded(raw, kind)
    if kind.kind == REFERENCE:
        return _regions(raw, read, path_of) if kind.flags & 15 == REGION_KIND else _references(raw, kind, path_of)
    if kind.kind == COMPOUND:
        return _records(raw, kind, read, path_of)
    return _heap_values(raw, kind, read)


def _records(raw: Array, kind: Datatype, read: ReadCollections, path_of: PathOf) -> Array:
    """Return records, each member decoded; numpy has them in the order of their places."""
    import numpy as np

    element = element_of(kind)
    octets = raw.reshape(-1).view(np.uint8).reshape(raw.size, kind.size)
    values = np.empty(raw.size, _dtype("" if element is None else element.name))
    for name, place, member in kind.members:
        stored = np.ascontiguousarray(octets[:, place : place + member.size]).view(f"V{member.size}").reshape(-1)
        found = element_of(member)
        if found is not None and found.plain:
            values[name] = stored.view(np.dtype((_dtype(found.format), found.dims)))
        else:
            values[name] = decode_elements(stored, member, read, path_of)
    return values.reshape(raw.shape)


def _unpadded(raw: Array, kind: Datatype) -> Array:
    """Return strings padded with NUL, whatever they are padded with."""
    import numpy as np

    octets = raw.reshape(-1).view(np.uint8).reshape(-1, kind.size).copy()
    if kind.flags & 15 == NULL_TERMINATED:
        octets[np.logical_or.accumulate(octets == 0, axis=1)] = 0
    elif kind.flags & 15 == SPACE_PADDED:
        octets[np.logical_and.accumulate(octets[:, ::-1] == ord(" "), axis=1)[:, ::-1]] = 0
    return octets.view(f"S{kind.size}").reshape(raw.shape)


def _references(raw: Array, kind: Datatype, path_of: PathOf) -> Array:
    import numpy as np

    known: dict[bytes, Reference] = {bytes(kind.size): Reference("object", True)}
    values = np.empty(raw.size, object)
    for n, each in enumerate(_pieces(raw, kind.size)):
        if each not in known:
            path = path_of(int.from_bytes(each, "little")) if kind.size == OBJECT_BYTES else None
            known[each] = Reference("object", False, path)
        values[n] = known[each]
    return values.reshape(raw.shape)


def _regions(raw: Array, read: ReadCollections, path_of: PathOf) -> Array:
    """Return references to parts of datasets: each is in the heap, as the address of its object and a selection."""
    import numpy as np

    places = np.frombuffer(raw.tobytes(), [("address", "<u8"), ("number", "<u4")])
    collections = read(np.unique(places["address"][places["address"] != 0]).tolist())
    values = np.empty(len(places), object)
    for n, (address, number) in enumerate(places.tolist()):
        stored = collections[address].get(number, b"") if address else b""
        path, part = path_of(int.from_bytes(stored[:8], "little")) if stored else None, region_text(stored[8:])
        known = path is not None and part is not None
        values[n] = Reference("region", not address, f"{path}{part}" if known else None)
    return values.reshape(raw.shape)


def _pieces(raw: Array, size: int) -> list[bytes]:
    data = raw.tobytes()
    return [data[at : at + size] for at in range(0, len(data), size)]


def _heap_values(raw: Array, kind: Datatype, read: ReadCollections) -> Array:
    """Return strings as bytes, lists as arrays; what was never written is empty."""
    import numpy as np

    places = np.frombuffer(raw.tobytes(), [("count", "<u4"), ("address", "<u8"), ("number", "<u4")])
    item = 1 if kind.is_text or kind.base is None else kind.base.size
    written = places["address"] != 0
    if int(places["count"][written].sum(dtype="u8")) * item > VALUES_BYTES:
        raise TooLarge(f"its values take more than {VALUES_BYTES:,} bytes")
    collections = read(np.unique(places["address"][written]).tolist())
    convert = _converter(kind)
    values = np.empty(len(places), object)
    values.fill(b"")
    filled = np.flatnonzero(written & (places["count"] > 0)) if convert is bytes else np.arange(len(places))
    for n, (count, address, number) in zip(filled.tolist(), places[filled].tolist(), strict=True):
        values[n] = convert(_object(collections, count * item, address, number))
    return values.reshape(raw.shape)


def _object(collections: Collections, nbytes: int, address: int, number: int) -> bytes:
    if address == 0 or nbytes == 0:
        return b""
    found = collections[address].get(number, b"")
    if len(found) < nbytes:
        raise Malformed(f"the global heap has no object {number} of {nbytes:,} bytes", address)
    return found[:nbytes]


def _converter(kind: Datatype) -> Callable[[bytes], Any]:
    """Return what makes a value of an object's bytes."""
    import numpy as np

    element = None if kind.is_text or kind.base is None else element_of(kind.base)
    if element is None:
        return _until_null
    dtype: np.dtype[Any] = _dtype(element.name)
    return lambda data: np.frombuffer(data, dtype).copy()


def _until_null(data: bytes) -> bytes:
    """Return a string as the library does: it ends at the first NUL."""
    return data.split(b"\0", 1)[0]


def _dtype(name: str) -> np.dtype[Any]:
    from ckptread.untrusted.dtypes import numpy_dtype

    return numpy_dtype(name)
