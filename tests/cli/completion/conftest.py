"""Checkpoints that are too large to list while a user waits."""

import h5py
import numpy as np
import pytest

from tests.table_writer import write_bundle


@pytest.fixture(scope="package")
def large(tmp_path_factory):
    """Checkpoints of 5,000 tensors each; the one by newer structures has 1,600."""
    folder = tmp_path_factory.mktemp("large")
    names = [f"encoder/layer_{number // 8}/block_{number % 8}/kernel" for number in range(5000)]
    write_bundle(folder / "keys", {name: (1, (2,), bytes(8)) for name in names})
    write_bundle(folder / "attributes", {f"{name}/.ATTRIBUTES/VARIABLE_VALUE": (1, (2,), bytes(8)) for name in names})
    for name, version, count in (("old.h5", "earliest", 5000), ("new.h5", "latest", 1600)):
        with h5py.File(folder / name, "w", libver=version) as file:
            for number in range(count):
                file[f"layers/dense_{number // 10}/{number % 10}"] = np.zeros(300 if version == "latest" else 2, "f4")
    with h5py.File(folder / "flat.h5", "w") as file:
        for number in range(5000):
            file[f"tensor_{number}"] = np.zeros(2, "f4")
    return folder
