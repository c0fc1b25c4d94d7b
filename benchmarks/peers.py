"""The peers that ckptread is measured against: common scripts, and programs of the system."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

QUIET = """
import os
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", KERAS_BACKEND="tensorflow")
os.environ.update(OPENBLAS_NUM_THREADS="1")  # the scripts have their own threads, which compete with OpenBLAS' threads
"""

TF_LIST = """
import sys, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
for name in sorted(shapes):
    print(name, dtypes[name].name, shapes[name])
"""

TF_EXTRACT = """
import sys, numpy as np, tensorflow as tf
np.save(sys.argv[3], tf.train.load_checkpoint(sys.argv[1]).get_tensor(sys.argv[2]))
"""

TF_DIFF = """
import sys, numpy as np, tensorflow as tf
one, other = (tf.train.load_checkpoint(path) for path in sys.argv[1:3])
for name in sorted(one.get_variable_to_shape_map()):
    a, b = one.get_tensor(name), other.get_tensor(name)
    if not np.array_equal(a, b):
        a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
        d = np.abs(a - b)
        norm = np.linalg.norm
        print(name, np.count_nonzero(d), d.max(), d.mean(), norm(d) / norm(a), a @ b / norm(a) / norm(b))
"""

KERAS_EDITOR = """
import sys, keras
keras.saving.KerasFileEditor(sys.argv[1]).summary()
"""

KERAS_LOAD = """
import sys, keras
for weight in keras.saving.load_model(sys.argv[1]).weights:
    print(weight.path, weight.shape, weight.dtype)
"""

H5PY_LIST = """
import sys, h5py

def show(name, found):
    if isinstance(found, h5py.Dataset):
        print(name, found.dtype, found.shape)

with h5py.File(sys.argv[1], "r") as file:
    file.visititems(show)
"""

NUMPY_DIFF = """
import os, sys, numpy as np
from concurrent.futures import ThreadPoolExecutor
BLOCK, TASK = 1 << 16, 4 << 20
a, b = (os.open(path, os.O_RDONLY) for path in sys.argv[1:3])

def statistics(at):
    total = np.zeros(5)
    changed = largest = relative = nans = infs = zeros = 0
    one, other = bytearray(4 * TASK), bytearray(4 * TASK)
    count = os.preadv(a, [one], 4 * at) // 4
    os.preadv(b, [other], 4 * at)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        x = np.frombuffer(one, "f4", size, 4 * start).astype(np.float64)
        y = np.frombuffer(other, "f4", size, 4 * start).astype(np.float64)
        d = np.abs(x - y)
        finite = np.isfinite(d)
        if not finite.all():
            nans, infs = nans + np.isnan(x).sum() + np.isnan(y).sum(), infs + np.isinf(x).sum() + np.isinf(y).sum()
            x, y, d = x[finite], y[finite], d[finite]
        changed += np.count_nonzero(d)
        largest = max(largest, d.max(initial=0))
        zeros += np.count_nonzero((d == 0) & (np.signbit(x) != np.signbit(y)))
        size = np.abs(y)
        relative = max(relative, np.divide(d, size, out=np.zeros_like(d), where=size > 0).max(initial=0))
        total += d.sum(), d @ d, x @ x, y @ y, x @ y
    return total, changed, largest, relative

size = os.fstat(a).st_size // 4
with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    found = list(pool.map(statistics, range(0, size, TASK)))
s = sum(each[0] for each in found)
print(sum(each[1] for each in found), max(each[2] for each in found), max(each[3] for each in found))
print(s[0] / size, (s[1] / s[2]) ** 0.5, s[4] / (s[2] * s[3]) ** 0.5)
"""

SHA256 = """
import hashlib, os, sys, time
from concurrent.futures import ThreadPoolExecutor
count, nbytes = int(sys.argv[1]), int(sys.argv[2])
data = memoryview(os.urandom(1 << 20) * (nbytes >> 20))
with ThreadPoolExecutor(2) as pool:
    started = time.perf_counter()
    list(pool.map(lambda _: hashlib.sha256(data).digest(), range(count)))
    print(time.perf_counter() - started)
"""


def script(text: str, *arguments: object, needs: str = "") -> list[str] | None:
    """Return the command that runs a script, or None if the package that it needs is not installed."""
    if needs and importlib.util.find_spec(needs) is None:
        return None
    return [sys.executable, "-c", QUIET + text, *map(str, arguments)]


def program(name: str, *arguments: object) -> list[str] | None:
    """Return the command that runs a program of the system, or None if there is no such program."""
    return [name, *map(str, arguments)] if shutil.which(name) else None


def copied(source: Path, target: Path) -> list[str]:
    """Return the command that copies a file and flushes it to disk."""
    return ["sh", "-c", f"cp '{source}' '{target}' && sync '{target}'"]


def ckptread(*arguments: object) -> list[str]:
    """Return a ckptread command: the one installed next to this interpreter."""
    beside = Path(sys.executable).with_name("ckptread")
    start = [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-m", "ckptread"]
    return [*start, *map(str, arguments)]
