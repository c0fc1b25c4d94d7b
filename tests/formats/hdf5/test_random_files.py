"""Natively, every file that h5py writes at random holds what h5py and numpy make of it; few need the library.

A longer run: ``CKPTREAD_RANDOM_FILES=2000 CKPTREAD_RANDOM_SEED=20261125 pytest -s THIS_FILE``.
"""

import os

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.formats.hdf5.library import Hdf5Library
from tests.formats.hdf5.random_files import write_random_file

FILES = int(os.environ.get("CKPTREAD_RANDOM_FILES", "25"))
SEED = int(os.environ.get("CKPTREAD_RANDOM_SEED", "11"))
MOST_STARTED = 0.05
"""Of the files, at most this share may need the library."""


@pytest.fixture
def started(monkeypatch):
    """The files for which a worker was started."""
    found, start = set(), Hdf5Library._start

    def note(library):
        found.add(library._path)
        return start(library)

    monkeypatch.setattr(Hdf5Library, "_start", note)
    return found


@pytest.mark.slow
def test_random_files_are_read_as_h5py_reads_them(tmp_path, started):
    rng = np.random.default_rng(SEED)
    for number in range(FILES):
        path = tmp_path / f"{number}.h5"
        write_random_file(path, rng)
        with h5py.File(path, "r") as file, ckptread.open(path) as reader:
            _compare(file, reader, rng, f"file {number} of seed {SEED}")
        path.unlink()
    print(f"{len(started)} of {FILES} files started the library")  # noqa: T201 - for a long run
    assert len(started) <= max(1, MOST_STARTED * FILES)


def _compare(file, reader, rng, where):
    expected = _names(file)
    assert [key for key in reader.tensors if key != "nowhere"] == expected, where
    for key in expected:
        info, dataset = reader.tensors[key], file[key]
        place = f"{key} of {where}: {dataset.dtype}, {dataset.shape}, {dataset.chunks}"
        assert info.problem is None, place
        if dataset.shape is None:
            assert info.shape is None, place
            continue
        values = np.asarray(dataset[()], dataset.dtype if dataset.shape == () and not dataset.dtype.subdtype else None)
        _compare_values(reader[key], dataset, values, rng, place)
        offset = dataset.id.get_offset()
        if info.extent is not None and offset is not None:
            assert info.extent.offset == offset, place
    for key, attributes in reader._index.attributes.items():
        for name, value in attributes.items():
            theirs = file[key or "/"].attrs[name]
            theirs = theirs.decode() if isinstance(theirs, bytes) else theirs
            assert np.array_equal(np.asarray(theirs), np.asarray(value)), (where, key, name)


def _names(file):
    """Return the paths of all datasets as a listing has them: as made where that is kept, else numbers first."""
    found = []

    def walk(group, path):
        created = h5py.h5g.open(group.id, b".").get_create_plist()
        tracked = created.get_link_creation_order() & h5py.h5p.CRT_ORDER_INDEXED
        for name in group if tracked else sorted(group, key=_numerically):
            child, soft = group.get(name), isinstance(group.get(name, getlink=True), h5py.SoftLink)
            if isinstance(child, h5py.Group) and not soft:
                walk(child, f"{path}{name}/")
            elif isinstance(child, h5py.Dataset):
                found.append(path + name)

    walk(file, "")
    return found


def _numerically(name):
    return (0, int(name), name) if name.isdigit() else (1, 0, name)


def _compare_values(tensor, dataset, values, rng, place):
    if dataset.dtype.hasobject:
        _compare_objects(np.asarray(tensor[()], object), values, place)
        return
    assert tensor.shape == values.shape, place
    assert tensor.dtype == values.dtype, place
    assert _same(np.asarray(tensor[()], tensor.dtype), values), place
    chosen = _selection(values.shape, rng)
    ours, theirs = (np.asarray(each[chosen], values.dtype) for each in (tensor, values))
    assert _same(ours, theirs), (place, chosen)
    blocks = [np.asarray(block).reshape(-1) for block in tensor.blocks(int(rng.choice([64, 1000, 1 << 20])))]
    joined = np.concatenate(blocks) if blocks else np.empty(0, values.dtype)
    assert _same(joined, values.reshape(-1)), place


def _same(one, other):
    """Whether two arrays are of one shape and type, byte order apart, with the same bits."""
    if one.dtype.names:
        return one.dtype.names == other.dtype.names and all(_same(one[name], other[name]) for name in one.dtype.names)
    native = other.dtype.newbyteorder("=")
    if one.shape != other.shape or one.dtype.newbyteorder("=") != native:
        return False
    return one.astype(native).tobytes() == other.astype(native).tobytes()


def _compare_objects(ours, theirs, place):
    assert ours.shape == theirs.shape, place
    for one, other in zip(ours.reshape(-1), theirs.reshape(-1), strict=True):
        if isinstance(other, h5py.Reference | h5py.RegionReference):
            assert "null" in repr(one), place
        else:
            assert np.array_equal(np.asarray(one), np.asarray(other)), place


def _selection(shape, rng):
    found = []
    for dim in shape:
        start, stop = (int(each) for each in rng.integers(-dim - 2, dim + 3, 2))
        found.append(slice(start, stop, int(rng.choice([1, 2, 3, -1, -2]))) if rng.random() < 0.7 else slice(None))
    return tuple(found)
