""".npy, .npz and safetensors files: types of numpy and ml_dtypes, records, Fortran order, every version."""

import math

import numpy as np

import ckptread
from tests.random.compared import compare_tensor, random_shape

NUMBERS = ("i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8", "<f2",
           ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c8", "<c16", ">c16", "?", "M8[s]", ">m8[7D]")  # fmt: skip
SAFETENSORS = ("?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "c8", "f8", "i8", "u8")
VERSIONS = (None, (1, 0), (2, 0), (3, 0))


def examine(rng, folder, counts):
    """Yield what is read otherwise than by the library that wrote it."""
    write = (_npy, _npz, _npz, _safetensors)[rng.integers(4)]
    path, arrays = write(folder, rng)
    with ckptread.open(path) as reader:
        if reader.tensors.keys() != arrays.keys():
            yield f"keys {list(reader.tensors)}, not {list(arrays)}"
        yield from (str(each) for each in reader.problems if each.severity != "note")
        for key in reader.tensors.keys() & arrays.keys():
            yield from compare_tensor(reader[key], arrays[key], folder, rng, counts)


def _npy(folder, rng):
    values = _values(_dtype(rng), rng)
    with open(folder / "w.npy", "wb") as file:
        try:
            np.lib.format.write_array(file, values, VERSIONS[rng.integers(len(VERSIONS))])
        except ValueError:  # a name that this version cannot hold
            file.seek(0)
            np.lib.format.write_array(file, values)
    return folder / "w.npy", {"w": values}


def _npz(folder, rng):
    arrays = {f"k{number}": _values(_dtype(rng), rng) for number in range(rng.integers(1, 7))}
    (np.savez if rng.random() < 0.5 else np.savez_compressed)(folder / "w.npz", **arrays)
    return folder / "w.npz", arrays


def _safetensors(folder, rng):
    from safetensors.numpy import load_file, save_file

    names = [f"k{number}{('', '/ü', '.x')[rng.integers(3)]}" for number in range(rng.integers(1, 7))]
    kinds = [np.dtype(SAFETENSORS[rng.integers(len(SAFETENSORS))]) for _ in names]
    arrays = {
        name: np.ascontiguousarray(_numbers(kind, random_shape(rng), rng))
        for name, kind in zip(names, kinds, strict=True)
    }
    save_file(arrays, folder / "w.safetensors")
    return folder / "w.safetensors", load_file(folder / "w.safetensors")


def _values(dtype, rng):
    found = _numbers(dtype, random_shape(rng), rng)
    return np.asfortranarray(found) if rng.random() < 0.4 else found


def _numbers(dtype, shape, rng):
    """Return an array of random bytes, but for what not all bytes are values of: text and booleans."""
    if dtype.names:
        found = np.zeros(shape, dtype)
        for name in dtype.names:
            found[name] = _numbers(dtype[name], shape, rng)
        return found
    if dtype.subdtype:
        return _numbers(dtype.base, shape + dtype.shape, rng)
    count = math.prod(shape)
    if dtype.kind == "U":
        return np.array([("a", "ü", "", "z")[number % 4] for number in range(count)], dtype).reshape(shape)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape).copy()


def _dtype(rng):
    chosen, number = rng.random(), np.dtype(NUMBERS[rng.integers(len(NUMBERS))])
    if chosen < 0.65:
        return number
    if chosen < 0.8:
        return np.dtype(("S", "<U", ">U", "V")[rng.integers(4)] + str(rng.integers(1, 9)))
    fields = [_field(number, rng) for number in range(rng.integers(1, 5))]
    if rng.random() < 0.2:
        fields.append(("nest", [("a", "<f4"), ("b", ">i2", (2,))]))
    return np.dtype(fields, align=bool(rng.random() < 0.4))


def _field(number, rng):
    name = (f"f{number}", f"f{number}", f"ü'{number}", (f"t{number}", f"f{number}"))[rng.integers(4)]
    kind = (*NUMBERS, "S3", "<U2", "V2")[rng.integers(len(NUMBERS) + 3)]
    dims = tuple(int(dim) for dim in rng.integers(1, 4, rng.integers(1, 3)))
    return (name, kind) if rng.random() < 0.7 else (name, kind, dims)
