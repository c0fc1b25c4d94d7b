"""Checks in the HDF5 worker that chunks are complete: libhdf5 pads short ones with stale heap memory."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5t

from ckptread.formats.hdf5.chunk_grid import Chunk
from ckptread.formats.hdf5.chunks import Chunks
from ckptread.formats.hdf5.dataset_layout import DatasetLayout
from ckptread.formats.hdf5.description import LIBRARY_FILTERS
from ckptread.formats.hdf5.filters import SHUFFLE
from ckptread.storage.source import Source
from ckptread.tensors import element_count


def verify_chunks(source: Source, dataset: h5py.Dataset) -> None:
    """Decode every chunk of a dataset but those that only the library decodes. Raises DamagedFileError."""
    plist = dataset.id.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED:
        return
    filters = [plist.get_filter(n) for n in range(plist.get_nfilters())]
    codes = tuple(int(each[0]) for each in filters)
    if set(codes) & LIBRARY_FILTERS.keys():
        return
    address_bytes = dataset.file.id.get_create_plist().get_sizes()[0]
    nbytes = _disk_bytes(dataset.id.get_type(), address_bytes)
    shuffled = next((int(each[2][0]) for each in filters if each[0] == SHUFFLE and each[2]), 0)
    layout = DatasetLayout(kind="chunked", chunk=tuple(plist.get_chunk()), filters=codes, shuffled=shuffled)
    chunks = Chunks(source, "", layout, np.dtype(f"V{nbytes}"), {}, nbytes)
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    for each in found:
        chunks.decode(each.chunk_offset, Chunk(each.filter_mask, each.byte_offset, each.size))


def _disk_bytes(kind: h5t.TypeID, address_bytes: int) -> int:
    """Return the size of a type in the file: values on the heap are a length, an address and an index."""
    what = kind.get_class()
    if what == h5t.VLEN or (what == h5t.STRING and kind.is_variable_str()):
        return 4 + address_bytes + 4
    if what == h5t.ARRAY:
        return element_count(tuple(kind.get_array_dims())) * _disk_bytes(kind.get_super(), address_bytes)
    if what == h5t.COMPOUND:
        members = [kind.get_member_type(n) for n in range(kind.get_nmembers())]
        growth = sum(_disk_bytes(member, address_bytes) - int(member.get_size()) for member in members)
        return int(kind.get_size()) + growth
    return int(kind.get_size())
