"""Sound HDF5 files of a few hundred bytes to some KiB, each of one or two datasets that h5py wrote at random."""

import io

import h5py
import numpy as np

from tests.formats.hdf5 import random_files

MOST_BYTES = 3000
GROUPS = 0.3
"""How many have a group as well."""


def small_files(count, seed):
    """Return so many files as bytes."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        data = _written(rng)
        if len(data) <= MOST_BYTES:
            found.append(data)
    return found


def _written(rng):
    target = io.BytesIO()
    version = random_files.VERSIONS[rng.integers(len(random_files.VERSIONS))]
    with h5py.File(target, "w", libver=version, track_order=bool(rng.random() < 0.3)) as file:
        group = file.create_group("g", track_order=bool(rng.random() < 0.5)) if rng.random() < GROUPS else file
        for number in range(rng.integers(1, 3)):
            dataset = random_files.write_dataset(group, f"d{number}", rng)
            random_files.write_attributes(dataset if rng.random() < 0.5 else group, rng)
    return target.getvalue()
