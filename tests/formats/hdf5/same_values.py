"""Whether values are those that h5py reads of the same dataset: byte order and padding apart, NaN being NaN."""

import h5py
import numpy as np


def h5py_values(dataset):
    """Return what h5py reads, as an array of the dataset's type: of scalars, it gives Python's and numpy's own."""
    if dataset.shape is None:
        return None
    found = dataset[()]
    if dataset.dtype.hasobject and dataset.shape == ():
        whole = np.empty((), object)
        whole[()] = found
        return whole
    return np.asarray(found, None if dataset.dtype.subdtype else dataset.dtype)


def same_values(ours, theirs):
    """Compare arrays: shapes, names, types, and every value."""
    if theirs is None or ours.shape != theirs.shape:
        return theirs is None and ours.size == 0
    if theirs.dtype.names:
        return ours.dtype.names == theirs.dtype.names and all(same_values(ours[n], theirs[n]) for n in ours.dtype.names)
    if theirs.dtype.hasobject or ours.dtype.hasobject:
        return all(map(same_object, ours.reshape(-1).tolist(), theirs.reshape(-1).tolist()))
    if ours.dtype.name == "bfloat16":
        return ours.tobytes() == theirs.tobytes()
    if ours.dtype.newbyteorder("=") != theirs.dtype.newbyteorder("="):
        return False
    if theirs.dtype.kind in "fc":
        return bool(np.array_equal(ours, theirs, equal_nan=True))
    if theirs.dtype.kind == "b":  # any byte but 0 is true
        return bool(np.array_equal(ours.view("u1") != 0, theirs.view("u1") != 0))
    return ours.astype(theirs.dtype).tobytes() == theirs.tobytes()


def same_object(one, other):
    """Compare strings, lists of variable length, and references, of which only null ones are compared."""
    if isinstance(other, h5py.Reference | h5py.RegionReference):
        return bool(other) or "null" in repr(one)
    one, other = (each.encode("utf-8", "surrogateescape") if isinstance(each, str) else each for each in (one, other))
    if isinstance(other, bytes):
        return one == other
    return same_values(np.asarray(one), np.asarray(other))
