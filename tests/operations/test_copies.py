"""A copy of a variable is read by every verdict on values, and folded in listings and counts."""

import json
import shutil
import zipfile

import msgspec
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TensorFlow and numpy 2

COPY = "layers/spectral_normalization/layer/vars/0"


def keras_model():
    """A model whose wrapper stores the kernel of the layer inside it a second time."""
    import keras

    inner = keras.layers.Dense(2, name="inner")
    layers = [keras.Input((3,)), keras.layers.SpectralNormalization(inner, name="sn"), keras.layers.Dense(1, name="d")]
    return keras.Sequential(layers)


def change_copy(path, key, value):
    """Overwrite the first element of a dataset in a weights file, or in that of a .keras archive."""
    import h5py

    if path.suffix == ".keras":
        folder = path.with_suffix("")
        zipfile.ZipFile(path).extractall(folder)
        change_copy(folder / "model.weights.h5", key, value)
        shutil.make_archive(str(path), "zip", folder)
        path.with_name(path.name + ".zip").rename(path)
        return
    with h5py.File(path, "r+") as file:
        values = file[key][()]
        values.flat[0] = value
        file[key][...] = values


@pytest.fixture(scope="module", params=["m.keras", "m.weights.h5"])
def pair(request, tmp_path_factory):
    """A saved model, and the same with a NaN in the second kernel."""
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("copies")
    good, bad = folder / f"good-{request.param}", folder / f"bad-{request.param}"
    model = keras_model()
    model.save(good) if good.suffix == ".keras" else model.save_weights(good)
    shutil.copy(good, bad)
    change_copy(bad, COPY, np.nan)
    return good, bad


@pytest.mark.keras
def test_check_fails_a_model_whose_second_kernel_is_nan(pair):
    good, bad = pair
    assert ckptread.check(good, finite=True)
    found = ckptread.check(bad, finite=True)
    assert [o.key for o in found.checkpoints[0].outcomes[0].offenders] == [COPY]
    assert any(COPY in note for note in found.notes)
    assert not ckptread.check(bad, same_as=str(good))


@pytest.mark.keras
def test_every_verdict_on_values_reads_a_copy(pair):
    good, bad = pair
    assert ckptread.digest(good).whole != ckptread.digest(bad).whole
    assert any(COPY in note for note in ckptread.digest(bad).notes)
    assert ckptread.diff(good, bad)
    assert "of which it is a copy" in str(ckptread.textconv(bad))
    assert ckptread.history([str(good), str(bad)]).first_nan is not None
    stats = ckptread.inspect(bad, stats=True).statistics
    assert stats[COPY].value.nans == 1


@pytest.mark.keras
def test_a_copy_that_is_as_its_original_is_no_second_difference(pair, tmp_path):
    good, _ = pair
    if good.suffix == ".h5":
        pytest.skip("its names are positions, which pair with no name of an .npz file")
    with ckptread.open(good) as reader:
        own = {info.name: reader[key][...] for key, info in reader.tensors.items() if info.repeats is None}
        original = reader.tensors[reader.tensors[COPY].copy_of].name
    np.savez(tmp_path / "before.npz", **{**own, original: own[original] + 1})
    for sides in ((tmp_path / "before.npz", good), (good, tmp_path / "before.npz")):
        assert [entry.name for entry in ckptread.diff(*sides).differences if entry.status == "changed"] == [original]


@pytest.mark.keras
def test_verify_warns_of_a_copy_that_differs(pair):
    good, bad = pair
    assert ckptread.verify(good).verdict == "ok"
    found = ckptread.verify(bad)
    assert [(f.code, f.key, f.severity) for f in found.findings if f.severity != "note"] == [
        ("copy-differs", COPY, "warning")
    ]


@pytest.mark.keras
def test_a_copy_that_is_the_same_is_folded(pair, run):
    good, _ = pair
    with ckptread.open(good) as reader:
        copies = [info for info in reader.tensors.values() if info.copy_of is not None]
        assert [info.key for info in copies] == [COPY]
        assert all(info.alias_of is None for info in reader.tensors.values())
    assert len(ckptread.digest(good, role="all").tensors) == len(reader.tensors) - 1
    listing = json.loads(run("inspect", str(good), "--format", "json").out)
    assert listing["totals"]["tensors"] == len(reader.tensors) - 1


def test_diff_says_where_a_copy_on_one_side_alone_differs(tmp_path):
    from ckptread.operations.diff.diff import compare_pairs
    from tests.in_memory import InMemory

    with InMemory(k=np.ones(3, "f4"), copy=np.array([1, 2, 1], "f4")) as a, InMemory(k=np.ones(3, "f4")) as b:
        a.tensors = {**a.tensors, "copy": msgspec.structs.replace(a.tensors["copy"], copy_of="k", variable="k")}
        found = compare_pairs(a, b)
        assert [(e.a.key, e.status) for e in found.differences] == [("copy", "changed")]
    with InMemory(k=np.ones(3, "f4"), copy=np.ones(3, "f4")) as a, InMemory(k=np.ones(3, "f4")) as b:
        a.tensors = {**a.tensors, "copy": msgspec.structs.replace(a.tensors["copy"], copy_of="k", variable="k")}
        assert compare_pairs(a, b).same


def test_a_hard_link_is_read_once_and_is_an_alias(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"] = np.ones(3)
        file["two"] = file["one"]
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert {info.key: (info.alias_of, info.copy_of) for info in reader.tensors.values()} == {
            "one": (None, None), "two": ("one", None)
        }  # fmt: skip


def test_the_second_list_of_a_saved_model_is_judged_where_it_differs(tmp_path, run):
    tf = pytest.importorskip("tensorflow")
    model = tmp_path / "saved"
    shutil.copytree(FIXTURES / "saved-model-keras", model)
    prefix = str(model / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    values = {key: reader.get_tensor(key) for key in sorted(reader.get_variable_to_shape_map())}
    values["_all_variables/0/.ATTRIBUTES/VARIABLE_VALUE"] = np.full((2, 2), np.nan, "f4")
    tf.raw_ops.SaveV2(
        prefix=prefix, tensor_names=list(values), shape_and_slices=[""] * len(values), tensors=list(values.values())
    )
    with ckptread.open(model) as opened:
        copies = {info.key.partition("/.")[0]: info.name for info in opened.tensors.values() if info.copy_of}
    assert copies == {"_all_variables/0": "tiny/head/kernel", "_all_variables/1": "tiny/head/bias"}
    assert not ckptread.check(model, finite=True).passed
    ran = run("verify", model)
    assert (ran.code, "_all_variables/0" in ran.out, "differs from it" in ran.out) == (1, True, True)
