"""A tensor that is read in blocks decodes each chunk about once for each cache-full of chunks side by side."""

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.formats.hdf5 import chunk_cache, chunk_slabs
from ckptread.formats.hdf5.chunks import Chunks

CACHE = 1 << 16
BLOCK = 1 << 12


@pytest.fixture
def decoded(monkeypatch):
    """Have a small cache, and count the bytes that are decoded."""
    counts, decode = [], Chunks.decode
    monkeypatch.setattr(chunk_slabs, "SLAB_BYTES", CACHE)
    monkeypatch.setattr(chunk_cache, "CACHED_CHUNK_BYTES", CACHE)
    monkeypatch.setattr(chunk_cache, "DECODED", chunk_cache.Decoded())

    def count(self, start, chunk):
        data = decode(self, start, chunk)
        counts.append(len(data))
        return data

    monkeypatch.setattr(Chunks, "decode", count)
    return counts


@pytest.mark.parametrize(("shape", "chunk"), [
    ((128, 512), (128, 64)),  # side by side: twice as much as the cache holds
    ((128, 512), (64, 64)),
    ((130, 500), (64, 67)),
    ((8, 8192), (8, 1024)),  # a row takes more than a block
    ((1, 128, 512), (1, 128, 64)),
    ((2, 64, 16, 32), (1, 64, 16, 4)),
    ((4096, 16), (256, 16)),  # one above the other
    ((65536,), (1000,)),
])  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}], ids=["plain", "deflated"])
def test_blocks_decode_each_of_chunks_that_fill_the_cache_twice_about_twice(tmp_path, decoded, shape, chunk, options):
    values = np.random.default_rng(1).integers(0, 9, shape).astype("<i2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", data=values, chunks=chunk, **options)
    with ckptread.open(tmp_path / "a.h5") as reader:
        blocks = [block.copy().reshape(-1) for block in reader["w"].blocks(BLOCK)]
    assert max(block.nbytes for block in blocks) <= BLOCK
    assert np.array_equal(np.concatenate(blocks), values.reshape(-1))
    stored = np.prod([-(-dim // n) * n for dim, n in zip(shape, chunk, strict=True)]) * values.itemsize
    assert sum(decoded) <= 2.5 * stored


def test_a_few_elements_decode_only_their_own_chunk(tmp_path, decoded):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", data=np.arange(65536, dtype="<i2").reshape(128, 512), chunks=(128, 64))
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert reader["w"][5, 70:73].tolist() == [5 * 512 + at - 0 for at in (70, 71, 72)]
    assert decoded == [128 * 64 * 2]


def test_two_tensors_that_are_compared_do_not_drop_each_others_chunks(tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(chunk_cache, "CACHED_CHUNK_BYTES", 2 * CACHE)
    values = np.random.default_rng(1).integers(0, 9, (128, 512)).astype("<i2")
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("w", data=values, chunks=(128, 64), compression="gzip")
    with ckptread.open(tmp_path / "a.h5") as a, ckptread.open(tmp_path / "b.h5") as b:
        for one, other in zip(a["w"].blocks(BLOCK), b["w"].blocks(BLOCK), strict=True):
            assert np.array_equal(one, other)
    assert sum(decoded) <= 2.5 * 2 * values.nbytes
