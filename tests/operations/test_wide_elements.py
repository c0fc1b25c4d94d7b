"""An element that is larger than a block is one block."""

import io

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.reader import BLOCK_BYTES

WIDE = np.array([b"x" * (BLOCK_BYTES + 5), b"y"], dtype=f"S{BLOCK_BYTES + 5}")


def npz(path):
    np.savez(path, wide=WIDE, k=np.arange(3.0))


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["wide"], file["k"] = WIDE, np.arange(3.0)


@pytest.mark.parametrize("write", [npz, hdf5])
def test_every_command_takes_an_element_larger_than_a_block(run, tmp_path, write):
    path = tmp_path / "w.npz"
    write(path)
    for arguments in (
        ("show", path, "wide"), ("inspect", path, "--stats"), ("digest", path), ("history", path), ("textconv", path),
        ("check", path, "--has", "k"), ("diff", path, path), ("salvage", path, "-o", tmp_path / "s"), ("verify", path),
        ("extract", path, "wide", "-o", tmp_path / "wide.npy"),
    ):  # fmt: skip
        ran = run(*arguments)
        assert "internal error" not in ran.err
        assert ran.code == 0, (arguments, ran)
    assert np.array_equal(np.load(tmp_path / "wide.npy"), WIDE)
    with ckptread.open(path) as reader:
        assert np.array_equal(np.concatenate([block.ravel().copy() for block in reader["wide"].blocks()]), WIDE)


@pytest.mark.parametrize("options", [[], ["--tree"], ["--layers"]])
def test_a_depth_may_be_of_any_size(run, checkpoint, options):
    ran = run("inspect", checkpoint, "--depth", "9" * 30, *options)
    assert (ran.code, ran.err) == (0, "")


def test_a_shells_variable_alone_is_a_usage_error(run, monkeypatch, checkpoint):
    monkeypatch.setenv("_CKPTREAD_COMPLETE", "complete_bash")
    monkeypatch.delenv("COMP_WORDS", raising=False)
    ran = run("inspect", checkpoint)
    assert ran.code == 2
    assert "internal error" not in ran.err


def test_field_names_with_octal_escapes_are_numpys(tmp_path):
    header = b"{'descr': [('a\\101', '<f4'), ('b\\7', '<i4')], 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (117 - len(header)) + b"\n"
    data = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + np.float32(1.5).tobytes() + bytes(4)
    (tmp_path / "a.npy").write_bytes(data)
    expected = np.load(io.BytesIO(data))
    with ckptread.open(tmp_path / "a.npy") as reader:
        found = next(iter(reader.tensors))
        assert reader[found].read().dtype == expected.dtype
        assert expected.dtype.names == ("aA", "b\x07")
