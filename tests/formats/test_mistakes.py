"""What is not a checkpoint is named as what it is, with what to do; only what may be damaged is downloaded again."""

import bz2
import lzma
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES
from tests.table_writer import field

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


def zip_of(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"{}")

    return write


def bytes_of(*parts):
    return lambda path: path.write_bytes(b"".join(parts))


def node(name, operation):
    return field(1, field(1, name) + field(2, operation))


def tensor(name, kind):
    return field(1, field(1, name) + field(2, field(1, 3) + field(1, 4) + field(2, kind) + field(3, bytes(48))))


MATLAB4 = struct.pack("<5i", 0, 1, 2, 0, 5) + b"data\0" + np.arange(2.0).tobytes()
ONNX = (
    field(1, 8)
    + field(2, b"pytorch")
    + field(7, field(1, node(b"x", b"Add")) + field(2, b"main"))
    + field(8, field(2, 13))
)
FILES = {
    "group1-shard1of1.bin": (bytes_of(bytes(8)), "TensorFlow.js", "download model.json"),
    "group1-shard2of2": (bytes_of(bytes(8)), "TensorFlow.js", "download model.json"),
    "net.ckpt": (bytes_of(tensor(b"conv1.weight", b"Float32"), tensor(b"b", b"Int64")), "MindSpore", "load_checkpoint"),
    "frozen.pb": (bytes_of(node(b"input", b"Placeholder"), node(b"y", b"MatMul")), "TensorFlow graph", "SavedModel"),
    "net.onnx": (bytes_of(ONNX), "ONNX", "checkpoint that it was made from"),
    "a.nc": (bytes_of(b"CDF\1", bytes(60)), "netCDF", "nccopy -k nc4"),
    "b.nc": (bytes_of(b"CDF\2", bytes(60)), "netCDF", "nccopy -k nc4"),
    "v5.mat": (bytes_of(b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124), b"\0\1IM", bytes(60)), "MATLAB", "-v7.3"),
    "v4.mat": (bytes_of(MATLAB4), "MATLAB", "-v7.3"),
    "zarr.zip": (zip_of(".zgroup", "w/.zarray", "w/0.0"), "Zarr", "zarr package"),
    "zarr3.zip": (zip_of("zarr.json", "w/zarr.json"), "Zarr", "zarr package"),
    "models.zip": (zip_of("run/model.h5", "run/other.h5"), "zip archive of other files", "unpack it"),
    "flax.msgpack": (bytes_of(b"\x81\xa6params\x81\xa5Dense\x80"), "MessagePack", "msgpack_restore"),
    "checkpoint.msgpack": (bytes_of(b"\xde\0\1\xd9\x28", b"k" * 40, b"\xc0"), "MessagePack", "msgpack_restore"),
    "a.xz": (lambda path: path.write_bytes(lzma.compress(b"x")), "compressed by xz", "unxz"),
    "a.h5.bz2": (lambda path: path.write_bytes(bz2.compress(b"x")), "compressed by bzip2", "bunzip2"),
    "a.zst": (bytes_of(b"\x28\xb5\x2f\xfd", bytes(40)), "compressed by Zstandard", "unzstd"),
    "a.7z": (bytes_of(b"7z\xbc\xaf\x27\x1c", bytes(40)), "compressed by 7-Zip", "7z x"),
    "old.pkl": (lambda path: path.write_bytes(pickle.dumps({"w": [1.0]}, 0)), "pickle", "never loaded"),
    "object.pkl": (lambda path: path.write_bytes(pickle.dumps(np.arange(3.0), 0)), "pickle", "never loaded"),
    "new.pkl": (lambda path: path.write_bytes(pickle.dumps({"w": [1.0]})), "pickle", "never loaded"),
    "a.parquet": (bytes_of(b"PAR1", bytes(40), b"PAR1"), "Parquet", "checkpoint itself"),
    "fingerprint.pb": (bytes_of(field(1, 99), field(2, 98)), "SavedModel", "give the folder"),
    "alone.meta": (
        lambda p: shutil.copy(FIXTURES / "tf1-saver" / "model.ckpt-3.meta", p), "has no values", ".index and .data-"
    ),
    "w.index": (lambda p: p.write_text(POINTER), "Git LFS pointer", "git lfs pull"),
    "w.safetensors.index.json": (lambda p: p.write_text(POINTER), "Git LFS pointer", "git lfs pull"),
}  # fmt: skip


def problem_of(path):
    with pytest.raises(ckptread.CheckpointError) as raised:
        ckptread.open(path)
    return raised.value


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_format_is_named_with_what_to_do(tmp_path, name):
    write, what, advice = FILES[name]
    write(tmp_path / name)
    found = problem_of(tmp_path / name)
    assert what in found.problem
    assert advice in found.advice
    assert "again" not in found.advice or "save it again" in found.advice


FOLDERS = {
    "tfjs": (("model.json", "group1-shard1of2.bin", "group1-shard2of2.bin"), "TensorFlow.js"),
    "zarr2": ((".zgroup", "w/.zarray", "w/0.0"), "Zarr"),
    "zarr3": (("zarr.json", "w/zarr.json"), "Zarr"),
    "orbax": (("_CHECKPOINT_METADATA", "default/manifest.ocdbt", "default/_METADATA"), "Orbax"),
    "orbax/default": (("manifest.ocdbt", "_METADATA", "d/0a1b"), "Orbax"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_another_format_is_named(tmp_path, name):
    files, what = FOLDERS[name]
    for file in files:
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).write_text("{}")
    assert what in problem_of(tmp_path / name).problem


def test_events_of_tensorboard_are_named(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    tensorflow.summary.create_file_writer(str(tmp_path)).flush()
    found = problem_of(next(tmp_path.glob("events.out.tfevents.*")))
    assert "events file of TensorBoard" in found.problem


@pytest.mark.parametrize("data", [field(1, 99) + field(2, 98), b"\x0a\x03\x0a\x01\xff", field(1, field(1, b"x"))])
def test_a_graph_is_called_a_graph_only_if_it_is_one(tmp_path, data):
    (tmp_path / "data_spec.pb").write_bytes(data)
    assert "graph" not in problem_of(tmp_path / "data_spec.pb").problem


def test_only_a_file_named_as_a_checkpoint_may_be_damaged(tmp_path):
    noise = bytes(range(128, 256)) * 8
    for name, again in (("noise", False), ("notes.bin", False), ("model.h5", True), ("w.npz", True)):
        (tmp_path / name).write_bytes(noise)
        assert ("download it again" in problem_of(tmp_path / name).advice) is again


def test_a_prefix_with_nothing_but_a_graph_says_what_is_missing(tmp_path):
    shutil.copy(FIXTURES / "tf1-saver" / "model.ckpt-3.meta", tmp_path / "model.ckpt-3.meta")
    found = problem_of(tmp_path / "model.ckpt-3")
    assert "only the graph" in found.problem
    assert ".index and .data-" in found.advice


def test_a_pointer_in_place_of_a_saved_models_index_is_named(tmp_path):
    shutil.copytree(FIXTURES / "saved-model-keras", tmp_path / "m")
    (tmp_path / "m" / "variables" / "variables.index").write_text(POINTER)
    found = problem_of(tmp_path / "m")
    assert "Git LFS pointer" in found.problem
    assert "git lfs pull" in found.advice


def test_a_pointer_in_place_of_a_shard_is_named(tmp_path):
    shutil.copytree(FIXTURES / "safetensors", tmp_path, dirs_exist_ok=True)
    (tmp_path / "part-1-of-2.safetensors").write_text(POINTER)
    with ckptread.open(tmp_path / "model.safetensors.index.json") as reader:
        assert "Git LFS pointer" in reader.problems[0].message
        assert "git lfs pull" in reader.problems[0].advice


@pytest.mark.parametrize(
    ("data", "what"), [(b"\x81\xa6params\x80", "MessagePack"), (POINTER.encode(), "Git LFS pointer")]
)
def test_what_is_called_checkpoint_and_is_no_state_file_is_named(tmp_path, data, what):
    (tmp_path / "checkpoint").write_bytes(data)
    assert what in problem_of(tmp_path).problem
