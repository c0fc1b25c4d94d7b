"""Models of TensorFlow.js: files of weights that are joined, quantized values, and manifests with something wrong."""

import json
import shutil

import numpy as np
import pytest

import ckptread
from ckptread.formats.tensorflowjs.shards import USUAL_BYTES, expected_sizes
from ckptread.testing.damage import assert_equal_where_read, changed, contents, read_again
from tests.conformance.cases import FIXTURES

FIXTURE = FIXTURES / "tensorflowjs"
KERNEL, BIAS = np.arange(6, dtype="f4").reshape(2, 3), np.arange(3, dtype="i4")


def weight(name, array, **more):
    return {"name": name, "shape": list(array.shape), "dtype": str(array.dtype), **more}


def write(folder, groups, data=None, **more):
    """Write a model.json with these groups of paths and weights, and files by name; return its path."""
    for name, content in (data or {}).items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(content)
    manifest = [{"paths": paths, "weights": weights} for paths, weights in groups]
    (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest, **more}))
    return folder / "model.json"


def write_one(folder, array, data, **more):
    return write(folder, [(["w.bin"], [weight("w", array, **more)])], {"w.bin": data})


def codes(reader):
    return [finding.code for finding in reader.problems]


@pytest.fixture
def model(tmp_path):
    """A copy of the layers model, whose weights are in three files of 100 bytes and less."""
    shutil.copytree(FIXTURE / "layers", tmp_path / "layers")
    return tmp_path / "layers"


@pytest.mark.parametrize("name", ["", "model.json", "group1-shard2of3.bin"])
def test_the_folder_the_json_file_and_a_file_of_weights_open_the_model(name):
    with ckptread.open(FIXTURE / "layers" / name) as reader:
        assert (reader.format, reader.path) == ("tensorflowjs", str(FIXTURE / "layers" / "model.json"))


def test_a_file_of_any_name_opens_the_model_that_names_it(tmp_path):
    write_one(tmp_path, KERNEL, KERNEL.tobytes())
    with ckptread.open(tmp_path / "w.bin") as reader:
        assert np.array_equal(reader["w"], KERNEL)


def test_a_weight_in_one_file_has_an_extent_and_one_in_two_files_has_none():
    with ckptread.open(FIXTURE / "layers") as reader:
        extent = reader.tensors["norm/gamma"].extent
        with open(extent.file, "rb") as file:
            file.seek(extent.offset)
            assert file.read(extent.nbytes) == np.asarray(reader["norm/gamma"]).tobytes()
        assert reader.tensors["norm/moving_mean"].extent is None
        assert reader.describe_storage("norm/moving_mean") == {"files": "2"}
        runs = [region for region in reader.regions() if region.key == "norm/moving_mean"]
        assert [region.nbytes for region in runs] == [4, 12]


def test_a_layers_model_has_layers_roles_flags_and_its_config():
    with ckptread.open(FIXTURE / "layers") as reader:
        found = {key: (info.layer, info.role, info.trainable) for key, info in reader.tensors.items()}
        assert [layer.class_name for layer in reader.model.layers] == ["Dense", "BatchNormalization", "Dense"]
        assert reader.model.keras_version == "2.15.0"
    assert found["dense/kernel"] == ("dense", "model", False)  # its layer is frozen
    assert found["norm/gamma"] == ("norm", "model", True)
    assert found["norm/moving_mean"] == ("norm", "model", False)
    assert found["Adam/m/dense/kernel"] == (None, "optimizer", None)


def dense(name, **config):
    return {"class_name": "Dense", "config": {"name": name, "units": 3, "use_bias": True, **config}}


def test_layers_are_found_behind_the_models_name_and_in_models_inside_it(tmp_path):
    inner = {"class_name": "Functional", "config": {"name": "inner", "trainable": False, "layers": [dense("a/b")]}}
    twice = [{"class_name": "Functional", "config": {"name": n, "layers": [dense("same")]}} for n in ("one", "two")]
    config = {"class_name": "Functional", "config": {"name": "m", "layers": [dense("top"), inner, *twice]}}
    names = ["m/top/kernel", "a/b/bias", "inner/a/b/kernel", "same/kernel", "unknown/kernel", "kernel"]
    path = write(tmp_path, [(["w"], [weight(name, BIAS) for name in names])], {"w": bytes(72)}, modelTopology=config)
    with ckptread.open(path) as reader:
        found = [(info.layer, info.trainable) for info in reader.tensors.values()]
        assert {info.role for info in reader.tensors.values()} == {"model"}
    unknown = [(None, None)] * 3
    assert found == [("top", None), ("a/b", False), ("a/b", False), *unknown]


def test_the_names_match_those_of_the_same_model_in_another_format(tmp_path):
    with ckptread.open(FIXTURE / "layers") as reader:
        np.savez(tmp_path / "same.npz", **{key: np.asarray(tensor) for key, tensor in reader.items()})
    assert ckptread.diff(FIXTURE / "layers", tmp_path / "same.npz").same


@pytest.mark.parametrize(("dtype", "scale", "low"), [("uint8", 0.1, -3.0), ("uint16", 1e-4, 2), ("uint8", 1e38, 0)])
def test_quantized_values_are_computed_in_64_bits_and_rounded_once(tmp_path, dtype, scale, low):
    stored = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    about = {"quantization": {"dtype": dtype, "scale": scale, "min": low}}
    path = write_one(tmp_path, np.zeros(len(stored), "f4"), stored.tobytes(), **about)
    with np.errstate(over="ignore"):
        expected = (stored.astype(np.float64) * scale + low).astype(np.float32)
    with ckptread.open(path) as reader:
        info = reader.tensors["w"]
        assert (info.dtype, info.extent, info.nbytes) == ("float32", None, 4 * len(stored))
        assert np.array_equal(reader["w"], expected)
        assert np.array_equal(reader["w"][7:200:3], expected[7:200:3])
        assert reader.metadata["quantized"] == dtype
        assert reader.describe_storage("w")["quantized"].startswith(dtype)


def test_quantized_integers_are_rounded_half_up_as_in_javascript(tmp_path):
    about = {"quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0}}
    path = write_one(tmp_path, np.zeros(6, "i4"), bytes(range(6)), **about)
    with ckptread.open(path) as reader:
        assert np.asarray(reader["w"]).tolist() == [-1, 0, 0, 1, 1, 2]  # -0.5 and 0.5 go up


@pytest.mark.parametrize(
    ("dtype", "quantization"),
    [
        ("float32", {"dtype": "uint8"}),
        ("float32", {"dtype": "uint8", "scale": 10**400, "min": 0}),
        ("float32", {"dtype": "uint8", "scale": True, "min": 0}),
        ("float32", {"dtype": "int4", "scale": 1, "min": 0}),
        ("int32", {"dtype": "float16"}),
        ("bool", {"dtype": "uint8", "scale": 1, "min": 0}),
        ("float32", []),
    ],
)
def test_a_quantization_that_the_format_does_not_have_is_the_problem_of_its_weight(tmp_path, dtype, quantization):
    path = write_one(tmp_path, np.zeros(2, dtype), bytes(8), quantization=quantization)
    with ckptread.open(path) as reader:
        assert reader.tensors["w"].problem
        assert reader.tensors["w"].unsupported


def test_weights_behind_one_of_unknown_dtype_have_no_known_place(tmp_path):
    weights = [weight("b", BIAS), {**weight("x", BIAS), "dtype": "int4"}, weight("k", KERNEL)]
    with ckptread.open(write(tmp_path, [(["w.bin"], weights)], {"w.bin": bytes(60)})) as reader:
        assert [info.problem is None for info in reader.tensors.values()] == [True, False, False]
        assert "int4" in reader.tensors["x"].problem
        assert "place is unknown" in reader.tensors["k"].problem


def test_strings_have_their_lengths_before_them(tmp_path):
    strings = [b"", b"\xff\0", b"x" * 70_000, "ü".encode()]
    data = b"".join(len(each).to_bytes(4, "little") + each for each in strings)
    weights = [{"name": "s", "shape": [2, 2], "dtype": "string"}, weight("k", KERNEL)]
    path = write(tmp_path, [(["a", "b"], weights)], {"a": data[:9], "b": data[9:] + KERNEL.tobytes()})
    with ckptread.open(path) as reader:
        assert np.asarray(reader["s"]).tolist() == [strings[:2], strings[2:]]
        assert reader["s"][1, ::-1].tolist() == strings[:1:-1]
        assert np.array_equal(reader["k"], KERNEL)


@pytest.mark.parametrize("data", [b"", b"\5\0\0\0abcd", b"\xff\xff\xff\xff", b"\1\0\0\0a\1\0"])
def test_strings_that_end_early_are_a_problem(tmp_path, data):
    path = write(tmp_path, [(["w.bin"], [{"name": "s", "shape": [2], "dtype": "string"}])], {"w.bin": data})
    with ckptread.open(path) as reader:
        assert reader.tensors["s"].problem


def test_more_strings_than_any_vocabulary_has_are_refused(tmp_path):
    path = write(tmp_path, [(["w.bin"], [{"name": "s", "shape": [10**9], "dtype": "string"}])], {"w.bin": bytes(8)})
    with pytest.raises(ckptread.UnsafeFileError, match="strings"):
        ckptread.open(path)


def test_a_missing_file_takes_only_its_own_weights(model):
    with ckptread.open(model) as reader:
        before = {key: np.asarray(tensor) for key, tensor in reader.items()}
    (model / "group1-shard2of3.bin").unlink()
    with ckptread.open(model) as reader:
        lost = [key for key, info in reader.tensors.items() if info.problem]
        assert codes(reader) == ["shard-missing"]
        assert lost == [key for key in before if key.startswith(("norm/moving", "top", "Adam"))]
        assert all(np.array_equal(reader[key], before[key]) for key in before.keys() - set(lost))


def write_uniform(folder):
    """Write four weights in four files of equal size, the last one shorter; return the arrays."""
    arrays = {
        name: np.full(count, value, "f4") for value, (name, count) in enumerate(zip("abcd", (5, 5, 5, 3), strict=True))
    }
    files = {f"{name}.bin": array.tobytes() for name, array in arrays.items()}
    write(folder, [(list(files), [weight(name, array) for name, array in arrays.items()])], files)
    return arrays


@pytest.mark.parametrize("name", "abcd")
@pytest.mark.parametrize("left", [None, 0, 8])
def test_a_missing_or_truncated_file_leaves_the_others_in_their_places(tmp_path, name, left):
    arrays = write_uniform(tmp_path)
    file = tmp_path / f"{name}.bin"
    file.unlink() if left is None else file.write_bytes(file.read_bytes()[:left])
    with ckptread.open(tmp_path / "model.json") as reader:
        assert codes(reader) == {None: ["shard-missing"], 0: ["tfjs-shard-size", "damaged"]}.get(
            left, ["tfjs-shard-size"]
        )
        assert [key for key, info in reader.tensors.items() if info.problem] == [name]
        assert all(np.array_equal(reader[key], arrays[key]) for key in arrays.keys() - {name})


@pytest.mark.parametrize(
    ("found", "total", "expected"),
    [
        ([7], 9, [9]),
        ([4, 4, 2], 10, [4, 4, 2]),
        ([4, 4, 2], None, [4, 4, 2]),
        ([4, None, 4, None], 14, [4, 4, 4, 2]),
        ([3, 1], 5, [3, None]),  # either of the two may be truncated
        ([None, 1], 5, [4, 1]),
        ([None, None], 5, [None, None]),
        ([4, 5, 4, 1], 13, [4, None, None, None]),
        ([4, 4, 9], 10, [4, 4, 2]),
        ([4, None, 4, None], None, [4, 4, 4, None]),
        ([0, 4, 2], None, [0, 4, 2]),
        ([USUAL_BYTES, 1], USUAL_BYTES + 3, [USUAL_BYTES, 3]),
    ],
)
def test_how_much_belongs_into_a_file_is_deduced_only_where_it_is_certain(found, total, expected):
    assert expected_sizes(found, total) == expected


@pytest.mark.parametrize("name", ["graph/model.json", "layers/model.json", "quantized/weights_manifest.json"])
def test_a_truncated_or_missing_file_of_weights_gives_the_values_that_were_there(tmp_path, name):
    shutil.copytree(FIXTURE, tmp_path / "models")
    path = tmp_path / "models" / name
    with ckptread.open(path) as reader:
        before = contents(reader)
    for file in path.parent.glob("*.bin"):
        for cut in range(0, file.stat().st_size, 3):
            with changed(file, file.read_bytes()[:cut]):
                after = read_again(lambda: ckptread.open(path))
                assert_equal_where_read(before, after, (file.name, cut))
                assert any(values is None for _, _, values in after.values())


def test_bytes_behind_the_last_weight_are_a_warning(tmp_path):
    with ckptread.open(write_one(tmp_path, BIAS, BIAS.tobytes() + b"more")) as reader:
        assert codes(reader) == ["tfjs-shard-size"]
        assert reader.problems[0].severity == "warning"
        assert np.array_equal(reader["w"], BIAS)


def test_a_pointer_in_place_of_the_weights_is_named(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    with ckptread.open(write_one(tmp_path, np.zeros(99, "f4"), pointer)) as reader:
        assert any("Git LFS pointer" in finding.message for finding in reader.problems)


@pytest.mark.parametrize("path", ["../w.bin", "/etc/hostname", "a/../../w", "C:w", "a\\w", "", "https://x/w", "."])
def test_a_path_out_of_the_folder_is_refused(tmp_path, path):
    with pytest.raises(ckptread.UnsafeFileError, match="points to"):
        ckptread.open(write(tmp_path, [([path], [weight("w", BIAS)])]))


def test_a_folder_below_is_read_and_a_link_to_a_folder_elsewhere_is_refused(tmp_path):
    (tmp_path / "m").mkdir()
    path = write(tmp_path / "m", [(["below/w.bin"], [weight("w", BIAS)])], {"below/w.bin": BIAS.tobytes()})
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["w"], BIAS)
    (tmp_path / "m" / "below").rename(tmp_path / "elsewhere")
    (tmp_path / "m" / "below").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ckptread.UnsafeFileError, match="points to"):
        ckptread.open(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [2], "dtype": "float32"},
        {"name": "w", "shape": [-1], "dtype": "float32"},
        {"name": "w", "shape": [True], "dtype": "float32"},
        {"name": "w", "shape": [2] * 65, "dtype": "string"},
        {"name": "w", "shape": 2, "dtype": "float32"},
        {"name": "w", "shape": [2]},
        {"name": "\ud800", "shape": [2], "dtype": "float32"},
        None,
    ],
)
def test_a_weight_without_a_valid_description_is_an_error(tmp_path, entry):
    with pytest.raises(ckptread.DamagedFileError, match="weightsManifest"):
        ckptread.open(write(tmp_path, [(["w.bin"], [entry])], {"w.bin": bytes(8)}))


def test_a_weight_or_a_file_that_is_named_twice_is_an_error(tmp_path):
    for groups in ([(["a"], [weight("w", BIAS)] * 2)], [(["a"], [weight("w", BIAS)]), (["a"], [weight("v", BIAS)])]):
        with pytest.raises(ckptread.DamagedFileError, match="twice"):
            ckptread.open(write(tmp_path, groups, {"a": bytes(24)}))


def test_weights_without_a_file_are_an_error_and_a_group_of_nothing_is_none(tmp_path):
    with pytest.raises(ckptread.DamagedFileError, match="no files"):
        ckptread.open(write(tmp_path, [([], [weight("w", BIAS)])]))
    with ckptread.open(write(tmp_path, [([], [])])) as reader:
        assert (list(reader), codes(reader)) == ([], [])


def test_a_shape_that_no_array_can_have_is_a_problem(tmp_path):
    path = write(tmp_path, [(["a"], [{"name": "w", "shape": [1 << 40] * 3, "dtype": "uint8"}])], {"a": bytes(8)})
    with ckptread.open(path) as reader:
        assert "too large" in reader.tensors["w"].problem


def test_a_model_without_a_manifest_is_an_error(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"modelTopology": {"class_name": "Sequential"}}))
    with pytest.raises(ckptread.DamagedFileError, match="no weightsManifest"):
        ckptread.open(tmp_path / "model.json")
