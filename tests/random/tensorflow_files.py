"""TensorFlow checkpoints by SaveV2 and MergeV2Checkpoints: every type, slices of partitioned variables, odd names."""

from itertools import pairwise

import numpy as np

import ckptread
from tests.random.compared import compare_tensor, random_shape

TYPES = ("float32", "float64", "int32", "uint8", "int16", "int8", "complex64", "int64", "bool", "bfloat16", "uint16",
         "complex128", "float16", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn", "string")  # fmt: skip
QUANTIZED = {"qint8": "int8", "quint8": "uint8", "qint16": "int16", "quint16": "uint16", "qint32": "int32"}
NAMES = (
    "a/b",
    "ü/k",
    "w",
    "x y",
    "a.b",
    "%41",
    "中",
    "a" * 300,
    "k\\n",
    "=f",
    "..",
    "./a",
    "a//b",
    "/abs",
    "w:0",
    "_CH",
)
SLICED = 0.35


def examine(rng, folder, counts):
    """Yield what is read otherwise than it was written."""
    import tensorflow as tf

    prefix, arrays, shards = str(folder / "ck"), {}, [[] for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    for number in range(rng.integers(1, 13)):
        name = f"{NAMES[rng.integers(len(NAMES))]}{number}"
        arrays[name], parts = _tensor(tf, rng)
        for part in parts:
            shards[rng.integers(len(shards))].append((name, *part))
    _save(tf, prefix, [shard for shard in shards if shard], folder)
    with ckptread.open(prefix) as reader:
        if reader.tensors.keys() != arrays.keys():
            yield f"keys {list(reader.tensors)}, not {list(arrays)}"
        yield from (str(each) for each in reader.problems if each.severity == "error")
        for key in reader.tensors.keys() & arrays.keys():
            yield from compare_tensor(reader[key], arrays[key], folder, rng, counts)


def _save(tf, prefix, shards, folder):
    if len(shards) == 1:
        tf.raw_ops.SaveV2(prefix=prefix, **_columns(shards[0]))
        return
    parts = [str(folder / f"temporary-{number}" / "part") for number in range(len(shards))]
    for part, shard in zip(parts, shards, strict=True):
        tf.io.gfile.makedirs(part.rpartition("/")[0])
        tf.raw_ops.SaveV2(prefix=part, **_columns(shard))
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix, delete_old_dirs=True)


def _columns(rows):
    names, slices, tensors = zip(*rows, strict=True)
    return {"tensor_names": list(names), "shape_and_slices": list(slices), "tensors": list(tensors)}


def _tensor(tf, rng):
    """Return an array, and its parts: where each is, and what TensorFlow writes."""
    name, shape = (*TYPES, *QUANTIZED)[rng.integers(len(TYPES) + len(QUANTIZED))], random_shape(rng)
    values = _values(tf, QUANTIZED.get(name, name), shape, rng)

    def written(part):
        made = tf.constant(part) if name != "string" else tf.constant(part, tf.string)
        return tf.bitcast(made, name) if name in QUANTIZED else made

    if name == "string" or not shape or 0 in shape or rng.random() > SLICED:
        return values, [("", written(values))]
    axis = int(rng.integers(len(shape)))
    cuts = sorted({0, shape[axis], *(int(cut) for cut in rng.integers(0, shape[axis] + 1, 2))})
    return values, [
        (_slice_of(shape, axis, start, stop), written(values.take(range(start, stop), axis)))
        for start, stop in pairwise(cuts)
    ]


def _slice_of(shape, axis, start, stop):
    axes = ["-"] * len(shape)
    axes[axis] = f"{start},{stop - start}"
    return f"{' '.join(map(str, shape))} {':'.join(axes)}"


def _values(tf, name, shape, rng):
    count = int(np.prod(shape))
    if name == "string":
        found = np.empty(count, object)
        found[:] = [rng.bytes(int(rng.choice([0, 1, 5, 200, 300]))) for _ in range(count)]
        return found.reshape(shape)
    dtype = np.dtype(tf.dtypes.as_dtype(name).as_numpy_dtype)
    if name == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape)
