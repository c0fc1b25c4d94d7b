"""Checkpoints, rules, mappings and listings with hostile text in every place that holds text."""

import json
import struct
import zipfile

import h5py
import numpy as np

from tests.formats.pytorch.pickled import Call, archive, dumped, legacy_file, tensor
from tests.table_writer import entry, field, header, table

SENT = "N\x1b[31m\x1b]0;p\x07\x7f\u009b\u202e\u200b\u2028\u2066\ufeff\r\nX\t"
"""What a terminal or an editor acts on."""
UNSEEN = "Z\ufe0f\u115f\u3164\u034f\U000e0101\uffa0\u2800\u17b4"
"""What is printed as nothing, or as a blank."""
MARKUP = "|<img src=x onerror=1>`*_[a](http:e)&lt;&#96;`` @user #1 ~~x~~ www.evil.example;=1+1"
TEXT = SENT + UNSEEN + MARKUP
PART = TEXT.replace("/", "").replace("\\", "")
"""The same without what ends a name in a file system, or a group in HDF5."""
FILE = (UNSEEN + SENT.replace("\0", "") + "`|<b>")[:40]


def safetensors(path, entries, nbytes=8):
    text = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(nbytes))


def float32(*offsets):
    return {"dtype": "F32", "shape": [(offsets[1] - offsets[0]) // 4], "data_offsets": list(offsets)}


def write_safetensors(folder):
    metadata = {"k" + TEXT: "v" + TEXT, "format": TEXT}
    safetensors(
        folder / "a.safetensors",
        {"__metadata__": metadata, "w" + TEXT: float32(0, 4), "u" + TEXT: {**float32(4, 8), "dtype": "D" + TEXT}},
    )
    safetensors(folder / "b.safetensors", {"k" + TEXT: {"dtype": TEXT, "shape": [-1], "data_offsets": [0, 4]}})
    safetensors(folder / "c.safetensors", {"k" + TEXT: {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})
    shard = f"s{FILE}.safetensors"
    safetensors(folder / shard, {"w" + TEXT: float32(0, 4), "x" + TEXT: float32(4, 8)})
    names = {"w" + TEXT: shard, "q" + TEXT: shard, "m" + TEXT: f"no{FILE}.safetensors"}
    sharded = {"metadata": {"k" + TEXT: TEXT, "l" + TEXT: [TEXT]}, "weight_map": names}
    (folder / "i.safetensors.index.json").write_text(json.dumps(sharded))
    (folder / "j.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": f"../{TEXT}.safetensors"}}))


def write_hdf5(path):
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("g" + PART)
        group.attrs["a" + PART] = file.attrs["keras_version"] = file.attrs["w" + PART] = TEXT
        group["d" + PART] = np.arange(3, dtype="f4")
        group["soft" + PART] = h5py.SoftLink("/nowhere" + PART)
        group["link" + PART] = h5py.SoftLink(f"/g{PART}/d{PART}")
        group["ext" + PART] = h5py.ExternalLink("file" + PART, "/x" + PART)
        group["again" + PART] = group
        group["record" + PART] = np.zeros(3, dtype=[("f" + PART, "f4"), ("g" + PART, "S5")])
        group["text" + PART] = np.array([TEXT.encode()] * 3, dtype=h5py.string_dtype())
        group["fixed" + PART] = np.array([TEXT.encode()] * 3, dtype="S250")
        group.create_dataset("enum" + PART, (3,), dtype=h5py.enum_dtype({"A" + PART: 1}, basetype="i1"))
        group.create_dataset("outside" + PART, (3,), "f4", external=[("evil" + PART, 0, 12)])
        group["ref" + PART] = np.array([file.ref, h5py.Reference()], dtype=h5py.ref_dtype)


def keras_config():
    layers = [
        {"class_name": "InputLayer", "config": {"name": "in" + TEXT, "batch_shape": [None, 3]}},
        {"class_name": "Lambda", "name": "lam" + TEXT, "config": {"name": "lam" + TEXT}},
        {
            "class_name": "Cls" + TEXT, "module": "my" + TEXT, "registered_name": "R" + TEXT,
            "config": {"name": "dense" + TEXT, "dtype": "pol" + TEXT, "trainable": True},
        },
        {"class_name": "StringLookup", "config": {"name": "sl" + TEXT, "vocabulary": "/etc/" + TEXT}},
        {"class_name": "Dense", "config": {"name": "dense", "dtype": {"config": {"name": "pp" + TEXT}}}},
    ]  # fmt: skip
    return {
        "class_name": "Functional", "module": "evil" + TEXT, "registered_name": "reg>" + TEXT,
        "config": {"name": "m" + TEXT, "layers": layers, "dtype": "d" + TEXT},
        "compile_config": {"optimizer": {"class_name": "Opt" + TEXT, "config": {}}, "loss": {"o" + TEXT: "l" + TEXT}},
    }  # fmt: skip


def write_keras(folder):
    weights = folder / "w.weights.h5"
    with h5py.File(weights, "w") as file:
        for name in ("layers/dense", "layers/cls" + PART, "optimizer"):
            file[name + "/vars/0"] = np.arange(3, dtype="f4")
            file[name].attrs["name"] = file[name + "/vars"].attrs["name"] = "dense" + TEXT
    with zipfile.ZipFile(folder / "a.keras", "w") as archive:
        metadata = {"keras_version": "3" + TEXT, "date_saved": "d" + TEXT, "k" + TEXT: "v" + TEXT}
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("config.json", json.dumps(keras_config()))
        archive.writestr("model.weights.h5", weights.read_bytes())
        archive.writestr("assets/" + TEXT, b"x")
        archive.writestr("../" + TEXT, b"y")
    with h5py.File(folder / "legacy.h5", "w", libver="latest") as file:
        file.attrs["model_config"] = json.dumps(keras_config())
        file.attrs["keras_version"], file.attrs["backend"] = "2" + TEXT, "tf" + TEXT
        layers = file.create_group("model_weights")
        layers.attrs["layer_names"] = np.array([("dense" + PART).encode(), ("ghost" + PART).encode()])
        layer = layers.create_group("dense" + PART)
        kernel = f"dense{PART}/kernel{PART}:0"
        layer.attrs["weight_names"] = np.array([kernel.encode(), ("gone" + PART).encode()])
        layer[kernel] = np.zeros(3, "f4")


def write_keras_folders(folder):
    """Write the members of the archive as a folder, and weights in two files."""
    model, shards = folder / "unzipped", folder / "shards"
    with zipfile.ZipFile(folder / "a.keras") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.extract(name, model)
    (model / "assets" / f"of{FILE}").mkdir(parents=True)
    (model / "assets" / f"of{FILE}" / f"words{FILE}.txt").write_text(TEXT)
    shards.mkdir()
    part = f"m{FILE}_00000.weights.h5"
    (shards / part).write_bytes((folder / "w.weights.h5").read_bytes())
    groups = {
        "/layers/dense/vars": [part],
        f"/layers/cls{PART}/vars": [part],
        f"/layers/x{TEXT}/vars": [f"no{FILE}.h5"],
    }
    (shards / "m.weights.json").write_text(json.dumps({"metadata": {"k" + TEXT: TEXT}, "weight_map": groups}))


def npy(descr, shape=(3,), data=b""):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\3\0" + struct.pack("<I", len(text)) + text + data


def write_numpy(folder):
    record = npy(repr([("f" + TEXT, "<f4"), ("g" + TEXT, "<i4")]), (2,), bytes(16))
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        archive.writestr(f"n{TEXT}.npy", npy("'<f4'", (3,), bytes(12)))
        archive.writestr(f"x{TEXT}.txt", b"1")
        archive.writestr("s.npy", record)
        archive.writestr(f"bad{TEXT}.npy", npy(repr(TEXT), (2,), bytes(16)))
        archive.writestr("u.npy", npy("'<U60'", (1,), TEXT[:60].ljust(60, "\0").encode("utf-32-le")))
        archive.writestr("b.npy", npy("'|S60'", (1,), TEXT.encode()[:60].ljust(60, b"\0")))
    (folder / "f.npy").write_bytes(record)
    (folder / "bad.npy").write_bytes(npy(repr(TEXT), (2,)))
    (folder / f"n{FILE}.npy").write_bytes(npy("'<f4'", (3,), bytes(12)))


def write_tensorflow(folder):
    names = sorted([f"lay{TEXT}/kernel/.ATTRIBUTES/VARIABLE_VALUE", "unknown" + TEXT, "beyond" + TEXT])
    numbers = {"l": entry(1, [3], 0, 12, 0), "u": entry(77, [3], 0, 12, 0), "b": entry(1, [3], 10**6, 12, 0)}
    index = table([(b"", header()), *((name.encode(), numbers[name[0]]) for name in names)])
    for prefix in ("ck", "ck" + FILE):
        (folder / f"{prefix}.index").write_bytes(index)
        (folder / f"{prefix}.data-00000-of-00001").write_bytes(bytes(12))
    (folder / f"lost{FILE}.index").write_bytes(index)
    model = folder / "saved"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(field(2, field(7, field(1, field(7, field(6, ("var" + TEXT).encode()))))))
    (model / "variables" / "variables.index").write_bytes(index)
    (model / "variables" / "variables.data-00000-of-00001").write_bytes(bytes(12))
    for at, target in enumerate(["../x" + TEXT, "none" + TEXT, "/abs" + TEXT, "a\\n\\x1b" + TEXT]):
        (folder / f"state{at}").mkdir()
        quoted = target.replace('"', "").replace("\n", "")
        (folder / f"state{at}" / "checkpoint").write_text(f'model_checkpoint_path: "{quoted}"\n', newline="")


def write_v1(path):
    """Write a checkpoint of TensorFlow's first format: its first entry lists the tensors, and no value follows."""
    tensors = [
        field(1, ("v" + TEXT).encode()) + field(2, field(2, field(1, 3))) + field(3, kind) for kind in (1, 7, 99)
    ]
    path.write_bytes(table([(b"", field(1, b"".join(field(1, each) for each in tensors)))]))


def write_series(folder):
    run = folder / f"run{FILE}"
    run.mkdir()
    for step in (1, 2):
        (run / f"ok-{step}{FILE}.npz").write_bytes((folder / "a.npz").read_bytes())


def write_checkpoints(folder):
    """Write them all; returns their paths."""
    write_safetensors(folder)
    write_hdf5(folder / "p.h5")
    write_keras(folder)
    write_keras_folders(folder)
    write_numpy(folder)
    write_tensorflow(folder)
    write_v1(folder / "v1.ckpt")
    write_pytorch(folder)
    write_tensorflow_js(folder)
    write_series(folder)
    (folder / f"page{FILE}.h5").write_text(TEXT)
    return [path for path in sorted(folder.iterdir()) if ".data-" not in path.name]


def write_pytorch(folder):
    """Files of torch.save with hostile keys, classes, texts and storages, and an index."""
    values = bytes(24)
    tree = {"k" + TEXT: tensor(), "v" + TEXT: TEXT, "m" + TEXT: tensor(key="s" + PART),
            "o" + TEXT: Call("module" + PART.replace("\n", "").replace("\r", ""), "name", TEXT)}  # fmt: skip
    pickled = b"\x80\x02" + dumped(tree) + b"."
    archive(folder / "t.pt", pickled, {"0": values})
    legacy_file(folder / "t.pth", pickled, {"0": (6, values)})
    shard = f"s{FILE}.bin"
    archive(folder / shard, pickled, {"0": values})
    weights = {"k" + TEXT: shard, "n" + TEXT: f"no{FILE}.bin"}
    (folder / "t.bin.index.json").write_text(json.dumps({"metadata": {TEXT: TEXT}, "weight_map": weights}))


def write_tensorflow_js(folder):
    """A model.json with hostile names, classes and paths, and its weights."""
    shard = f"s{FILE}.of1.bin"
    (folder / shard).write_bytes(bytes(8))
    weights = [
        {"name": "w" + TEXT, "shape": [1], "dtype": "float32"},
        {"name": "v" + TEXT, "shape": [1], "dtype": "int32"},
    ]
    config = {"class_name": "C" + TEXT, "config": {"name": "n" + TEXT, "layers": []}}
    model = {"format": TEXT, "generatedBy": TEXT, "convertedBy": TEXT, "modelTopology": {"model_config": config},
             "weightsManifest": [{"paths": [shard], "weights": weights}]}  # fmt: skip
    (folder / "y.model.json").write_text(json.dumps(model))
    model["weightsManifest"][0]["paths"] = [f"../{TEXT}"]
    (folder / "z.model.json").write_text(json.dumps(model))


def write_rules(folder):
    """Write files of rules; returns their paths."""
    name = json.dumps("q" + TEXT)
    texts = [f"{name} = 1", f"has = [{name}]\nfinite = [{name}]", f"role = {name}", f"dtype = {name}",
             f"max-abs = {{{name} = {name}}}", f"same-as = {name}", f'has = "{TEXT}"']  # fmt: skip
    paths = [folder / f"{at}.toml" for at in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(f"[check]\n{text}\n", newline="")
    return paths


def write_mapping(path):
    pair = {"a": "w" + TEXT, "b": "w" + TEXT, "reshape": None, "axes": None}
    path.write_text(json.dumps({"schema": 1, "pairs": [pair, pair], "only_a": ["x" + TEXT], "only_b": [TEXT]}))
    return path


def write_listing(path):
    line = "".join(c for c in TEXT if c not in "\r\n\u2028")
    path.write_text(f"{'0' * 64}  {line}\n{'1' * 64}  w\n", newline="")
    return path
