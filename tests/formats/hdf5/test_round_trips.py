"""How many times in a row a Keras file is read before it is listed: what a remote one takes, in round trips."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from ckptread.formats.hdf5.opening import open_hdf5_source
from ckptread.formats.keras.archive import KerasReader
from tests.storage.test_another_storage import MemorySource

LAYERS = 85


class CountingSource(MemorySource):
    """Bytes in memory; ``rounds`` counts reads, where several that are made together are one, ``requests`` each."""

    rounds = requests = 0

    def read_into(self, offset, buffer):
        self.rounds += 1
        self.requests += 1
        super().read_into(offset, buffer)

    def read_many(self, ranges):
        before = self.rounds
        found = super().read_many(ranges)
        self.rounds = before + 1
        return found


def keras_weights():
    """Return 512 datasets in the layout of Keras 3: layers with two variables, and the optimizer's two for each."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for number in range(LAYERS):
            layer = file.create_group(f"layers/dense_{number}/vars" if number else "layers/dense/vars")
            layer.attrs["name"] = f"dense_{number}"
            layer["0"], layer["1"] = np.full((64, 32), number, "f4"), np.zeros(32, "f4")
        file["optimizer/vars/0"], file["optimizer/vars/1"] = 1, 0.1
        for number in range(4 * LAYERS):
            file[f"optimizer/vars/{number + 2}"] = np.zeros((64, 32) if number % 4 < 2 else 32, "f4")
    return stream.getvalue()


def test_keras_weights_are_listed_in_few_rounds():
    source = CountingSource("m.weights.h5", keras_weights())
    with open_hdf5_source(source) as reader:
        assert len(reader.tensors) == 512
        assert source.rounds <= 12


def test_a_keras_archive_is_listed_in_few_rounds():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": []}}))
        archive.writestr("model.weights.h5", keras_weights())
    source = CountingSource("m.keras", stream.getvalue())
    with KerasReader(source) as reader:
        assert len(reader.tensors) == 512
        assert source.rounds <= 15


def listed(libver, write):
    """Return how a file is read that h5py writes, and how many datasets were listed."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", libver=libver) as file:
        write(file)
    source = CountingSource("w.h5", stream.getvalue())
    with open_hdf5_source(source) as reader:
        return source, len(reader.tensors)


def test_5000_datasets_are_listed_in_few_requests():
    def write(file):
        for number in range(5000):
            dataset = file.create_dataset(f"layers/block_{number // 20}/dense_{number}/0", data=np.zeros(4, "f4"))
            dataset.attrs["name"] = f"dense_{number}/kernel"

    source, count = listed("latest", write)
    assert count == 5000
    assert source.requests <= 40


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_groups_far_apart_are_listed_in_few_rounds(libver):
    def write(file):
        for number in range(512):
            file[f"layer_{number}/kernel"] = np.zeros(32_000, "f4")

    source, count = listed(libver, write)
    assert count == 512
    assert source.rounds <= 12


def test_thousands_of_names_in_a_heap_are_read_together():
    def write(file):
        for number in range(2000):
            file[f"w{number}"] = float(number)

    source, count = listed("latest", write)
    assert count == 2000
    assert source.rounds <= 10
