"""Of a deflated array, at most twice its own bytes are inflated, in whatever order it is stored and read."""

import numpy as np
import pytest

import ckptread
from ckptread.formats.numpy import fortran, npz
from ckptread.storage import inflate

SHAPES = [(1000, 700), (3, 200_000), (200_000, 3), (1, 3, 90_000), (7, 11, 13, 300), (1, 1, 500_000), (2, 1, 250_000)]


@pytest.fixture
def inflated(monkeypatch):
    """The number of bytes that were inflated so far, and bands that are small."""
    count = [0]
    original = inflate.Inflater.inflate

    def counting(self, nbytes):
        found = original(self, nbytes)
        count[0] += len(found)
        return found

    monkeypatch.setattr(inflate.Inflater, "inflate", counting)
    monkeypatch.setattr(inflate, "PAGE_BYTES", 1 << 14)
    monkeypatch.setattr(fortran, "BAND_BYTES", 1 << 20)
    monkeypatch.setattr("ckptread.reader.BLOCK_BYTES", 1 << 16)
    return count


def saved(path, values):
    np.savez_compressed(path, w=values)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.slow
def test_blocks_inflate_an_array_twice_at_most(tmp_path, inflated, shape, order):
    values = np.asarray(np.random.default_rng(0).integers(0, 9, shape, "i4"), order=order)
    with ckptread.open(saved(tmp_path / "w.npz", values)) as reader:
        inflated[0] = 0
        blocks = [block.ravel() for block in reader["w"].blocks(1 << 16)]
        assert np.array_equal(np.concatenate(blocks), values.ravel())
        assert inflated[0] <= 2 * values.nbytes + (1 << 16)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("selection", [np.s_[:, 5], np.s_[5], np.s_[::-3, ::7], np.s_[100:200, 30:40], np.s_[-1, -1]])
@pytest.mark.slow
def test_a_slice_inflates_an_array_once(tmp_path, inflated, selection, order):
    values = np.asarray(np.random.default_rng(0).integers(0, 9, (1000, 700), "i4"), order=order)
    with ckptread.open(saved(tmp_path / "w.npz", values)) as reader:
        inflated[0] = 0
        assert np.array_equal(reader["w"][selection], values[selection])
        assert inflated[0] <= values.nbytes + (1 << 16)


@pytest.mark.parametrize("order", ["C", "F"])
def test_commands_inflate_an_array_twice_at_most(tmp_path, inflated, order):
    values = np.asarray(np.random.default_rng(0).random((600, 700), "f4"), order=order)
    path = saved(tmp_path / "w.npz", values)
    for command in (ckptread.digest, ckptread.verify, ckptread.textconv):
        inflated[0] = 0
        command(path)
        assert inflated[0] <= 2 * values.nbytes + (1 << 17)


def test_an_array_that_is_too_large_to_reorder_is_listed_and_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "REORDERED_BYTES", 1 << 10)
    values = np.arange(2000, dtype="f4").reshape(20, 100)
    data = {"c": values, "f": np.asfortranarray(values), "row": np.asfortranarray(values[:1])}
    np.savez_compressed(tmp_path / "w.npz", **data)
    np.savez(tmp_path / "plain.npz", **data)
    with ckptread.open(tmp_path / "w.npz") as reader, ckptread.open(tmp_path / "plain.npz") as plain:
        with pytest.raises(ckptread.UnsupportedError, match="Fortran order"):
            reader["f"][:]
        assert np.array_equal(reader["c"][:], values)
        assert np.array_equal(reader["row"][:], values[:1])
        assert np.array_equal(plain["f"][:], values)
