"""What h5py makes of a file, beside the arrays that ckptread wrote: ``python -m tests.fuzz.hdf5_library FILE NPZ``.

The arrays go by their keys. A process of its own, for it may crash or hang. It prints a line of JSON for each array:
its key, and ``equal``, ``other`` or ``error``, the last where the library reads nothing under that key. Where it
dies, the rest is missing.
"""

import io
import json
import resource
import sys
import zipfile

import h5py
import numpy as np

MEMORY = 2 << 30


def main(path, arrays):
    """Say of every array in ``arrays`` what the library reads under its name."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with np.load(arrays) as found, h5py.File(_hdf5(path), "r") as file:
        for name in found.files:
            print(json.dumps([name, verdict(file, name, found[name])]), flush=True)


def _hdf5(path):
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return io.BytesIO(file.read())
    with zipfile.ZipFile(path) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".h5")]
        return io.BytesIO(archive.read(name))


def verdict(file, name, ours):
    """Return how what the library reads compares."""
    try:
        dataset = file[name]
        theirs = dataset[()]
    except Exception as error:
        return f"error: {type(error).__name__}: {error}"[:200]
    return "equal" if same(ours, theirs) else "other"


def same(ours, theirs):
    """Whether two arrays hold equal values, with what .npy cannot hold put as ckptread documents it."""
    if isinstance(theirs, h5py.Empty):
        return ours.size == 0
    theirs = np.asarray(theirs)
    if theirs.dtype.kind == "V" and theirs.dtype.names is None and ours.dtype == np.float32:
        theirs = (theirs.view("<u2").astype("<u4") << 16).view("<f4")  # bfloat16, widened
    if ours.shape != theirs.shape:
        return False
    if theirs.dtype.hasobject and ours.dtype.names == ("length", "values"):
        lists = [row["values"][: row["length"]].tolist() for row in ours.reshape(-1)]
        return lists == [np.asarray(each).tolist() for each in theirs.reshape(-1)]
    if theirs.dtype.hasobject:
        return [_text(each) for each in theirs.reshape(-1).tolist()] == ours.reshape(-1).tolist()
    if theirs.dtype.kind in "fc" and ours.dtype.kind in "fc":
        return bool(np.array_equal(ours, theirs, equal_nan=True))
    return ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()


def _text(value):
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
