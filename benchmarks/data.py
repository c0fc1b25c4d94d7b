"""Write the checkpoints that are measured: random values from a seed, in pieces.

Values repeat after ``POOL`` elements, so that creating many GiB is as fast as writing them. No measured program
benefits from the repetition.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests import table_writer

POOL = 4 << 20
"""Number of elements before values repeat: 16 MiB."""
DT_FLOAT = 1
ROW = 1024
MIB = 1 << 20
GIB = 1 << 30


def pool(seed: int = 0) -> np.ndarray:
    """Return the values of all tensors: normally distributed, like initial weights."""
    return np.random.default_rng(seed).standard_normal(POOL, np.float32)


def pieces(values: np.ndarray, nbytes: int) -> Iterator[np.ndarray]:
    """Yield ``nbytes`` of values, repeated from the beginning."""
    for at in range(0, nbytes, values.nbytes):
        yield values[: min(values.nbytes, nbytes - at) // 4]


def write_tensorflow(prefix: Path, sizes: dict[str, int], changed: dict[str, np.ndarray] | None = None) -> Path:
    """Write a checkpoint of float32 tensors; ``sizes`` are bytes by name, ``changed`` has other values by name."""
    entries, at = [(b"", table_writer.header())], 0
    usual = pool()
    with open(f"{prefix}.data-00000-of-00001", "wb") as file:
        for name, nbytes in sorted(sizes.items()):
            crc = 0
            for piece in pieces((changed or {}).get(name, usual), nbytes):
                crc = google_crc32c.extend(crc, piece.tobytes())
                file.write(piece.data)
            entries.append((name.encode(), table_writer.entry(DT_FLOAT, shape(nbytes), at, nbytes, crc)))
            at += nbytes
    blocks = [entries[start : start + 4096] for start in range(0, len(entries), 4096)]
    Path(f"{prefix}.index").write_bytes(table_writer.table(*blocks))
    return settled(Path(f"{prefix}.data-00000-of-00001"), prefix)


def shape(nbytes: int) -> tuple[int, ...]:
    """Return the shape of a matrix with this many bytes of float32, or of a vector if they are few."""
    count = nbytes // 4
    return (count // ROW, ROW) if count % ROW == 0 and count > ROW else (count,)


def write_hdf5(path: Path, sizes: dict[str, int], changed: dict[str, np.ndarray] | None = None) -> Path:
    """Write the same as an HDF5 file, in the layout of Keras 3: ``layers/NAME/vars/0``."""
    usual = pool()
    with h5py.File(path, "w") as file:
        for name, nbytes in sizes.items():
            group = file.require_group(f"layers/{name}/vars")
            dataset = group.create_dataset("0", shape(nbytes), "float32")
            flat_at = 0
            for piece in pieces((changed or {}).get(name, usual), nbytes):
                rows = piece.reshape(-1, ROW) if dataset.ndim == 2 else piece
                dataset[flat_at : flat_at + len(rows)] = rows
                flat_at += len(rows)
        file.attrs["made by"] = "benchmarks"
    return settled(path, path)


def write_archive(path: Path, weights: Path) -> Path:
    """Write a .keras archive with a file of weights, stored uncompressed as Keras does."""
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.0", "date_saved": "2026-01-01@00:00:00"}')
        archive.writestr("config.json", "{}")
        archive.write(weights, "model.weights.h5")
    return settled(path, path)


def settled(file: Path, result: Path) -> Path:
    """Flush a file to disk: unwritten bytes cannot be dropped from the cache."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return result


def model(nbytes: int) -> dict[str, int]:
    """Return 129 tensors of about ``nbytes`` in total: 64 kernels, 64 biases and a step."""
    kernels = {f"dense_{n:03d}/kernel": nbytes // 64 for n in range(64)}
    return {**kernels, **{f"dense_{n:03d}/bias": 4 * ROW for n in range(64)}, "step": 4}


def many(count: int) -> dict[str, int]:
    """Return ``count`` small tensors with names as long as those of a deep model."""
    return {f"model/block_{n // 100:04d}/layer_{n % 100:02d}/dense/kernel": 64 for n in range(count)}


def files(path: Path) -> list[Path]:
    """Return the files of a checkpoint."""
    if path.exists():
        return [path]
    return [*path.parent.glob(f"{path.name}.data-*"), *path.parent.glob(f"{path.name}.index")]


KERAS = """
import os, sys
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", KERAS_BACKEND="tensorflow")
import keras
side = int(sys.argv[2])
layers = [keras.layers.Dense(side, name=f"dense_{n}") for n in range(16)]
keras.Sequential([keras.Input([side]), *layers]).save(sys.argv[1])
"""


def write_keras_model(path: Path, nbytes: int) -> Path:
    """Write a model of 16 dense layers and 32 weights with Keras, or without Keras an archive of the same size."""
    side = int((nbytes / 64) ** 0.5)
    if importlib.util.find_spec("keras") is None:
        weights = write_hdf5(path.with_suffix(".h5"), {f"dense_{n}": 4 * side * side for n in range(16)})
        return write_archive(path, weights)
    subprocess.run([sys.executable, "-c", KERAS, str(path), str(side)], check=True, stderr=subprocess.DEVNULL)
    return settled(path, path)
