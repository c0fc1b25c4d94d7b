"""What ``extract`` writes, skips and says: everything a person sees of it beside the values."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES
from tests.conftest import ARRAYS, write

TYPES = os.path.join(FIXTURES, "hdf5-types", "types.h5")


@pytest.fixture
def damaged(checkpoint):
    """A checkpoint of which one tensor, the second, has a wrong checksum."""
    with open(f"{checkpoint}.data-00000-of-00001", "r+b") as file:
        file.seek(9)
        file.write(b"\xff")
    return checkpoint


REST = sorted(set(ARRAYS) - {"dense/kernel"})


@pytest.mark.parametrize("conversion", [(), ("--dtype", "complex128")])
def test_a_tensor_that_cannot_be_read_is_skipped_and_the_rest_written(run, damaged, tmp_path, conversion):
    ran = run("extract", damaged, "**", "-o", tmp_path / "out", *conversion)
    assert ran.code == 2
    assert sorted(os.listdir(tmp_path / "out")) == [name.replace("/", ".") + ".npy" for name in REST]
    assert "dense/kernel was not written" in ran.err
    assert "checksum" in ran.err
    assert "not written: 1 tensor" in ran.err
    ran = run("extract", damaged, "**", "-o", tmp_path / "all.npz", *conversion)
    assert ran.code == 2
    assert "dense/kernel was not written" in ran.err
    with zipfile.ZipFile(tmp_path / "all.npz") as archive:
        assert archive.testzip() is None
    with np.load(tmp_path / "all.npz") as arrays:
        assert sorted(arrays.files) == REST
        for name in REST:
            np.testing.assert_array_equal(arrays[name], ARRAYS[name])


def test_what_is_skipped_leaves_no_bytes_in_the_archive(run, damaged, tmp_path):
    run("extract", damaged, "**", "-o", tmp_path / "all.npz")
    run("extract", damaged, *REST, "-o", tmp_path / "rest.npz")
    assert (tmp_path / "all.npz").read_bytes() == (tmp_path / "rest.npz").read_bytes()


def test_an_archive_that_would_be_empty_is_not_made(run, damaged, tmp_path):
    ran = run("extract", damaged, "dense/kernel", "-o", tmp_path / "all.npz")
    assert ran.code == 2
    assert "checksum" in ran.err
    assert not (tmp_path / "all.npz").exists()


def test_every_tensor_of_a_file_with_lists_is_written(run, tmp_path):
    ran = run("extract", TYPES, "**", "-o", tmp_path / "out")
    assert ran.code == 0
    with ckptread.open(TYPES) as reader:
        assert len(os.listdir(tmp_path / "out")) == len(reader)


def objects(path):
    """Write lists, references and records of them with h5py; return what each is without objects."""
    record = np.dtype([("x", "f4"), ("s", h5py.string_dtype()), ("r", h5py.ref_dtype), ("v", h5py.vlen_dtype("i2"))])
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(12.0).reshape(3, 4)
        lists = file.create_dataset("lists", (2, 2), h5py.vlen_dtype("i4"))
        lists[0, 0], lists[1, 1] = [1, 2, 3], [4]
        file.create_dataset("records", (2,), record)[0] = (1.5, "hi", file["a"].ref, np.array([7, 8]))
        regions = file.create_dataset("regions", (4,), h5py.regionref_dtype)
        regions[0], regions[1] = file["a"].regionref[0:2, 1:3], file["a"].regionref[[0, 2], 1]
        regions[2] = file["a"].regionref[...]
    return path


def test_lists_are_records_of_their_length_and_values(run, tmp_path):
    source = objects(tmp_path / "objects.h5")
    assert run("extract", source, "**", "-o", tmp_path / "all.npz").code == 0
    with np.load(tmp_path / "all.npz") as arrays, h5py.File(source) as file:
        lists = arrays["lists"]
        assert lists.dtype == [("length", "<i8"), ("values", "<i4", (3,))]
        for place, expected in np.ndenumerate(file["lists"][...]):
            length, values = lists[place]
            np.testing.assert_array_equal(values[:length], expected)
        first = arrays["records"][0]
        assert (first["x"], first["s"], first["r"]) == (1.5, b"hi", b"/a")
        assert first["v"]["values"][: first["v"]["length"]].tolist() == [7, 8]


def test_references_to_regions_are_written_as_slices_of_their_datasets(run, tmp_path):
    source = objects(tmp_path / "objects.h5")
    assert run("extract", source, "regions", "-o", tmp_path / "regions.npy").code == 0
    texts = [text.decode() for text in np.load(tmp_path / "regions.npy").tolist()]
    assert texts[0] == "/a[0:2, 1:3]"
    assert texts[2] in {"/a[...]", "/a[0:3, 0:4]"}
    assert texts[3] == ""
    with h5py.File(source) as file:  # a list of rows is a union of blocks
        rows = {(int(text.partition(":")[0]), 1) for text in texts[1].removeprefix("/a[").split(", [")}
        assert rows == {(0, 1), (2, 1)}
        assert file[file["regions"][1]][file["regions"][1]].ravel().tolist() == [1.0, 9.0]


def test_strings_that_end_in_zero_bytes_keep_them(run, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    strings = [b"a\0", b"bc\0\0", b""]
    tensorflow.train.Checkpoint(v=tensorflow.Variable(strings)).write(str(tmp_path / "c"))
    assert run("extract", tmp_path / "c", "v", "-o", tmp_path / "v.npy").code == 0
    found = np.load(tmp_path / "v.npy")
    assert [row["values"][: row["length"]].tobytes() for row in found] == strings


def test_a_file_in_the_way_ends_the_writing(run, checkpoint, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dense.kernel.npy").write_text("mine")
    ran = run("extract", checkpoint, "**", "-o", tmp_path / "out")
    assert (ran.code, (tmp_path / "out" / "dense.kernel.npy").read_text()) == (2, "mine")
    assert "the file exists" in ran.err


@pytest.mark.parametrize(
    ("folder", "opened", "own"),
    [
        ("keras3", "model.keras", "model.keras"),
        ("tf-object", "ckpt-1", "ckpt-1.index"),
        ("tf-shards", "model", "model.data-00001-of-00003"),
        ("keras3-shards", "model.weights.json", "model_00003.weights.h5"),
        ("safetensors", "model.safetensors.index.json", "part-2-of-2.safetensors"),
        ("saved-model-keras", ".", "saved_model.pb"),
        ("numpy", "deflated.npz", "deflated.npz"),
    ],
)
def test_a_file_of_the_checkpoint_is_never_replaced(run, tmp_path, folder, opened, own):
    source = shutil.copytree(os.path.join(FIXTURES, folder), tmp_path / "source")
    before = (source / own).read_bytes()
    (tmp_path / "link").symlink_to(source / own)
    with ckptread.open(source / opened) as reader:
        key = next(info.key for info in reader.tensors.values() if info.problem is None and info.dtype != "string")
    for target in (source / own, tmp_path / "link"):
        for command in (["extract", source / opened, key], ["extract", source / opened, key, "--slice", "..."]):
            ran = run(*command, "-o", target, "--force")
            assert ran.code == 2
            assert "of the checkpoint itself" in ran.err
        ran = run("diff", source / opened, source / opened, "--save-map", target, "--force")
        assert ran.code == 2
        assert "of the checkpoint itself" in ran.err
    assert (source / own).read_bytes() == before


def test_a_dtype_that_loses_values_says_how_many(run, tmp_path):
    values = np.arange(400, dtype="float32")
    np.savez(tmp_path / "s.npz", w=values, z=values[:4] + 1j, s=np.array([b"ab"]))
    ran = run("extract", tmp_path / "s.npz", "w", "--dtype", "int8", "-o", tmp_path / "w.npy")
    assert (ran.code, ran.err) == (0, "note: w: 272 of 400 values do not fit into int8\n")
    ran = run("extract", tmp_path / "s.npz", "w", "--dtype", "int16", "-o", tmp_path / "x.npy")
    assert (ran.code, ran.err) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), values.astype("int16"))
    ran = run("extract", tmp_path / "s.npz", "z", "--dtype", "float32", "-o", tmp_path / "z.npy")
    assert (ran.code, ran.err) == (0, "note: z: 4 of 4 values do not fit into float32\n")
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), values[:4])
    ran = run("extract", tmp_path / "s.npz", "s", "--dtype", "float32", "-o", tmp_path / "t.npy")
    assert ran.code == 2
    assert "cannot be written as" in ran.err


def test_raw_bits_and_another_dtype_are_not_both_given(run, checkpoint, tmp_path):
    ran = run("extract", checkpoint, "dense/kernel", "--raw", "--dtype", "int8", "-o", tmp_path / "k.npy")
    assert ran.code == 2
    assert "give one of them" in ran.err
    assert not (tmp_path / "k.npy").exists()


def test_several_tensors_do_not_go_into_one_npy_file(run, checkpoint, tmp_path):
    ran = run("extract", checkpoint, "dense", "-o", tmp_path / "x.npy")
    assert ran.code == 2
    assert "2 tensors match, and" in ran.err
    assert "x.npy is one file: give a folder or a .npz" in ran.err
    assert not (tmp_path / "x.npy").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_folder_is_one_whatever_its_name(run, checkpoint, tmp_path, name):
    (tmp_path / name).mkdir()
    assert run("extract", checkpoint, "dense/bias", "-o", tmp_path / name).code == 0
    assert run("extract", checkpoint, "dense/kernel", "head", "-o", f"{tmp_path / name}").code == 0
    assert run("extract", checkpoint, "global_step", "-o", f"{tmp_path / 'new.npy'}/").code == 0
    assert sorted(os.listdir(tmp_path / name)) == ["dense.bias.npy", "dense.kernel.npy", "head.kernel.npy"]
    assert os.listdir(tmp_path / "new.npy") == ["global_step.npy"]


def test_a_slice_goes_to_a_file_a_folder_or_an_archive(run, checkpoint, tmp_path):
    expected = ARRAYS["dense/kernel"][0, :1]
    for target, found in (("s.npy", "s.npy"), ("folder/", "folder/dense.kernel.npy")):
        ran = run("extract", checkpoint, "dense/kernel", "--slice", "0,:1", "-o", f"{tmp_path}/{target}")
        assert "dense/kernel  float32 (1,)  ->" in ran.out
        np.testing.assert_array_equal(np.load(tmp_path / found), expected)
    ran = run("extract", checkpoint, "dense/kernel", "--slice", "0,:1", "-o", tmp_path / "s.npz")
    assert "dense/kernel  float32 (1,)  ->" in ran.out
    with np.load(tmp_path / "s.npz") as arrays:
        np.testing.assert_array_equal(arrays["dense/kernel"], expected)


def test_dtypes_are_printed_as_a_listing_has_them(run, tmp_path):
    record = np.dtype([("a", "<i4"), ("b", "S3")])
    np.savez(tmp_path / "s.npz", text=np.array([b"abc"]), big=np.ones(2, ">f4"), record=np.zeros(1, record))
    for name, dtype in {"text": "|S3", "big": ">f4", "record": str(record)}.items():
        ran = run("extract", tmp_path / "s.npz", name, "-o", tmp_path / f"{name}.npy")
        assert f"{name}  {dtype} (" in ran.out
        assert np.load(tmp_path / f"{name}.npy").dtype == np.dtype(ast.literal_eval(dtype) if "[" in dtype else dtype)


def test_errors_name_the_file_and_the_variable(run, tmp_path):
    path = os.path.join(FIXTURES, "keras3", "model.weights.h5")
    with ckptread.open(path) as reader:
        info = next(info for info in reader.tensors.values() if info.variable not in {None, info.key})
    for option, said in ((["--dtype", "object"], "values of float32 cannot"), (["--slice", "0,0,0,0,0"], "the slice")):
        ran = run("extract", path, info.key, *option, "-o", tmp_path / "x.npy")
        assert ran.code == 2
        assert f"{path}: '{info.variable}': {said}" in ran.err


def test_names_in_an_archive_keep_letters_and_never_lead_out_of_it(run, tmp_path):
    names = {"größe/ü": "größe/ü", "日本/語": "日本/語", "/abs": "abs", "a/../b": "a/b", "c\x1b[2J\n": "c_2J_",
             "e\u202e\ufefff": "e_f", "..\\g": "_g", "C:h": "C_h"}  # fmt: skip
    prefix = write(tmp_path / "n", {name: np.array([n], "float32") for n, name in enumerate(names)})
    assert run("extract", prefix, "**", "-o", tmp_path / "x.npz").code == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert {name: int(arrays[name][0]) for name in arrays.files} == {
            member: n for n, member in enumerate(names.values())
        }
    assert run("extract", prefix, "**", "-o", tmp_path / "folder").code == 0
    assert all(name.isascii() for name in os.listdir(tmp_path / "folder"))


@pytest.mark.parametrize("name", ["x.safetensors", "x.h5", "x.csv", "x.png", "x.NPY", "a.npz.bak"])
@pytest.mark.parametrize("tensors", ["dense/kernel", "dense"])
def test_an_ending_that_is_not_written_is_refused(run, checkpoint, tmp_path, name, tensors):
    ran = run("extract", checkpoint, tensors, "-o", tmp_path / name)
    ending = os.path.splitext(name)[1]
    assert (ran.code, ran.out) == (2, "")
    assert f"{name}: a {ending} file cannot be written: name a .npy or .npz file, or a folder/" in ran.err
    assert not (tmp_path / name).exists()
    assert run("extract", checkpoint, tensors, "-o", f"{tmp_path / name}/").code == 0
    assert (tmp_path / name).is_dir()


def test_a_number_behind_a_point_is_no_ending(run, checkpoint, tmp_path):
    assert run("extract", checkpoint, "dense/kernel", "-o", tmp_path / "kernel-1.5").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "kernel-1.5"), ARRAYS["dense/kernel"])
    assert run("extract", checkpoint, "dense", "-o", tmp_path / "step-2.5").code == 0
    assert sorted(os.listdir(tmp_path / "step-2.5")) == ["dense.bias.npy", "dense.kernel.npy"]


def test_a_glob_leaves_object_graphs_out_unless_it_matches_nothing_else(run, tmp_path):
    model = os.path.join(FIXTURES, "saved-model-keras")
    ran = run("extract", model, "**", "-o", tmp_path / "out")
    assert (ran.code, ran.err) == (0, "")
    assert "_CHECKPOINTABLE_OBJECT_GRAPH.npy" not in os.listdir(tmp_path / "out")
    assert run("extract", model, "_CHECK*", "-o", tmp_path / "graph").code == 0
    assert os.listdir(tmp_path / "graph") == ["_CHECKPOINTABLE_OBJECT_GRAPH.npy"]


def test_an_object_graph_that_ends_in_a_zero_byte_is_written_as_void(run, tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    model, key = os.path.join(FIXTURES, "saved-model-keras"), "_CHECKPOINTABLE_OBJECT_GRAPH"
    expected = tensorflow.train.load_checkpoint(os.path.join(model, "variables", "variables")).get_tensor(key)
    assert expected.endswith(b"\0")
    assert run("extract", model, key, "-o", tmp_path / "graph.npy").code == 0
    found = np.load(tmp_path / "graph.npy")
    assert (found.dtype.kind, found.tobytes()) == ("V", expected)


@pytest.mark.parametrize("output", [(), ("-o", "-"), ("-o", "one.npy")])
def test_a_glob_always_means_several(run, checkpoint, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    ran = run("extract", checkpoint, "head/*", *output)
    assert (ran.code, ran.out) == (2, "")
    assert "a pattern can match several tensors" in ran.err
    assert run("extract", checkpoint, "head/*", "-o", "out").code == 0
    assert os.listdir(tmp_path / "out") == ["head.kernel.npy"]
    assert run("extract", checkpoint, "head/kernel", "-o", "plain").code == 0
    assert (tmp_path / "plain").is_file()


def test_binary_output_to_a_terminal_is_refused(checkpoint):
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "ckptread", "extract", checkpoint, "dense/kernel", "-o", "-"]
    ran = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 2
    assert b"terminal" in ran.stderr
    assert b"\x93NUMPY" not in ran.stderr
    os.close(end)
    os.close(terminal)


def test_references_are_written_as_the_paths_of_their_objects(run, tmp_path):
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["a/b"] = np.arange(3.0)
        objects = [file["a/b"], file["a"], file]
        file["refs"] = np.array([*(each.ref for each in objects), h5py.Reference()], dtype=h5py.ref_dtype)
        expected = [each.name.encode() for each in objects] + [b""]
    assert run("extract", tmp_path / "r.h5", "**", "-o", tmp_path / "out").code == 0
    assert np.load(tmp_path / "out" / "refs.npy").tolist() == expected


def test_raw_bits_are_viewed_as_the_note_says(run, tmp_path):
    import ml_dtypes

    path = FIXTURES / "keras3-bfloat16" / "half.weights.h5"
    ran = run("extract", path, "half/kernel", "--raw", "-o", tmp_path / "k.npy")
    assert ".view(ml_dtypes.bfloat16) has the values" in ran.err.replace("\n    ", " ")
    with ckptread.open(path) as reader:
        np.testing.assert_array_equal(
            np.load(tmp_path / "k.npy").view(ml_dtypes.bfloat16), reader["half/kernel"].read()
        )
