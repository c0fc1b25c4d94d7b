"""Whatever of a checkpoint users have at hand leads to it, and what is none is named, with what to do."""

import json
import pickle
import shutil
import struct
import tarfile

import pytest

import ckptread
from tests.conformance.cases import FIXTURES
from tests.conftest import ARRAYS, write

OBJECT = FIXTURES / "tf-object"


@pytest.fixture
def training(tmp_path):
    """A folder that a training run left, of two steps."""
    folder = tmp_path / "run"
    shutil.copytree(OBJECT, folder)
    return folder


@pytest.mark.parametrize("given", ["ckpt-1", "ckpt-1.index", "ckpt-1.data-00000-of-00001"])
def test_any_part_of_a_tensorflow_checkpoint_will_do(training, given):
    found = ckptread.locate(str(training / given))
    assert (found.path, found.format.name) == (str(training / "ckpt-1"), "tf-bundle")


@pytest.mark.parametrize("given", ["", "checkpoint"])
def test_the_folder_and_the_state_file_mean_the_latest_step(training, given):
    with ckptread.open(training / given) as reader:
        assert reader.path == str(training / "ckpt-2")
        assert "the latest of 2" in reader.metadata["opened"]


def test_without_a_state_file_the_highest_step_is_the_latest(training):
    (training / "checkpoint").unlink()
    for part in training.glob("ckpt-1.*"):
        shutil.copy(part, training / part.name.replace("ckpt-1", "ckpt-10"))
    found = ckptread.locate(str(training))
    assert found.path == str(training / "ckpt-10")
    assert "the highest step of 3" in found.note


def test_a_dead_absolute_path_leads_to_its_namesake(training):
    (training / "checkpoint").write_text('model_checkpoint_path: "/gone/elsewhere/ckpt-1"\n')
    found = ckptread.locate(str(training))
    assert found.path == str(training / "ckpt-1")
    assert "/gone/elsewhere/ckpt-1" in found.note


def test_a_state_file_never_leads_out_of_its_folder(training, tmp_path):
    shutil.copytree(OBJECT, tmp_path / "other")
    (training / "checkpoint").write_text('model_checkpoint_path: "../other/ckpt-9"\n')
    with pytest.raises(ckptread.UnsafeFileError, match="outside its folder"):
        ckptread.open(training)
    (training / "checkpoint").write_text(f'model_checkpoint_path: "{tmp_path}/other/ckpt-1"\n')
    assert ckptread.locate(str(training)).path == str(training / "ckpt-1")


def test_a_prefix_may_end_as_a_file_does():
    folder = FIXTURES / "tf-dot-ckpt"
    prefixes = json.loads((folder / "expected.json").read_text())["checkpoints"]
    for prefix in prefixes:
        assert ckptread.locate(str(folder / prefix)).format.name == "tf-bundle"


def test_one_file_of_a_sharded_v1_checkpoint_means_all_of_it():
    folder = FIXTURES / "tf-v1-sharded"
    files = [p for p in folder.iterdir() if "-of-" in p.name]
    assert len(files) > 1
    wanted = set(json.loads((folder / "expected.json").read_text())["checkpoints"].popitem()[1]["tensors"])
    for file in files:
        with ckptread.open(file) as reader:
            assert set(reader.tensors) == wanted


@pytest.mark.parametrize(("folder", "name"), [("safetensors", "safetensors-shards"), ("keras3-shards", "keras-shards")])
def test_a_folder_of_shards_means_their_index(tmp_path, folder, name):
    files = [p for p in (FIXTURES / folder).iterdir() if p.name != "model.safetensors"]
    for file in files:
        shutil.copy(file, tmp_path)
    found = ckptread.locate(str(tmp_path))
    assert found.format.name == name
    assert "the index of the shards" in found.note


def test_a_folder_with_one_checkpoint_means_it_and_with_several_none(tmp_path):
    shutil.copy(FIXTURES / "keras3" / "model.keras", tmp_path)
    (tmp_path / "notes.txt").write_text("of the run")
    assert ckptread.locate(str(tmp_path)).path == str(tmp_path / "model.keras")
    shutil.copy(FIXTURES / "keras3" / "legacy.h5", tmp_path)
    with pytest.raises(ckptread.UnknownFormatError, match=r"2 checkpoints. Name one: legacy\.h5, model\.keras"):
        ckptread.locate(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "name", "format_name"),
    [
        ("keras3/model.keras", "model.h5", "keras"),
        ("keras3/legacy.h5", "model.keras", "hdf5"),
        ("keras3/model.weights.h5", "weights.npz", "hdf5"),
        ("numpy/stored.npz", "weights.h5", "npz"),
        ("numpy/alone.npy", "array.keras", "npy"),
        ("tf-v1/model.ckpt", "model.h5", "tf-v1"),
        ("safetensors/model.safetensors", "model.bin", "safetensors"),
    ],
)
def test_files_are_told_by_their_bytes(tmp_path, source, name, format_name):
    shutil.copy(FIXTURES / source, tmp_path / name)
    with ckptread.open(tmp_path / name) as reader, ckptread.open(FIXTURES / source) as original:
        assert reader.format == format_name
        assert len(reader.tensors) == len(original.tensors) > 0


def tar(path):
    with tarfile.open(path, "w") as archive:
        archive.add(FIXTURES / "README.md", "README.md")


MISTAKES = {
    "model.ckpt.meta": (lambda p: shutil.copy(FIXTURES / "tf1-saver" / "model.ckpt-3.meta", p), "graph", "prefix"),
    "lfs.keras": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
        "Git LFS pointer",
        "git lfs pull",
    ),
    "page.h5": (lambda p: p.write_text("<!DOCTYPE html>\n<html>404</html>"), "web page", "download"),
    "frozen.pb": (
        lambda p: p.write_bytes(b"\x0a\x1d\x0a\x05input\x12\x0bPlaceholder" + b"\x2a\x05\x0a\x01x" * 2),
        "TensorFlow graph",
        "SavedModel",
    ),
    "weights.pkl": (lambda p: p.write_bytes(pickle.dumps({"a": 1}, 4)), "pickle", "never loaded"),
    "model.json": (
        lambda p: p.write_text(json.dumps({"class_name": "Sequential", "config": {}})),
        "architecture",
        "weights.h5",
    ),
    "model.weights.json": (lambda p: p.write_text(json.dumps({"config": {}, "class_name": "A"})), "architecture", ""),
    "empty.h5": (lambda p: p.write_bytes(b""), "empty file", "again"),
    "model.tflite": (lambda p: p.write_bytes(struct.pack("<I", 28) + b"TFL3" + bytes(40)), "TensorFlow Lite", ""),
    "model.tar": (tar, "tar archive", "unpack"),
    "model.gz": (lambda p: p.write_bytes(b"\x1f\x8b\x08" + bytes(30)), "gzip", "gunzip"),
    "notes": (lambda p: p.write_text("dear diary"), "text file", ""),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_what_to_do(run, tmp_path, name):
    make, what, advice = MISTAKES[name]
    make(tmp_path / name)
    with pytest.raises(ckptread.UnknownFormatError) as raised:
        ckptread.open(tmp_path / name)
    assert what in raised.value.problem
    assert advice in raised.value.advice
    ran = run("inspect", tmp_path / name)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1


def test_what_is_nothing_known_says_so(tmp_path):
    (tmp_path / "noise").write_bytes(bytes(range(128, 256)) * 8)
    with pytest.raises(ckptread.UnknownFormatError, match="not those of any known checkpoint format"):
        ckptread.open(tmp_path / "noise")


def test_a_missing_path_suggests_its_neighbours(training):
    with pytest.raises(ckptread.CheckpointError, match=r"Did you mean .*ckpt-"):
        ckptread.open(training / "ckpt-3")
    with pytest.raises(ckptread.CheckpointError, match="There is no folder"):
        ckptread.open(training / "no" / "ckpt-3")


@pytest.mark.parametrize("given", ["model.data-00009-of-00003", "model.data-00000-of-00001"])
def test_a_shard_that_is_not_there_is_not_taken_for_another(given):
    with pytest.raises(ckptread.CheckpointError, match=r"there is no such shard. The checkpoint is .*tf-shards/model"):
        ckptread.open(FIXTURES / "tf-shards" / given)


def test_a_missing_index_is_named(training):
    (training / "ckpt-1.index").unlink()
    for given in ("ckpt-1", "ckpt-1.data-00000-of-00001"):
        with pytest.raises(ckptread.CheckpointError, match=r"ckpt-1\.index is missing"):
            ckptread.open(training / given)


def test_a_saved_model_is_its_folder_and_says_when_it_has_no_variables(run):
    with ckptread.open(FIXTURES / "saved-model-keras") as reader:
        assert reader.format == "saved-model"
    ran = run("inspect", FIXTURES / "saved-model-empty")
    assert ran.code == 0
    assert "no variables" in ran.out + ran.err
    with pytest.raises(ckptread.UnknownFormatError, match="Give the folder"):
        ckptread.open(FIXTURES / "saved-model-keras" / "saved_model.pb")


@pytest.fixture
def steps(tmp_path):
    """A folder with ckpt-2 and ckpt-3."""
    for step in (2, 3):
        write(tmp_path / f"ckpt-{step}", ARRAYS)
    return tmp_path


def test_a_state_file_written_on_windows_is_followed(steps):
    (steps / "checkpoint").write_text('model_checkpoint_path: "C:\\\\Users\\\\me\\\\run\\\\ckpt-2"\n')
    found = ckptread.locate(str(steps))
    assert found.path == str(steps / "ckpt-2")
    assert "'C:\\Users\\me\\run\\ckpt-2' is not here" in found.note


def test_a_stale_state_file_names_what_is_there(steps):
    (steps / "checkpoint").write_text('model_checkpoint_path: "ckpt-9"\n')
    with pytest.raises(ckptread.CheckpointError, match=r"'ckpt-9'.* Give one that is here: ckpt-2, ckpt-3") as raised:
        ckptread.open(steps)
    assert "ownload" not in raised.value.advice


def test_a_folder_with_nothing_but_data_names_the_missing_indexes(steps):
    for step in (2, 3):
        (steps / f"ckpt-{step}.index").unlink()
    with pytest.raises(ckptread.CheckpointError, match=r"Download ckpt-2\.index and ckpt-3\.index too"):
        ckptread.open(steps)


def test_the_only_saved_model_of_an_export_is_opened_and_of_several_none(tmp_path):
    shutil.copytree(FIXTURES / "saved-model-keras", tmp_path / "1795613670")
    found = ckptread.locate(str(tmp_path))
    assert found.path == str(tmp_path / "1795613670")
    assert "the only checkpoint in" in found.note
    shutil.copytree(FIXTURES / "saved-model-keras", tmp_path / "1795613999")
    with pytest.raises(ckptread.UnknownFormatError, match=r"2 checkpoints. Name one: 1795613670, 1795613999"):
        ckptread.open(tmp_path)


@pytest.mark.parametrize("file", ["saved_model.pb", "keras_metadata.pb", "variables/variables.index"])
def test_links_out_of_a_saved_model_are_refused(tmp_path, file):
    folder, outside = tmp_path / "model", tmp_path / "outside"
    (folder / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "keras_metadata.pb"):
        (folder / name).write_bytes(b"")
    outside.write_bytes(b"")
    (folder / file).unlink(missing_ok=True)
    (folder / file).symlink_to(outside)
    with pytest.raises(ckptread.UnsafeFileError, match=f"{file} is a link out of the folder"):
        ckptread.open(folder)
