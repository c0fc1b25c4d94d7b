"""Every single bit of a small checkpoint turned over: verify finds it, or nothing that is read is changed.

A complete enumeration. The .keras file is written with libver='latest', whose metadata have checksums.
"""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.operations.verify.verify import verify
from tests.conformance.cases import FIXTURES


def contents(path):
    """Everything that is read of a checkpoint."""
    with ckptread.open(path) as reader:
        tensors = [
            (info.key, info.shape, info.dtype, info.nbytes, info.variable, info.layer, info.role, info.trainable,
             info.alias_of, info.copy_of, *values_of(reader.read(info.key)))
            for info in reader.tensors.values()
        ]  # fmt: skip
        return tensors, dict(reader.metadata)


def values_of(values):
    return (values.tolist(), None) if values.dtype.hasobject else (None, values.tobytes())


def is_found(path):
    """Whether verify, or already opening, finds something wrong."""
    try:
        with ckptread.open(path) as reader:
            return not verify(reader).sound
    except ckptread.CheckpointError:
        return True


def missed(path, file, first, step):
    """Turn over every bit of every ``step``-th byte; return those that are not found and change what is read."""
    assert not is_found(path)
    before = contents(path)
    whole = Path(file).read_bytes()
    bad = []
    with open(file, "r+b", buffering=0) as stream:
        for at in range(first, len(whole), step):
            for bit in range(8):
                os.pwrite(stream.fileno(), bytes([whole[at] ^ 1 << bit]), at)
                if not is_found(path) and contents(path) != before:
                    bad.append((at, bit))
            os.pwrite(stream.fileno(), whole[at : at + 1], at)
    return bad


HALVES = pytest.mark.parametrize("half", [0, 1])
"""Two tests of half the bytes each: two processes share the work."""


def test_the_enumeration_misses_what_has_no_checksum(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(2, dtype="u1"))
    flipped = missed(str(tmp_path / "a.npy"), tmp_path / "a.npy", 128, 1)
    assert flipped == [(at, bit) for at in (128, 129) for bit in range(8)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "prefix"), [("tf-dot-ckpt", "model.ckpt"), ("tf-graph-shard", "ckpt"), ("tf-snappy", "model")]
)
@pytest.mark.parametrize("part", ["index", "data"])
def test_every_bit_of_a_checkpoint_written_by_tensorflow(tmp_path, folder, prefix, part):
    for file in (FIXTURES / folder).glob(prefix + ".*"):
        shutil.copy(file, tmp_path)
    files = sorted(tmp_path.glob(f"{prefix}.{part}*"))
    assert files
    for file in files:
        assert missed(str(tmp_path / prefix), file, 0, 1) == []


@pytest.mark.slow
@HALVES
def test_every_bit_of_an_npz(tmp_path, half):
    np.savez(tmp_path / "a.npz", w=np.arange(3, dtype="f4"), s=np.int64(7))
    assert missed(str(tmp_path / "a.npz"), tmp_path / "a.npz", half, 2) == []


@pytest.mark.slow
@HALVES
def test_every_bit_of_a_deflated_npz(tmp_path, half):
    np.savez_compressed(tmp_path / "a.npz", w=np.zeros(9, "f4"))
    assert missed(str(tmp_path / "a.npz"), tmp_path / "a.npz", half, 2) == []


def small_keras(path):
    """A .keras archive of one layer, in HDF5's newest format: Keras' own are twenty times as large."""
    weights = io.BytesIO()
    with h5py.File(weights, "w", libver="latest") as file:
        variables = file.create_group("layers/dense/vars")
        variables.attrs["name"] = np.bytes_("dense")  # a text of any length takes a heap of 4 KiB
        variables["0"] = np.arange(2, dtype="f4")
    layer = {"class_name": "Dense", "config": {"name": "dense", "units": 2}, "registered_name": None}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


@pytest.mark.slow
@HALVES
def test_every_bit_of_a_keras_archive(tmp_path, half):
    path = small_keras(tmp_path / "m.keras")
    assert missed(str(path), path, half, 2) == []
