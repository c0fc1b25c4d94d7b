"""One large tensor through extract, diff and show: time, and the peak memory of every process.

``python benchmarks/streaming.py [--gib 4] [--folder DIR]`` makes its own data (three files of that size), runs the
commands as a user would, and prints one table. Peak memory is the kernel's own account of the largest process.
"""

import argparse
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import google_crc32c
import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import table_writer

ROWS = 1 << 20
PIECE = 64 << 20
LIMIT_MIB = 200


def values(number: int, count: int, last: float) -> np.ndarray:
    """Return one piece of the tensor: a ramp, whose very last element is ``last``."""
    piece = (np.arange(count, dtype="float32") + number) % 1000
    return np.append(piece[:-1], np.float32(last)) if last else piece


def write_tensorflow(prefix: Path, nbytes: int, last: float) -> None:
    """Write a TensorFlow checkpoint of one tensor, piece by piece."""
    crc = 0
    with open(f"{prefix}.data-00000-of-00001", "wb") as file:
        for number in range(nbytes // PIECE):
            raw = values(number, PIECE // 4, last if number == nbytes // PIECE - 1 else 0).tobytes()
            crc = google_crc32c.extend(crc, raw)
            file.write(raw)
    entry = table_writer.entry(1, (nbytes // 4 // ROWS, ROWS), 0, nbytes, crc)
    Path(f"{prefix}.index").write_bytes(table_writer.table([(b"", table_writer.header()), (b"w", entry)]))


def write_hdf5(path: Path, nbytes: int, **options: object) -> None:
    """Write an HDF5 file of one dataset, piece by piece."""
    rows = PIECE // 4 // ROWS
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("w", (nbytes // 4 // ROWS, ROWS), "float32", **options)
        for number in range(nbytes // PIECE):
            dataset[number * rows : (number + 1) * rows] = values(number, PIECE // 4, 0).reshape(rows, ROWS)


def zipped(path: Path, member: Path) -> None:
    """Write a .keras archive with one stored member."""
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(member, "model.weights.h5")
        archive.writestr("config.json", "{}")


def run(*arguments: object) -> tuple[float, float]:
    """Run a command; return its seconds, and the peak MiB of the largest process it had."""
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        program = [sys.executable, "-m", "ckptread", *map(str, arguments)]
        ended = subprocess.run(program, stdout=subprocess.DEVNULL, check=False)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        os.write(pipe[1], struct.pack("<II", peak, ended.returncode))
        os._exit(0)
    os.waitpid(pid, 0)
    peak, code = struct.unpack("<II", os.read(pipe[0], 8))
    if code > 1:
        raise SystemExit(f"ckptread {arguments} ended with {code}")
    return time.monotonic() - started, peak / 1024


def main() -> None:
    """Make the data, run the commands, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gib", type=float, default=4.0)
    parser.add_argument("--folder")
    given = parser.parse_args()
    nbytes = int(given.gib * (1 << 30)) // PIECE * PIECE
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        measure(folder, nbytes)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, nbytes: int) -> None:
    """Run every command on every format."""
    write_tensorflow(folder / "a", nbytes, 0)
    write_tensorflow(folder / "b", nbytes, 5)
    write_hdf5(folder / "a.h5", nbytes)
    print(f"one tensor of {nbytes / (1 << 30):.1f} GiB; peak memory of the largest process, limit {LIMIT_MIB} MiB")
    report("extract, TensorFlow", "extract", folder / "a", "w", "-o", folder / "out.npy", "--force")
    report("diff, TensorFlow, one element changed", "diff", folder / "a", folder / "b")
    report("show, TensorFlow", "show", folder / "a", "w")
    os.unlink(folder / "out.npy")
    for suffix in ("index", "data-00000-of-00001"):
        os.unlink(folder / f"b.{suffix}")
    report("extract, HDF5", "extract", folder / "a.h5", "w", "-o", folder / "out.npy", "--force")
    report("diff, TensorFlow against HDF5", "diff", folder / "a", folder / "a.h5")
    os.unlink(folder / "out.npy")
    zipped(folder / "a.keras", folder / "a.h5")
    report("show, .keras", "show", folder / "a.keras", "w")
    os.unlink(folder / "a.keras")
    write_hdf5(folder / "c.h5", min(nbytes, 1 << 30), chunks=(4, ROWS), compression="gzip", compression_opts=1)
    report("show, HDF5 in deflated chunks of 16 MiB (at most 1 GiB)", "show", folder / "c.h5", "w")


def report(name: str, *arguments: object) -> None:
    """Print one row."""
    seconds, peak = run(*arguments)
    print(f"  {name:<58} {seconds:6.1f} s  {peak:5.0f} MiB  {'ok' if peak < LIMIT_MIB else 'TOO MUCH'}", flush=True)


pipe = os.pipe()

if __name__ == "__main__":
    main()
