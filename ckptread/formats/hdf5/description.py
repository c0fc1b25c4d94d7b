"""What a dataset is, as it is listed: numpy's name of its type, its shape, how it is stored, why it cannot be read."""

from __future__ import annotations

import msgspec

from ckptread.formats.hdf5.dataset_layout import UNREADABLE, DatasetLayout
from ckptread.formats.hdf5.filters import DEFLATE, FLETCHER32, LZF, NBIT, SCALEOFFSET, SHUFFLE, SZIP
from ckptread.formats.hdf5.numpy_types import Element, element_of, is_native
from ckptread.formats.hdf5.objects import DatasetObject
from ckptread.formats.hdf5.storage_layout import CHUNKED, COMPACT, CONTIGUOUS, VIRTUAL, Layout
from ckptread.formats.hdf5.superblock import UNDEFINED, Superblock
from ckptread.limits import CLAIM_BYTES, CLAIM_RATIO, MAX_CHUNK_BYTES
from ckptread.storage.source import Source
from ckptread.tensors import TensorInfo, element_count, shape_problem
from ckptread.wording import quoted

OPAQUE_DTYPES = {"bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}
"""What Keras stores as opaque bytes, with an attribute that says so, and the size of each."""
NATIVE_FILTERS = (DEFLATE, SHUFFLE, FLETCHER32, LZF)
LIBRARY_FILTERS = {SZIP: "szip", NBIT: "nbit", SCALEOFFSET: "scaleoffset"}


Described = tuple[TensorInfo, DatasetLayout]
"""A dataset as it is listed, and how its elements are stored."""


def describe(key: str, dataset: DatasetObject, head: Superblock, source: Source, alias_of: str | None) -> Described:
    """Describe a dataset of the file in ``source``."""
    info, layout = _describe(key, dataset, head, source, alias_of)
    return (msgspec.structs.replace(info, is_text=True) if dataset.kind.is_text else info), layout


def _describe(key: str, dataset: DatasetObject, head: Superblock, source: Source, alias_of: str | None) -> Described:
    element, shape = element_of(dataset.kind), dataset.space.shape
    if element is None:
        called = dataset.kind.called
        problem = f"its type, {called}, is none of numpy's"
        return _unreadable(key, shape, called, 0, problem, True, alias_of)
    if dataset.stated_dtype and OPAQUE_DTYPES.get(dataset.stated_dtype) == dataset.kind.size:
        element = Element(name=dataset.stated_dtype, format=dataset.stated_dtype)
    if shape is None:
        return TensorInfo(key=key, shape=None, dtype=element.name, nbytes=0, alias_of=alias_of), UNREADABLE
    nbytes = element_count(shape) * dataset.kind.memory_size
    refused, unsupported = _problem(dataset, shape + element.dims, nbytes, source.size)
    if refused is not None:
        return _unreadable(key, shape + element.dims, element.name, nbytes, refused, unsupported, alias_of)
    layout = _layout(dataset, element, head)
    outside = _outside(dataset, layout, source.size)
    if outside is not None:
        return _unreadable(key, shape + element.dims, element.name, nbytes, outside, False, alias_of)
    in_place = layout.kind == "contiguous" and not layout.encoded and source.addressable
    extent = source.extent(layout.offset, nbytes) if in_place else None
    return TensorInfo(
        key=key, shape=shape + element.dims, dtype=element.name, nbytes=nbytes, extent=extent, alias_of=alias_of
    ), layout


def _unreadable(
    key: str,
    shape: tuple[int, ...] | None,
    dtype: str,
    nbytes: int,
    problem: str,
    unsupported: bool,
    alias_of: str | None,
) -> Described:
    return TensorInfo(
        key=key, shape=shape, dtype=dtype, nbytes=nbytes, problem=problem, unsupported=unsupported, alias_of=alias_of
    ), UNREADABLE


def _problem(dataset: DatasetObject, shape: tuple[int, ...], nbytes: int, size: int) -> tuple[str | None, bool]:
    """Return why a dataset cannot be read, and whether that is a limit of this program, not damage."""
    layout = dataset.layout
    problem = shape_problem(shape, max(dataset.kind.size, dataset.kind.memory_size))
    if problem is not None:
        return problem, False
    if dataset.external is not None:
        return f"its bytes are in another file, {quoted(dataset.external)}, which is not opened", False
    if layout.kind == VIRTUAL:
        return "it is a virtual dataset, made of other datasets: they are not opened", False
    if dataset.fill and len(dataset.fill) != dataset.kind.size and (layout.kind == CHUNKED or _is_unwritten(layout)):
        return f"its fill value has {len(dataset.fill):,} bytes, but its elements have {dataset.kind.size:,}", False
    held = 0 if layout.address == UNDEFINED and layout.kind != COMPACT else size
    if nbytes > CLAIM_BYTES and nbytes > CLAIM_RATIO * held:
        return f"it claims {nbytes:,} bytes, but the file has only {held:,}: it is not read", False
    return _chunk_problem(dataset) if layout.kind == CHUNKED else (None, False)


def _chunk_problem(dataset: DatasetObject) -> tuple[str | None, bool]:
    nbytes = element_count(dataset.layout.chunk) * dataset.kind.size
    if len(dataset.layout.chunk) != len(dataset.space.shape or ()) or 0 in dataset.layout.chunk:
        return "its chunks have no size, or another rank than it has", False
    if nbytes > MAX_CHUNK_BYTES:
        return f"its chunks take {nbytes:,} bytes each, more than the {MAX_CHUNK_BYTES:,} that are read", False
    item_bytes = dataset.layout.dims[-1] if dataset.layout.dims else 0
    if item_bytes != dataset.kind.size:
        return f"its chunks have elements of {item_bytes:,} bytes, not of {dataset.kind.size:,}", False
    return _filters_problem(dataset)


def _shuffled(dataset: DatasetObject) -> int:
    """Return the size of the elements that the shuffle filter states, by which the library undoes it."""
    stated = (each.values[0] for each in dataset.filters if each.number == SHUFFLE and each.values)
    return next(stated, dataset.kind.size)


def _filters_problem(dataset: DatasetObject) -> tuple[str | None, bool]:
    codes = [each.number for each in dataset.filters]
    if len(set(codes)) < len(codes):
        return "a filter is twice in its pipeline, as in a decompression bomb", False
    if _shuffled(dataset) == 0:
        return "its shuffle filter is for elements of no bytes", False
    unknown = [
        each for each in dataset.filters if each.number not in NATIVE_FILTERS and each.number not in LIBRARY_FILTERS
    ]
    if unknown:
        from ckptread.formats.hdf5.filter_names import unknown_filters

        return unknown_filters(unknown), True
    foreign = [code for code in codes if code in LIBRARY_FILTERS]
    if foreign and {DEFLATE, LZF} & set(codes):
        return f"its chunks went through deflate and {LIBRARY_FILTERS[foreign[0]]}, which is not read", True
    return None, False


def _is_unwritten(layout: Layout) -> bool:
    return layout.kind == CONTIGUOUS and layout.address == UNDEFINED


def _layout(dataset: DatasetObject, element: Element, head: Superblock) -> DatasetLayout:
    """Return how the elements of a dataset without a problem are stored."""
    layout, codes = dataset.layout, tuple(each.number for each in dataset.filters)
    if set(codes) & LIBRARY_FILTERS.keys() or not (element.plain or is_native(dataset.kind)):
        return DatasetLayout(kind="library")
    encoded, fill = not element.plain, dataset.fill
    if layout.kind == CHUNKED:
        chunk = layout.chunk + element.dims
        return DatasetLayout(
            kind="chunked", chunk=chunk, filters=codes, shuffled=_shuffled(dataset), fill=fill, dims=element.dims,
            encoded=encoded,
        )  # fmt: skip
    if _is_unwritten(layout):
        return DatasetLayout(kind="fill", fill=fill, dims=element.dims, encoded=encoded)
    offset = layout.offset if layout.kind == COMPACT else head.base + layout.address
    return DatasetLayout(kind="contiguous", offset=offset, encoded=encoded)


def _outside(dataset: DatasetObject, layout: DatasetLayout, size: int) -> str | None:
    """Return that the bytes of a dataset are not all there, None where they are."""
    if layout.kind != "contiguous":
        return None
    nbytes = element_count(dataset.space.shape or ()) * dataset.kind.size
    stored = dataset.layout.nbytes
    if stored is not None and stored < nbytes:
        return f"it has {nbytes:,} bytes, of which {stored:,} are stored"
    if layout.offset + nbytes > size:
        return f"its {nbytes:,} bytes at byte {layout.offset:,} are outside the file's {size:,}"
    return None
