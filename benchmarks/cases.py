"""What ``processor.py`` measures besides small commands: many small tensors, content, and small dtypes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import data
import google_crc32c
import numpy as np
from peers import QUIET, TF_DIFF, TF_LIST

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests import table_writer

COUNT = 20_000
MANY = f"{COUNT:,} small tensors"
DTYPES = ("bfloat16", "float16", "float8_e4m3fn", "float8_e5m2", "int8", "uint8", "int16", "int32")
WIDE = ("int64", "uint64")

MAKE_GRAPH = """
import sys, tensorflow as tf
variables = {f"v{n}": tf.Variable(tf.fill([4, 4], float(n)), name=f"layer_{n}/kernel") for n in range(int(sys.argv[2]))}
tf.train.Checkpoint(**variables).write(sys.argv[1])
"""

TF_STATS = """
import sys, numpy as np, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
for name in sorted(reader.get_variable_to_shape_map()):
    a = reader.get_tensor(name).astype(np.float64)
    counts = np.count_nonzero(a == 0), np.isnan(a).sum(), np.isinf(a).sum()
    print(name, a.min(), a.max(), a.mean(), a.std(), np.linalg.norm(a), *counts)
"""

TF_HISTORY = """
import sys, numpy as np, tensorflow as tf
one, other = (tf.train.load_checkpoint(path) for path in sys.argv[1:3])
for name in sorted(one.get_variable_to_shape_map()):
    a, b = one.get_tensor(name).astype(np.float64), other.get_tensor(name).astype(np.float64)
    print(name, np.linalg.norm(a), np.linalg.norm(b), np.linalg.norm(b - a), np.isnan(b).sum(), np.isinf(b).sum())
"""

NUMPY_STATS = """
import sys, numpy as np, ml_dtypes
dtype = np.dtype(getattr(ml_dtypes, sys.argv[1], sys.argv[1]))
a = np.fromfile(sys.argv[2], dtype).astype(np.float64)
print(a.min(), a.max(), a.mean(), a.std(), np.linalg.norm(a), np.count_nonzero(a == 0), np.isnan(a).sum(),
      np.isinf(a).sum())
"""

NUMPY_DIFF = """
import sys, numpy as np, ml_dtypes
dtype = np.dtype(getattr(ml_dtypes, sys.argv[1], sys.argv[1]))
a, b = (np.fromfile(path, dtype).astype(np.float64) for path in sys.argv[2:4])
d = np.abs(a - b)
norm = np.linalg.norm
print(np.count_nonzero(d), d.max(), d.mean(), norm(d) / norm(a), a @ b / norm(a) / norm(b))
"""

SHA256 = """
import sys, hashlib
with open(sys.argv[1], "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest())
"""

Ckptread = Callable[..., list[str]]
Case = tuple[str, list[str], str, list[str] | None, float | None]
"""Work, command, the peer's name, the peer, and the target: at most so many times the peer's time."""


def cases(folder: Path, ckptread: Ckptread, script: Ckptread) -> Iterator[tuple[str, Callable[[], Case]]]:
    """Yield each case with its work; calling it writes its data."""
    for name in ("graph", "list", "json", "diff", "diff json", "stats", "history", "textconv", "folder"):
        yield _WORK[name], lambda name=name: _many(name, folder, ckptread, script)
    yield _WORK["content"], lambda: _content(folder, ckptread)
    for dtype in (*DTYPES, *WIDE):
        for verb in ("inspect --stats", "diff"):
            work = f"{verb} of {dtype}, 256 MiB, all changed"
            yield work, lambda work=work, verb=verb, dtype=dtype: _of_dtype(work, verb, dtype, folder, ckptread, script)


_WORK = {
    "graph": f"inspect {COUNT:,} variables that tf.train.Checkpoint saved",
    "list": f"inspect {MANY} without an object graph",
    "json": f"inspect --format json of {MANY}",
    "diff": f"diff of {MANY}, all changed",
    "diff json": f"diff --format json of {MANY}, all changed",
    "stats": f"inspect --stats of {MANY}",
    "history": f"history of two steps of {MANY}",
    "textconv": f"textconv of {MANY}",
    "folder": "history of 1,000 checkpoints of 4 tensors in a folder",
    "content": "diff --match content of 1 GiB, TensorFlow, renamed",
}


def _many(name: str, folder: Path, ckptread: Ckptread, script: Ckptread) -> Case:
    if name == "graph":
        return _graph(folder, ckptread, script)
    if name == "folder":
        return _WORK[name], ckptread("history", _thousand(folder / "thousand")), "", None, 2.0
    one, other = (_small(folder / f"many{seed}", seed) for seed in (0, 1))
    made: dict[str, tuple[list[str], str, list[str] | None, float | None]] = {
        "list": (ckptread("inspect", one), "TensorFlow", script(QUIET + TF_LIST, one), 1 / 16),
        "json": (ckptread("inspect", "--format", "json", one), "as a table", ckptread("inspect", one), 1.4),
        "diff": (ckptread("diff", one, other), "TensorFlow and numpy", script(QUIET + TF_DIFF, one, other), 1 / 4),
        "diff json": (
            ckptread("diff", "--format", "json", one, other), "as a table", ckptread("diff", one, other), 1.4
        ),
        "stats": (
            ckptread("inspect", "--stats", one), "TensorFlow and numpy", script(QUIET + TF_STATS, one), 1 / 4.5
        ),
        "history": (
            ckptread("history", one, other), "TensorFlow and numpy", script(QUIET + TF_HISTORY, one, other), 1 / 3
        ),
        "textconv": (ckptread("textconv", f"{one}.index"), "", None, 1.2),
    }  # fmt: skip
    return (_WORK[name], *made[name])


def _graph(folder: Path, ckptread: Ckptread, script: Ckptread) -> Case:
    import subprocess

    prefix = folder / "graph"
    subprocess.run(script(QUIET + MAKE_GRAPH, prefix, COUNT)[1:], check=True, stderr=subprocess.DEVNULL)
    return _WORK["graph"], ckptread("inspect", prefix), "TensorFlow", script(QUIET + TF_LIST, prefix), 1 / 5


def _small(prefix: Path, seed: int) -> Path:
    """Write small tensors, each with values of its own."""
    sizes = data.many(COUNT)
    values = np.random.default_rng(seed).standard_normal(sum(sizes.values()) // 4, np.float32).tobytes()
    return _written(prefix, {name: (1, (nbytes // 4,), nbytes) for name, nbytes in sizes.items()}, values)


def _written(prefix: Path, tensors: dict[str, tuple[int, Sequence[int], int]], values: bytes) -> Path:
    """Write a checkpoint of tensors (number of the dtype, shape, bytes) whose values follow each other."""
    entries, at = [(b"", table_writer.header())], 0
    for name, (number, shape, nbytes) in sorted(tensors.items()):
        crc = google_crc32c.extend(0, values[at : at + nbytes])
        entries.append((name.encode(), table_writer.entry(number, shape, at, nbytes, crc)))
        at += nbytes
    Path(f"{prefix}.data-00000-of-00001").write_bytes(values)
    blocks = [entries[start : start + 4096] for start in range(0, len(entries), 4096)]
    Path(f"{prefix}.index").write_bytes(table_writer.table(*blocks))
    return prefix


def _thousand(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for step in range(1000):
        _written(folder / f"ckpt-{step}", {f"t{n}": (1, (64,), 256) for n in range(4)}, bytes(1024))
    return folder


def _content(folder: Path, ckptread: Ckptread) -> Case:
    count, nbytes = 64, data.GIB // 64
    chance = np.random.default_rng(0)
    values = b"".join(chance.standard_normal(nbytes // 4, np.float32).tobytes() for _ in range(count))
    for side in ("one", "other"):
        shape = (nbytes // 4 // data.ROW, data.ROW)
        _written(folder / f"content-{side}", {f"{side}/{n:02d}": (1, shape, nbytes) for n in range(count)}, values)
    command = ckptread("diff", "--match", "content", folder / "content-one", folder / "content-other")
    return _WORK["content"], command, "", None, 0.6


def _of_dtype(work: str, verb: str, dtype: str, folder: Path, ckptread: Ckptread, script: Ckptread) -> Case:
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    number = {"bfloat16": 14, "float16": 19, "float8_e4m3fn": 25, "float8_e5m2": 24, "int8": 6, "uint8": 4, "int16": 5,
              "int32": 3, "int64": 9, "uint64": 23}[dtype]  # fmt: skip
    size = (256 << 20) // kind.itemsize
    usual = data.pool() * (30 if kind.kind in "iu" else 1)
    for side, factor in (("a", 1.0), ("b", 1.02)):
        values = np.resize(np.abs(usual * factor + factor).astype(kind), size).tobytes()
        _written(folder / f"{dtype}-{side}", {"t": (number, (size,), len(values))}, values)
    paths = [folder / f"{dtype}-{side}" for side in "ab"]
    files = [f"{path}.data-00000-of-00001" for path in paths]
    most = 1 / 1.2 if dtype in WIDE else 1 / 2
    if verb == "diff":
        return work, ckptread("diff", *paths), "numpy", script(QUIET + NUMPY_DIFF, dtype, *files), most
    return work, ckptread("inspect", "--stats", paths[0]), "numpy", script(QUIET + NUMPY_STATS, dtype, files[0]), most
