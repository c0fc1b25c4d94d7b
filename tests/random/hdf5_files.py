"""HDF5 files by h5py: layouts, filters, types, versions, limits, fill values."""

import h5py

import ckptread
from tests.formats.hdf5.random_files import write_random_file
from tests.formats.hdf5.same_values import h5py_values
from tests.random.compared import compare_tensor


def examine(rng, folder, counts):
    """Yield what is read otherwise than by h5py."""
    path = folder / "random.h5"
    write_random_file(path, rng)
    with h5py.File(path, "r") as file, ckptread.open(path) as reader:
        for key, info in reader.tensors.items():
            if info.shape is None or info.problem is not None:
                counts["null" if info.problem is None else "problem"] += 1
                continue
            try:
                values = h5py_values(file[key])
            except OSError:  # scaleoffset cannot always read back what it wrote
                counts["unreadable by h5py"] += 1
                continue
            yield from compare_tensor(reader[key], values, folder, rng, counts)
