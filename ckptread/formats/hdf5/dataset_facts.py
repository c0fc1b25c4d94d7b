"""How one dataset is stored, in words, and its attributes: what ``h5dump -p -A`` prints of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ckptread.errors import CheckpointError
from ckptread.formats.hdf5.attributes import (
    GlobalHeap,
    RawAttribute,
    attribute_messages,
    decode_attribute,
    read_attribute,
)
from ckptread.formats.hdf5.filter_names import REGISTERED
from ckptread.formats.hdf5.filters import DEFLATE, FLETCHER32, LZF, NBIT, SCALEOFFSET, SHUFFLE, SZIP
from ckptread.formats.hdf5.native import NativeFile
from ckptread.formats.hdf5.native_values import NativeValues
from ckptread.formats.hdf5.numpy_types import element_of
from ckptread.formats.hdf5.object_header import read_messages
from ckptread.formats.hdf5.objects import DatasetObject
from ckptread.formats.hdf5.rounds import Parser
from ckptread.formats.hdf5.storage_layout import CHUNKED, COMPACT, CONTIGUOUS, VIRTUAL, Filter
from ckptread.formats.hdf5.superblock import UNDEFINED, Unsupported
from ckptread.limits import MAX_SHOWN_ATTRIBUTES
from ckptread.tensors import element_count
from ckptread.untrusted.binary import Malformed
from ckptread.wording import cut

LAYOUTS = {COMPACT: "compact", CONTIGUOUS: "contiguous", CHUNKED: "chunked", VIRTUAL: "virtual"}
FILTERS = {DEFLATE: "gzip", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", SZIP: "szip", NBIT: "nbit",
           SCALEOFFSET: "scaleoffset", LZF: "lzf"}  # fmt: skip
MOST_NUMBERS = 16
"""A longer array of numbers in an attribute is shown by its shape."""


def dataset_facts(native: NativeFile, values: NativeValues, key: str) -> Iterator[tuple[str, str]]:
    """Yield what a dataset's description says, by name."""
    dataset = native.datasets.get(key)
    if dataset is None:
        return
    layout = dataset.layout
    unwritten = layout.kind == CONTIGUOUS and layout.address == UNDEFINED
    yield "layout", "never written: all fill values" if unwritten else LAYOUTS[layout.kind]
    if layout.kind == CHUNKED:
        yield from _chunk_facts(values, key, dataset)
    if dataset.filters:
        yield "filters", ", ".join(map(_filter_text, dataset.filters))
    attributes = native.run(_attributes(native, dataset.address))
    if attributes:
        yield "attributes", ", ".join(attributes)


def _chunk_facts(values: NativeValues, key: str, dataset: DatasetObject) -> Iterator[tuple[str, str]]:
    yield "chunk shape", str(dataset.layout.chunk)
    with suppress(CheckpointError):  # reading the values says what is wrong with them
        chunks = values.find_chunks(key)
        stored = sum(chunk.nbytes for chunk in chunks.values())
        nbytes = element_count(dataset.space.shape or ()) * dataset.kind.size
        ratio = f", {nbytes / stored:.3g} : 1" if stored else ""
        yield "stored", f"{len(chunks):,} chunks, {stored:,} bytes{ratio}"


def _filter_text(each: Filter) -> str:
    name = FILTERS.get(each.number) or REGISTERED.get(each.number) or each.name or f"filter {each.number}"
    return f"{name} {each.values[0]}" if each.number == DEFLATE and each.values else name


def _attributes(native: NativeFile, address: int) -> Parser[list[str]]:
    """Return the attributes of an object as texts; one that cannot be read is named."""
    found: list[str] = []
    lost: list[str] = []
    heap = GlobalHeap(native.head)
    try:
        messages = yield from read_messages(native.head, address)
        listed = yield from attribute_messages(native.head, messages, lost)
    except (Malformed, Unsupported):
        return ["unreadable"]
    for message in listed[:MAX_SHOWN_ATTRIBUTES]:
        try:
            raw = yield from read_attribute(native.head, message)
            value = yield from decode_attribute(raw, heap)
            found.append(f"{raw.name} = {cut(_value_text(raw) if value is None else repr(value))}")
        except (Malformed, Unsupported):
            lost.append("?")
    more = len(listed) - MAX_SHOWN_ATTRIBUTES
    return [*found, *([f"{len(lost)} unreadable"] if lost else []), *([f"and {more} more"] if more > 0 else [])]


def _value_text(raw: RawAttribute) -> str:
    """Return an array of numbers; by its type and shape, where it is long or of something else."""
    element = element_of(raw.kind)
    count = element_count(raw.shape or ())
    few = raw.shape is not None and count <= MOST_NUMBERS and len(raw.values) >= count * raw.kind.size
    if element is None or not element.plain or element.dims or not few:
        return f"{element.name if element else 'unknown type'} {raw.shape}"
    import numpy as np

    values: Any = np.frombuffer(raw.values, np.dtype(element.format), count).reshape(raw.shape or ())
    return str(values.tolist())
