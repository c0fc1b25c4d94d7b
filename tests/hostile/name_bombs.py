"""More small files that are made to cost much: by names, by findings, by what refers to what."""

import json
import struct

import h5py
import numpy as np

from tests.fuzz.records import strings_of
from tests.hostile.bombs import MAGIC, MIB, bundle, header_of_safetensors, raw_table
from tests.table_writer import entry, field, handle, header, varint, with_trailer, write_bundle

FLOAT = 1
STRING = 7


def a_problem_each(folder):
    """190,000 tensors, each with another dimension that no tensor has."""
    return bundle(folder, [(b"%06d" % n, entry(FLOAT, [-n - 1], 0, 4, 0)) for n in range(190_000)])


def under_one_long_name(folder):
    """5,000 tensors within the bytes of one that has a name of 60,000 bytes."""
    rows = [(b"%05d" % n, entry(FLOAT, [1], 4 * n, 4, 0)) for n in range(5_000)]
    return bundle(folder, [(b"/" * 60_000, entry(FLOAT, [5_000], 0, 20_000, 0)), *rows], bytes(20_000))


def branches(folder):
    """30,000 names of 120 components, no two of which share any."""
    rows = [("/".join(f"{n:x}{k:02x}" for k in range(120)).encode(), entry(FLOAT, [], 0, 4, 0)) for n in range(30_000)]
    return bundle(folder, rows)


def deep_alike(folder):
    """400 names of 30,000 components that end alike, and differ in the middle."""
    return bundle(folder, [(b"a/" * 15_000 + b"%03d" % n + b"/a" * 15_000, entry(FLOAT, [], 0, 4, 0))
                            for n in range(400)])  # fmt: skip


def one_checksum(folder):
    """50,000 keys of punctuation that all have one CRC-32, and come to one file name."""
    return bundle(folder, [(key, entry(FLOAT, [], 0, 4, 0)) for key in keys_of_one_checksum(50_000)])


def keys_of_one_checksum(count):
    """Return keys of 56 marks with one CRC-32: it is linear, so choices that cancel out are found by elimination."""
    import zlib

    base = b"!" * 56
    zero, rows = zlib.crc32(base), []
    for at in range(56):
        changed = base[:at] + b"#" + base[at + 1 :]
        rows.append((zlib.crc32(changed) ^ zero, 1 << at))
    free = []
    for bit in range(32):
        pivot = next((row for row in rows if row[0] >> bit & 1), None)
        if pivot is not None:
            rows.remove(pivot)
            rows = [(a ^ pivot[0], b ^ pivot[1]) if a >> bit & 1 else (a, b) for a, b in rows]
    free = [choice for _, choice in rows]
    for number in range(count):
        choice = 0
        for at, each in enumerate(free):
            choice ^= each if number >> at & 1 else 0
        yield bytes(ord("#") if choice >> at & 1 else ord("!") for at in range(56))


def copies(folder):
    """An export whose two lists hold 20,000 variables each, all of one name, and none like another."""
    keys = [f"{name}/{n}/.ATTRIBUTES/VARIABLE_VALUE" for name in ("variables", "_all_variables") for n in range(20_000)]
    nodes = b"".join(
        field(1, field(2, field(1, b"VARIABLE_VALUE") + field(2, b"v") + field(3, key.encode()))) for key in keys
    )
    data, crc = strings_of([nodes])
    rows = [(key.encode(), entry(FLOAT, [], 0, 4, n)) for n, key in enumerate(keys)]
    rows.append((b"_CHECKPOINTABLE_OBJECT_GRAPH", entry(STRING, [], 0, len(data), crc)))
    return bundle(folder, rows, data)


def shards(folder):
    """An index that states two thousand million shards, and 100,000 tensors in as many of them."""

    def in_shard(n):
        return field(1, FLOAT) + field(2, b"") + field(3, n * 20_000) + field(5, 4)

    rows = [(b"%06d" % n, in_shard(n)) for n in range(100_000)]
    return bundle(folder, rows, head=header(2_000_000_000))


def state_of_many(folder):
    """A state file that names 20,000 checkpoints, and a folder with none of them."""
    text = "".join(f'all_model_checkpoint_paths: "{n}"\n' for n in range(20_000))
    (folder / "checkpoint").write_text('model_checkpoint_path: "gone"\n' + text)
    return folder / "checkpoint"


def missing_files(folder):
    """A safetensors index of 150,000 tensors, each in a file of its own, none of which is there."""
    names = {f"t{n}": f"{n}.safetensors" for n in range(150_000)}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return path


def safetensors_names(folder):
    """A thousand names of 30,000 components in a safetensors header."""
    text = ",".join(f'"{n}{"/a" * 15_000}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for n in range(1_000))
    return header_of_safetensors(folder, ("{" + text + "}").encode())


def long_numbers(folder):
    """A safetensors header whose numbers have a million digits."""
    data = b'{"t":{"dtype":"F32","shape":[%s],"data_offsets":[0,0]}}' % (b"9" * MIB)
    return header_of_safetensors(folder, data)


def npy_numbers(folder):
    """A .npy header whose one dimension has 60,000 digits."""
    return _npy(folder, b"(%s,)" % (b"9" * 60_000))


def npy_brackets(folder):
    """A .npy header of 30,000 brackets in each other."""
    return _npy(folder, b"(" * 30_000 + b")" * 30_000)


def _npy(folder, shape):
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % shape
    path = folder / "a.npy"
    path.write_bytes(np.lib.format.magic(1, 0) + struct.pack("<H", len(text)) + text)
    return path


def links(folder):
    """4,000 hard links to a dataset, and as many to a group, whose own names take 50,000 bytes."""
    path = folder / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["A" * 50_000] = np.zeros(3, "f4")
        data, group = file["A" * 50_000], file.create_group("B" * 50_000)
        for number in range(4_000):
            file[f"d{number}"] = data
            file[f"g{number}"] = group
    return path


def wrapped_twice(folder):
    """A legacy .h5 whose config has Bidirectional in Bidirectional, 60 times: 2 to the 60 layers."""
    layer = {"class_name": "LSTM", "config": {"name": "x", "units": 4}}
    for _ in range(60):
        layer = {"class_name": "Bidirectional", "config": {"name": "x", "layer": layer}}
    return _legacy(folder, [layer], {"x": [f"x/{'x/' * (n % 5)}w{n}:0" for n in range(200)]})


def layers_alike(folder):
    """A legacy .h5 of 60 nested models, of 300 layers of one name each, with 300 weights of that name."""
    inner = [{"class_name": "Dense", "config": {"name": "x"}}] * 300
    models = [
        {"class_name": "Functional", "config": {"name": f"m{n}", "layers": inner, "input_layers": []}}
        for n in range(60)
    ]  # fmt: skip
    return _legacy(folder, models, {f"m{n}": [f"x/{k}/x/w:0" for k in range(300)] for n in range(60)})


def layers_again(folder):
    """A legacy .h5 that lists one layer of 1,000 weights 100,000 times."""
    return _legacy(folder, [], {"x": [f"w{n}:0" for n in range(1_000)]}, again=100_000)


def _legacy(folder, layers, weights, again=1):
    path = folder / "a.h5"
    config = {"class_name": "Functional", "config": {"name": "m", "layers": layers, "input_layers": []}}
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.13.1"
        group = file.create_group("model_weights")
        listed = np.array([name.encode() for name in weights] * again, "S")
        for at, part in enumerate(np.array_split(listed, max(1, listed.nbytes // 50_000))):
            group.attrs[f"layer_names{at}"] = part
        for name, held in weights.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = np.array([weight.encode() for weight in held], "S")
            for number, weight in enumerate(held):
                layer[weight] = np.float32([number])
    return path


def restart_points(folder):
    """A block that is nothing but five million restart points."""
    contents = b"\0\0\0" + b"\0\0\0\0" * 5_000_000 + struct.pack("<I", 5_000_000)
    (folder / "ck.index").write_bytes(raw_table(contents))
    return folder / "ck.index"


def index_in_itself(folder):
    """A table whose index block names itself as its data, 1,000 times."""
    first = b"".join(
        varint(0) + varint(4) + varint(6) + b"%04d" % n + handle(0, 13_008).ljust(6, b"\0") for n in range(1_000)
    )
    contents = first + struct.pack("<II", 0, 1)
    where = handle(0, len(contents))
    data = with_trailer(contents) + (handle(0, 0) + where).ljust(40, b"\0") + struct.pack("<Q", MAGIC)
    (folder / "ck.index").write_bytes(data)
    return folder / "ck.index"


def saved_model_of_names(folder):
    """A SavedModel whose graph lists 100,000 trainable variables of 300 bytes beside one tensor."""
    names = b"".join(field(1, field(1, b"v%0300d" % n)) for n in range(100_000))
    graph = field(4, field(1, b"trainable_variables") + field(2, field(1, names)))
    (folder / "saved_model.pb").write_bytes(field(2, graph))
    (folder / "variables").mkdir()
    write_bundle(folder / "variables" / "variables", {"v": (1, (1,), bytes(4))})
    return folder


NAME_BOMBS = (
    a_problem_each, under_one_long_name, branches, deep_alike, one_checksum, copies, shards, state_of_many,
    missing_files, safetensors_names, long_numbers, npy_numbers, npy_brackets, links, wrapped_twice, layers_alike,
    layers_again, restart_points, index_in_itself, saved_model_of_names,
)  # fmt: skip
