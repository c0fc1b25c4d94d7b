"""Opens a dataset by the address of its description, in the HDF5 worker: names play no part in it."""

from __future__ import annotations

import io

import h5py
import numpy as np
from h5py import h5d, h5r

from ckptread.errors import DamagedFileError


def dataset_at(file: h5py.File, address: int) -> h5py.Dataset:
    """Return the dataset that is described at an address. Raises DamagedFileError where there is none."""
    found = h5r.dereference(_reference(address), file.id)
    if not isinstance(found, h5d.DatasetID):
        raise DamagedFileError("", f"there is no dataset at byte {address:,}")
    return h5py.Dataset(found)


def _reference(address: int) -> h5r.Reference:
    """Return a reference to an address, which h5py makes by reading it from a file."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        dataset = file.create_dataset("made", data=[file.ref], dtype=h5py.ref_dtype)
        offset = dataset.id.get_offset()
    made.seek(offset)
    made.write(np.array(address, "<u8").tobytes())
    with h5py.File(made, "r") as file:
        return file["made"][0]
