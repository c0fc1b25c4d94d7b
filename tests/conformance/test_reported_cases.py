"""Real checkpoints in which something was reported: all that the library that wrote them says of them holds here."""

import json

import h5py
import numpy as np
import pytest

import ckptread
from fixtures.make.expectations import digest
from tests.conformance.cases import REPORTED, REPORTED_CASES, each

NO_CHECKPOINTS = {
    "meta-only/kmeans": "only the graph of this checkpoint (.meta) is here",
    "meta-only/kmeans.meta": "the graph of a TensorFlow checkpoint (.meta)",
    "other-formats/model.tflite": "a TensorFlow Lite model",
    "other-formats/test.onnx": "an ONNX model",
    "other-mat5/v4-double.mat": "a MATLAB file of version 4",
    "other-mat5/v6-simple.mat": "a MATLAB file of version 5 to 7",
    "other-netcdf3/ubyte.nc": "a classic netCDF file",
}
READ_BY_NUMPY = {"other-tfjs"}
"""Read here with numpy alone: the library that wrote it is not installed."""
UNKNOWN = "?"
"""The dtype where h5py has none, or cannot read the values."""
needs_reported = pytest.mark.skipif(not REPORTED.is_dir(), reason="the folder ../shared/findings is absent")


@each(REPORTED_CASES)
def test_keys_shapes_dtypes_and_values_are_those_of_the_library(case):
    with ckptread.open(case.path) as reader:
        others = [reader.tensors[key] for key in reader.tensors.keys() - case.tensors.keys()]
        assert [info.key for info in others if info.alias_of is None] == []
        for key, expected in case.tensors.items():
            info = reader.tensors[key]
            assert info.shape == (expected["shape"] if expected["shape"] is None else tuple(expected["shape"])), key
            if expected["dtype"] == UNKNOWN:
                assert info.problem, key
                continue
            assert (info.dtype, info.problem) == (expected["dtype"], None), key
            if expected["sha256"] is not None:
                assert digest(reader.read(key), info.dtype).removeprefix("raw:") == expected["sha256"], key


OBJECTS = [case for case in REPORTED_CASES if any(t.get("values") == "library" for t in case.tensors.values())]


@each([case for case in OBJECTS if case.format == "hdf5"])
def test_strings_lists_and_references_are_those_of_h5py(case):
    with ckptread.open(case.path) as reader, h5py.File(case.path) as file:
        for key, expected in case.tensors.items():
            if expected.get("values") == "library":
                assert alike(file, reader.read(key), file[key][()]), key


def alike(file, ours, theirs):
    if isinstance(theirs, h5py.Reference):
        return ours.null if not theirs else file["/" + ours.path] == file[theirs]
    if isinstance(theirs, (bytes, str)):
        return ours == (theirs.encode() if isinstance(theirs, str) else theirs)
    if not theirs.dtype.hasobject:
        return np.array_equal(ours, theirs)
    if theirs.dtype.names is not None:
        return all(alike(file, ours[name], theirs[name]) for name in theirs.dtype.names)
    if ours.shape != theirs.shape:
        return False
    return all(alike(file, *pair) for pair in zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))


@each([case for case in OBJECTS if case.by_tensorflow])
def test_strings_are_those_of_tensorflow(case):
    tensorflow = pytest.importorskip("tensorflow")
    reference = tensorflow.train.load_checkpoint(case.path)
    with ckptread.open(case.path) as reader:
        for key, expected in case.tensors.items():
            if expected.get("values") == "library":
                # TensorFlow gives a scalar as bytes, and numpy's arrays of them lose trailing NULs
                assert bytes(reader.read(key)[()]).rstrip(b"\0") == bytes(reference.get_tensor(key)).rstrip(b"\0")


@each([case for case in REPORTED_CASES if case.keras is not None])
def test_names_flags_and_counts_are_those_of_keras(case):
    with ckptread.open(case.path) as reader:
        weights = [info for info in reader.tensors.values() if info.role == "model" and not info.repeats]
        found = {info.name: [list(info.shape), info.trainable] for info in weights}
        assert found == {full_name(case, name, weights): each for name, *each in case.keras["weights"]}
        assert len(weights) == len(case.keras["weights"])
        assert ckptread.summarize(reader).totals.model.parameters == case.keras["count_params"]


def full_name(case, name, weights):
    """Return the name with the nested model in front of it, which tf_keras leaves out."""
    if case.keras["by"] != "tf_keras":
        return name
    [found] = [info.name for info in weights if info.name == name or info.name.endswith(f"/{name}")]
    return found


@needs_reported
@pytest.mark.parametrize("name", ["", "model.json", "group1-shard1of1.bin"])
def test_the_weights_of_tensorflow_js_are_those_of_its_manifest(name):
    folder = REPORTED / "other-tfjs"
    [group] = json.loads((folder / "model.json").read_text())["weightsManifest"]
    data, at = (folder / group["paths"][0]).read_bytes(), 0
    with ckptread.open(folder / name) as reader:
        for weight in group["weights"]:
            count = int(np.prod(weight["shape"]))
            expected = np.frombuffer(data, weight["dtype"], count, at).reshape(weight["shape"])
            assert np.array_equal(reader[weight["name"]], expected), weight["name"]
            at += expected.nbytes
        assert (len(reader), at) == (len(group["weights"]), len(data))


@needs_reported
@pytest.mark.parametrize("name", NO_CHECKPOINTS)
def test_what_is_no_checkpoint_is_named(name):
    with pytest.raises(ckptread.CheckpointError) as error:
        ckptread.open(REPORTED / name)
    assert NO_CHECKPOINTS[name] in str(error.value)
    assert "ownload it again" not in str(error.value)


@needs_reported
def test_every_folder_of_them_is_tried():
    tried = (
        {case.folder.name for case in REPORTED_CASES} | {name.split("/")[0] for name in NO_CHECKPOINTS} | READ_BY_NUMPY
    )
    assert tried == {folder.name for folder in REPORTED.iterdir() if folder.is_dir()}
