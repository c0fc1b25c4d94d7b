"""Natively, every file that h5py writes at random holds what h5py and numpy make of it; few need the library.

A longer run: ``CKPTREAD_RANDOM_FILES=2000 CKPTREAD_RANDOM_SEED=20261125 pytest -s THIS_FILE``. Where pyfive is
installed, that asks it too.
"""

import io
import os
from collections import Counter
from importlib.util import find_spec

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.errors import CheckpointError
from ckptread.formats.hdf5.library import Hdf5Library
from tests.formats.hdf5.random_files import write_random_file
from tests.formats.hdf5.same_values import h5py_values, same_values

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
    rng, counts = np.random.default_rng(SEED), Counter()
    for number in range(FILES):
        path, where = tmp_path / f"{number}.h5", f"file {number} of seed {SEED}"
        write_random_file(path, rng)
        with h5py.File(path, "r") as file, ckptread.open(path) as reader:
            _compare(file, reader, rng, where, counts)
            if "CKPTREAD_RANDOM_FILES" in os.environ and find_spec("pyfive"):
                _ask_pyfive(path, reader, counts)
        path.unlink()
    print(f"{len(started)} of {FILES} files started the library; {dict(counts)}")  # noqa: T201 - for a long run
    assert len(started) <= max(1, MOST_STARTED * FILES)


def _compare(file, reader, rng, where, counts):
    expected = _names(file)
    assert [key for key in reader.tensors if key != "nowhere"] == expected, where
    for key in expected:
        info, dataset = reader.tensors[key], file[key]
        place = f"{key} of {where}: {dataset.dtype}, {dataset.shape}, {dataset.chunks}"
        assert info.problem is None, place
        counts[_compare_dataset(reader, info, dataset, rng, place)] += 1
    for key, attributes in reader._index.attributes.items():
        said = {name for name, value in file[key or "/"].attrs.items() if not _is_numbers(value)}
        assert attributes.keys() == said, (where, key)
        for name, value in attributes.items():
            theirs = file[key or "/"].attrs[name]
            theirs = theirs.decode() if isinstance(theirs, bytes) else theirs
            assert np.array_equal(np.asarray(theirs), np.asarray(value)), (where, key, name)


def _is_numbers(value):
    """Whether an attribute is an array of numbers: those say nothing of a model, and are not kept."""
    return isinstance(value, np.ndarray) and value.dtype.kind not in "OSU"


def _compare_dataset(reader, info, dataset, rng, place):
    """Compare one dataset; return what came of it."""
    if dataset.shape is None:
        assert info.shape is None, place
        return "null"
    try:
        values = h5py_values(dataset)
    except OSError:
        assert dataset.scaleoffset is not None, place
        with pytest.raises(CheckpointError):
            reader.read(info.key)
        return "unreadable"
    _compare_values(reader[info.key], dataset, values, rng, place)
    offset = dataset.id.get_offset()
    if info.extent is not None and offset is not None:
        assert info.extent.offset == offset, place
    return "equal"


def _ask_pyfive(path, reader, counts):
    """Count what pyfive makes of the datasets that it reads."""
    import pyfive

    with pyfive.File(io.BytesIO(path.read_bytes())) as file:
        for key, info in reader.tensors.items():
            if info.shape is None or info.problem is not None:
                continue
            try:
                theirs = np.asarray(file[key][()])
                same = same_values(np.asarray(reader.read(key)), theirs)
            except Exception as error:
                counts[f"pyfive: {type(error).__name__}"] += 1
            else:
                counts["pyfive: equal" if same else f"pyfive: other, {info.dtype}"] += 1


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
        ours = np.empty(tensor.shape, object)
        ours[()] = tensor[()]
        assert same_values(ours, values), place
        return
    assert tensor.shape == values.shape, place
    assert tensor.dtype == values.dtype, place
    assert same_values(np.asarray(tensor[()], tensor.dtype), values), place
    chosen = _selection(values.shape, rng)
    ours, theirs = (np.asarray(each[chosen], values.dtype) for each in (tensor, values))
    assert same_values(ours, theirs), (place, chosen)
    blocks = [np.asarray(block).reshape(-1) for block in tensor.blocks(int(rng.choice([64, 1000, 1 << 20])))]
    joined = np.concatenate(blocks) if blocks else np.empty(0, values.dtype)
    assert same_values(joined, values.reshape(-1)), place


def _selection(shape, rng):
    found = []
    for dim in shape:
        start, stop = (int(each) for each in rng.integers(-dim - 2, dim + 3, 2))
        found.append(slice(start, stop, int(rng.choice([1, 2, 3, -1, -2]))) if rng.random() < 0.7 else slice(None))
    return tuple(found)
