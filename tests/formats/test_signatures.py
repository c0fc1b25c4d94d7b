"""A file of two formats is read by its first bytes, as the library of that format reads it, and reported."""

import io
import json
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.numpy

import ckptread
from ckptread.operations.opening import AmbiguousFileWarning

ONE = np.full(3, 1, "f4")
OTHER = np.full(3, 666, "f4")


def hdf5(path, user_block=0):
    with h5py.File(path, "w", userblock_size=user_block) as file:
        file["kernel"] = OTHER
    return path.read_bytes()


def npz(value):
    data = io.BytesIO()
    np.savez(data, kernel=value)
    return data.getvalue()


def assert_flagged(path, second):
    found = ckptread.verify(path)
    assert found.exit_code == 1
    messages = [finding.message for finding in found.findings if finding.code == "ambiguous-format"]
    assert len(messages) == 1
    assert second in messages[0]
    with pytest.warns(AmbiguousFileWarning, match=second):
        ckptread.digest(path)
    ran = subprocess.run([sys.executable, "-m", "ckptread", "digest", path], capture_output=True, text=True, check=True)
    assert second in ran.stderr


@pytest.mark.parametrize("user_block", [512, 1024, 4096, 1 << 20])
def test_safetensors_with_an_hdf5_file_inside_are_safetensors(tmp_path, user_block):
    body = hdf5(tmp_path / "other.h5", user_block)[user_block:]
    pad = user_block - 512
    header = {
        "pad": {"dtype": "U8", "shape": [pad + len(body)], "data_offsets": [0, pad + len(body)]},
        "kernel": {"dtype": "F32", "shape": [3], "data_offsets": [pad + len(body), pad + len(body) + 12]},
    }
    text = json.dumps(header).encode().ljust(504)
    path = tmp_path / "kernel.safetensors"
    path.write_bytes(struct.pack("<Q", 504) + text + bytes(pad) + body + ONE.tobytes())
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["kernel"][:], safetensors.numpy.load_file(path)["kernel"])
    assert_flagged(path, "an HDF5 file")


def test_an_array_with_an_hdf5_file_inside_is_an_array(tmp_path):
    body = hdf5(tmp_path / "other.h5", 512)[512:]
    path = tmp_path / "kernel.npy"
    np.save(path, np.frombuffer(bytes(512 - 128) + body, "u1"))
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["kernel"][:], np.load(path))
    assert_flagged(path, "an HDF5 file")


def test_an_hdf5_file_with_an_archive_behind_it_is_hdf5(tmp_path):
    path = tmp_path / "kernel.h5"
    path.write_bytes(hdf5(path) + npz(ONE))
    with ckptread.open(path) as reader, h5py.File(path) as file:
        assert np.array_equal(reader["kernel"][:], file["kernel"][:])
    assert_flagged(path, "a zip archive")


def test_an_archive_with_an_hdf5_file_before_it_is_an_archive(tmp_path):
    data = bytearray(hdf5(tmp_path / "other.h5", 512))
    data[:4] = b"PK\3\4"
    path = tmp_path / "kernel.npz"
    path.write_bytes(bytes(data) + npz(ONE))
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["kernel"][:], np.load(path)["kernel"])
    assert_flagged(path, "an HDF5 file")


def test_an_hdf5_file_that_ends_as_a_tensorflow_index_is_hdf5(tmp_path):
    path = tmp_path / "kernel.index"
    path.write_bytes(hdf5(path) + bytes.fromhex("57fb808b247547db"))
    with ckptread.open(path) as reader:
        assert reader.format == "hdf5"
    assert_flagged(path, "a TensorFlow index")


def test_a_user_block_is_no_second_format(tmp_path):
    path = tmp_path / "kernel.h5"
    hdf5(path, 2048)
    assert ckptread.verify(path).exit_code == 0


def test_weights_in_an_archive_are_no_second_format(tmp_path):
    weights = hdf5(tmp_path / "other.h5")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", "{}".ljust(512 - 3 * 30 - 11 - 2 - 13 - 16))
        archive.writestr("model.weights.h5", weights)
    assert path.read_bytes()[512:520] == b"\x89HDF\r\n\x1a\n"
    assert not [each for each in ckptread.verify(path).findings if each.code == "ambiguous-format"]


def test_bytes_behind_the_end_of_an_hdf5_file_are_reported(tmp_path):
    for user_block in (0, 512):
        path = tmp_path / f"{user_block}.h5"
        path.write_bytes(hdf5(path, user_block) + b"more")
        found = ckptread.verify(path)
        assert found.exit_code == 1
        assert [each.code for each in found.findings if each.severity == "warning"] == ["hdf5-extra-bytes"]
