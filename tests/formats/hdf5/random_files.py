"""Files that h5py writes at random: layouts, filters, types, versions, limits, fill values, attributes."""

import itertools
import math

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

VERSIONS = ("earliest", "latest", ("earliest", "v108"), ("v108", "v110"), ("v110", "latest"))
NUMBERS = ("i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8",
           "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c8", "<c16", ">c16", "?")  # fmt: skip
FILTERS = (
    {}, {}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"shuffle": True}, {"fletcher32": True},
    {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"},
    {"compression": "lzf", "shuffle": True, "fletcher32": True}, {"compression": "gzip", "compression_opts": 0},
)  # fmt: skip
LIBRARY_SHARE = 0.004
"""How many datasets go through a filter that only the library undoes."""
COMPACT_BYTES = 60_000
"""More does not fit into a header."""
DIMENSIONS = (0, 1, 2, 3, 5, 7, 8, 13, 20)


def write_random_file(path, rng):
    """Write a file of up to a dozen datasets; ``rng`` is a numpy generator."""
    options = {"libver": VERSIONS[rng.integers(len(VERSIONS))], "track_order": bool(rng.random() < 0.4)}
    if rng.random() < 0.3:
        options["userblock_size"] = int(rng.choice([512, 1024, 2048]))
    with h5py.File(path, "w", **options) as file:
        groups = [file]
        for number in range(rng.integers(0, 4)):
            parent = groups[rng.integers(len(groups))]
            groups.append(parent.create_group(f"g{number}", track_order=bool(rng.random() < 0.5)))
        if rng.random() < 0.15:
            _write_many(file.create_group("many"), int(rng.choice([20, 300])))
        for number in range(rng.integers(1, 13)):
            group = groups[rng.integers(len(groups))]
            dataset = write_dataset(group, f"d{number}", rng)
            write_attributes(dataset if rng.random() < 0.5 else group, rng)
        _write_links(file, groups, rng)


def _write_many(group, count):
    for number in range(count):
        group[f"n{number}"] = np.float32(number)


def _write_links(file, groups, rng):
    group = groups[rng.integers(len(groups))]
    names = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
    if names and rng.random() < 0.3:
        file["alias"] = group[names[0]]
        file["soft"] = h5py.SoftLink(f"{group.name.rstrip('/')}/{names[-1]}")
        file["nowhere"] = h5py.SoftLink("/nothing/there")


def write_attributes(item, rng):
    for number in range(rng.integers(0, 3) * (12 if rng.random() < 0.1 else 1)):
        value = ("text ü", 7, 2.5, ["a", "bc"], np.arange(3), np.bytes_(b"fixed"), np.float32(1.5), "")[rng.integers(8)]
        item.attrs[f"a{number}"] = value


def write_dataset(group, name, rng):
    chosen = rng.random()
    if chosen < 0.06:
        return _write_objects(group, name, rng)
    if chosen < 0.09:
        return group.create_dataset(name, _shape(rng), dtype=(h5py.ref_dtype, h5py.regionref_dtype)[rng.integers(2)])
    if chosen < 0.11:
        return group.create_dataset(name, data=h5py.Empty("f4"))
    dtype, shape = _dtype(rng), _shape(rng)
    if chosen < 0.2:
        return _write_compact(group, name, dtype, shape, rng)
    return _write_values(group, name, dtype, shape, rng)


def _write_objects(group, name, rng):
    """Strings, or lists of numbers in this machine's order (of others, h5py returns swapped bytes)."""
    shape = _shape(rng)
    texts = rng.random() < 0.6
    dtype = h5py.string_dtype() if texts else h5py.vlen_dtype(("<i4", "<f8", "u1")[rng.integers(3)])
    dataset = group.create_dataset(name, shape, dtype=dtype)
    for place in itertools.islice(np.ndindex(*shape), 40):
        if rng.random() < 0.8:
            length = int(rng.integers(0, 6))
            dataset[place] = "é" * length if texts else np.arange(length)
    return dataset


def _write_compact(group, name, dtype, shape, rng):
    shape = shape if math.prod(shape) * dtype.itemsize <= COMPACT_BYTES else (3,)
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_layout(h5d.COMPACT)
    space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
    dataset = h5py.Dataset(h5d.create(group.id, name.encode(), h5t.py_create(dtype, logical=True), space, plist))
    if not dtype.subdtype:
        dataset[()] = _values(dtype, shape, rng)
    return dataset


def _write_values(group, name, dtype, shape, rng):
    """A contiguous or a chunked dataset, of which all, some or nothing is written."""
    fill = None
    if rng.random() < 0.35 and not dtype.subdtype and not dtype.names and dtype.kind != "V":
        fill = _values(dtype, (), rng)[()]
    if rng.random() < 0.35 or not shape or 0 in shape or dtype.subdtype:
        dataset = group.create_dataset(name, shape, dtype=dtype, fillvalue=fill)
        if rng.random() < 0.75:
            dataset[()] = _values(dtype, shape, rng)
        return dataset
    limits = tuple((None, dim, dim * 3)[rng.integers(3)] for dim in shape) if rng.random() < 0.6 else None
    chunk = tuple(int(rng.integers(1, dim + 1)) for dim in shape)
    dataset = group.create_dataset(name, shape, dtype=dtype, chunks=chunk, maxshape=limits, fillvalue=fill,
                                   **_filters(dtype, rng))  # fmt: skip
    _write_some(dataset, rng)
    if limits is not None and rng.random() < 0.6:
        _resize(dataset, limits, rng)
    return dataset


def _resize(dataset, limits, rng):
    """Resize, and write again. HDF5 cannot always read back what its own scaleoffset wrote, which it does here."""
    sizes = zip(dataset.shape, limits, strict=True)
    try:
        dataset.resize(tuple(int(rng.integers(0, (limit or 2 * dim) + 1)) for dim, limit in sizes))
        _write_some(dataset, rng)
    except (OSError, RuntimeError):
        assert dataset.scaleoffset is not None


def _filters(dtype, rng):
    if rng.random() < LIBRARY_SHARE and dtype.kind in "iu" and h5py.check_enum_dtype(dtype) is None:
        return {"scaleoffset": True}
    return FILTERS[rng.integers(len(FILTERS))]


def _write_some(dataset, rng):
    chosen = rng.random()
    if chosen < 0.6:
        dataset[()] = _values(dataset.dtype, dataset.shape, rng)
    elif chosen < 0.85:
        ends = [sorted(int(each) for each in rng.integers(0, dim + 1, 2)) for dim in dataset.shape]
        part = tuple(slice(*each) for each in ends)
        dataset[part] = _values(dataset.dtype, tuple(stop - start for start, stop in ends), rng)


def _shape(rng):
    rank = int(rng.choice([0, 1, 1, 2, 2, 3]))
    return tuple(int(dim) for dim in rng.choice(DIMENSIONS, rank))


def _dtype(rng):
    chosen, number = rng.random(), NUMBERS[rng.integers(len(NUMBERS))]
    if chosen < 0.6:
        return np.dtype(number)
    if chosen < 0.7:
        return np.dtype(f"{'SV'[rng.integers(2)]}{rng.integers(1, 10)}")
    if chosen < 0.85:
        fields = [
            (f"f{n}", NUMBERS[rng.integers(len(NUMBERS))], (2,) * int(rng.integers(0, 3)))
            for n in range(rng.integers(1, 4))
        ]
        return np.dtype(fields, align=bool(rng.random() < 0.4))
    if chosen < 0.93:
        return np.dtype((number, tuple(int(dim) for dim in rng.integers(1, 4, rng.integers(1, 3)))))
    return h5py.enum_dtype({"A": 0, "B": 1, "C": 5}, basetype=("i1", "<i4", ">i2", "u1")[rng.integers(4)])


def _values(dtype, shape, rng):
    if dtype.subdtype:
        return _values(dtype.base, shape + dtype.shape, rng)
    if dtype.names:
        found = np.zeros(shape, dtype)
        for name in dtype.names:
            found[name] = _values(dtype[name], shape, rng)
        return found
    count = math.prod(shape)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "fc":
        values = np.where(rng.random(count) < 0.1, np.nan, rng.standard_normal(count) * 100).reshape(shape)
        return (
            values.astype(dtype)
            if dtype.kind == "f"
            else (values + 1j * values[::-1] if shape else values).astype(dtype)
        )
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape)
