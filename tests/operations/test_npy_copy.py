"""Tensors copied as their bytes lie: the files are numpy's, byte for byte, and numpy is not wanted for them."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy

import ckptread
from ckptread.formats.numpy.writing import DESCRIPTIONS, npy_header
from ckptread.operations.extract import copy as copying
from ckptread.operations.extract.files import to_file
from ckptread.storage import writing as output
from tests import table_writer

DT_FLOAT, DT_INT64 = 1, 9


@given(st.sampled_from(sorted(DESCRIPTIONS)), st.lists(st.integers(0, 1 << 62), max_size=12))
def test_headers_are_numpys(dtype, shape):
    expected = io.BytesIO()
    descr = npy.dtype_to_descr(np.dtype(dtype))
    npy.write_array_header_1_0(expected, {"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    assert npy_header(DESCRIPTIONS[dtype], shape) == expected.getvalue()


@pytest.mark.filterwarnings("ignore:Stored array in format")
@pytest.mark.parametrize(
    "record",
    [
        [("a", "<f4"), ("b", "S3", (2, 2))],
        [(f"field_{n}", "<f4") for n in range(4000)],
        [("größe", ">i4")],
        [("大きさ", "<i4")],
    ],
    ids=["plain", "long", "latin", "scripts"],
)
def test_a_header_has_the_first_version_that_can_hold_it(record):
    values = np.zeros(3, record)
    with io.BytesIO() as stream:
        np.save(stream, values)
        assert stream.getvalue() == npy_header(npy.dtype_to_descr(values.dtype), (3,)) + values.tobytes()


@pytest.fixture
def checkpoint(tmp_path):
    values = np.random.default_rng(0).standard_normal((300, 77), "float32")
    steps = np.arange(5)
    tensors = {"w": (DT_FLOAT, values.shape, values.tobytes()), "n": (DT_INT64, (5,), steps.tobytes())}
    return table_writer.write_bundle(tmp_path / "ckpt", tensors), {"w": values, "n": steps}


def written(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def test_a_copy_is_what_numpy_saves(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "PIECE_BYTES", 1000)
    path, arrays = checkpoint
    with ckptread.open(path) as reader:
        for key, values in arrays.items():
            to_file(reader[key], str(tmp_path / key))
            assert (tmp_path / key).read_bytes() == written(values)


def test_a_wrong_checksum_leaves_no_file(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "PIECE_BYTES", 1000)
    path, _ = checkpoint
    with open(f"{path}.data-00000-of-00001", "r+b") as file:
        file.seek(70_000)
        file.write(b"\xff\xff\xff")
    with ckptread.open(path) as reader, pytest.raises(ckptread.DamagedFileError, match=r"'w'.*checksum"):
        to_file(reader["w"], str(tmp_path / "w.npy"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ckpt.data-00000-of-00001", "ckpt.index"]


def test_a_tensor_is_extracted_without_numpy(checkpoint, tmp_path):
    path, arrays = checkpoint
    program = "import sys, ckptread.cli.startup as c\ntry: c.main()\nfinally: print('numpy' in sys.modules)"
    command = [sys.executable, "-c", program, "extract", path, "w", "-o", str(tmp_path / "w.npy")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "False"
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), arrays["w"])


def test_a_large_file_is_on_its_way_to_the_disk_while_it_is_written(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _fd, offset, nbytes, _advice: begun.append((offset, nbytes)))
    monkeypatch.setattr(output, "BEGIN_BYTES", 1 << 20)
    with output.open_complete(str(tmp_path / "large"), force=False) as file:
        for _ in range(5):
            file.write(bytes(1 << 20))
    assert begun == [(at << 20, 1 << 20) for at in range(5)]
