"""Checkpoints in another format: read by the library of that format, and equal to what was read from the first."""

import json
import shutil

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import ckptread
from ckptread.operations.convert.files import parse_size
from tests.conformance.cases import CASES, FIXTURES, Case, all_but_one, each

KERAS = FIXTURES / "keras3" / "model.keras"


@each(CASES, slow=all_but_one)
def test_what_a_format_can_hold_has_the_same_digest_in_it(case: Case, tmp_path):
    for ending in (".safetensors", ".npz"):
        target = tmp_path / f"new{ending}"
        made = ckptread.convert(case.path, target, names="key", skip=True)
        if not made.files:
            continue
        kept = [converted for converted in made.tensors if not converted.note]
        with ckptread.open(case.path) as old, ckptread.open(target) as new:
            assert values(old, [each.tensor.key for each in kept]) == values(new, [each.name for each in kept])


def values(reader, keys):
    """Return the digests of tensors, in order."""
    found = {row.tensor.key: row.value for row in ckptread.digest(reader, role="all").tensors}
    originals = {key: info.repeats for key, info in reader.tensors.items() if info.repeats}
    return [found.get(key, found.get(originals.get(key))) for key in keys]


def test_safetensors_reads_what_is_written(tmp_path):
    target = tmp_path / "model.safetensors"
    ckptread.convert(KERAS, target, digest=True)
    found = load_file(target)
    with ckptread.open(KERAS) as reader, safe_open(target, "np") as file:
        assert set(found) == {info.name for info in reader.tensors.values()}
        assert all(np.array_equal(found[info.name], reader[key][...]) for key, info in reader.tensors.items())
        assert file.metadata() == {"format": "np", "ckptread.digest": ckptread.digest(KERAS, role="all").whole}


def test_every_dtype_of_the_format_is_kept(tmp_path):
    source = FIXTURES / "safetensors" / "model.safetensors"
    ckptread.convert(source, tmp_path / "copy.safetensors")
    old, new = load_file(source), load_file(tmp_path / "copy.safetensors")
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in old.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in new.items()
    }


def test_floats_are_converted_and_what_is_lost_is_said(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.array([1.0, 1e39, 1 / 3]), n=np.arange(3))
    made = ckptread.convert(tmp_path / "a.npz", tmp_path / "b.safetensors", dtype="bfloat16")
    found = load_file(tmp_path / "b.safetensors")
    assert found["w"].dtype == ml_dtypes.bfloat16
    with np.errstate(over="ignore"):
        assert found["w"].tobytes() == np.array([1.0, 1e39, 1 / 3]).astype(ml_dtypes.bfloat16).tobytes()
    assert found["n"].dtype == np.int64
    assert [each.note for each in made.tensors] == ["1 of 3 values do not fit into bfloat16", ""]


def test_a_large_file_is_split_with_an_index(tmp_path):
    np.savez(tmp_path / "a.npz", **{f"w{i}": np.full(250, i, "f4") for i in range(5)})
    made = ckptread.convert(tmp_path / "a.npz", tmp_path / "m.safetensors", max_shard_size="2KB")
    index = json.loads((tmp_path / "m.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 5000
    for name, file in index["weight_map"].items():
        assert np.array_equal(load_file(tmp_path / file)[name], np.full(250, int(name[1:]), "f4"))
    assert len(set(index["weight_map"].values())) == 3
    assert len(made.files) == 4
    assert ckptread.diff(tmp_path / "a.npz", tmp_path / "m.safetensors.index.json").same


def test_a_folder_has_an_array_for_each_tensor(tmp_path):
    ckptread.convert(KERAS, tmp_path / "arrays", role="model")
    with ckptread.open(KERAS) as reader:
        assert np.array_equal(np.load(tmp_path / "arrays" / "head.kernel.npy"), reader["head/kernel"][...])


def test_names_are_renamed_and_never_collide(tmp_path, run):
    ran = run("convert", KERAS, "-o", tmp_path / "m.safetensors", "--role", "model", "--rename", "/=.",
              "--rename", r"^head\.(\w+)$=classifier.\1")  # fmt: skip
    assert ran.code == 0, ran
    assert {"classifier.kernel", "classifier.bias", "norm.gamma"} <= set(load_file(tmp_path / "m.safetensors"))
    ran = run("convert", KERAS, "-o", tmp_path / "n.safetensors", "--rename", ".*=x")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "would both be called" in ran.err


def test_a_mapping_moves_axes_and_names(tmp_path):
    a, b = np.arange(6, dtype="f4").reshape(2, 3), np.arange(4, dtype="f4")
    np.savez(tmp_path / "a.npz", **{"dense/kernel": a, "dense/bias": b})
    np.savez(tmp_path / "b.npz", **{"fc.weight": np.ascontiguousarray(a.T), "fc.bias": b})
    ckptread.diff(tmp_path / "a.npz", tmp_path / "b.npz", match="content", save_map=tmp_path / "map.json")
    ckptread.convert(tmp_path / "a.npz", tmp_path / "c.safetensors", map=tmp_path / "map.json")
    assert ckptread.diff(tmp_path / "b.npz", tmp_path / "c.safetensors").same
    found = load_file(tmp_path / "c.safetensors")
    assert np.array_equal(found["fc.weight"], a.T)


def test_what_cannot_be_held_is_named_and_nothing_is_written(tmp_path, run):
    np.savez(tmp_path / "a.npz", text=np.array([b"a", b"b"]), w=np.ones(2))
    ran = run("convert", tmp_path / "a.npz", "-o", tmp_path / "b.safetensors")
    assert ran.code == 1
    assert "text is not written" in ran.err
    assert not (tmp_path / "b.safetensors").exists()
    ran = run("convert", tmp_path / "a.npz", "-o", tmp_path / "b.safetensors", "--skip")
    assert ran.code == 0
    assert list(load_file(tmp_path / "b.safetensors")) == ["w"]


def test_a_dry_run_writes_nothing(tmp_path, run):
    ran = run("convert", KERAS, "-o", tmp_path / "b.safetensors", "--dry-run")
    assert ran.code == 0
    assert "would write" in ran.out
    assert not (tmp_path / "b.safetensors").exists()


def test_a_damaged_tensor_leaves_no_file(tmp_path, checkpoint, run):
    data = tmp_path / "damaged.data-00000-of-00001"
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(f"{checkpoint}{ending}", tmp_path / f"damaged{ending}")
    raw = bytearray(data.read_bytes())
    raw[-1] ^= 1
    data.write_bytes(raw)
    ran = run("convert", tmp_path / "damaged", "-o", tmp_path / "b.safetensors")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "checksum" in ran.err
    assert not (tmp_path / "b.safetensors").exists()


def test_a_file_is_kept_unless_it_is_to_be_replaced(tmp_path, run):
    (tmp_path / "b.safetensors").write_text("mine")
    assert run("convert", KERAS, "-o", tmp_path / "b.safetensors").code == 2
    assert (tmp_path / "b.safetensors").read_text() == "mine"
    assert run("convert", KERAS, "-o", tmp_path / "b.safetensors", "--force").code == 0
    assert load_file(tmp_path / "b.safetensors")


def test_what_was_written_is_read_back(tmp_path, monkeypatch):
    from ckptread.operations.convert.checked import CheckedValues

    pieces = CheckedValues.pieces

    def broken(self):
        for piece in pieces(self):
            yield bytes(len(piece))

    monkeypatch.setattr(CheckedValues, "pieces", broken)
    np.savez(tmp_path / "a.npz", w=np.ones(2))
    with pytest.raises(ckptread.DamagedFileError, match="not those that were written"):
        ckptread.convert(tmp_path / "a.npz", tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


@pytest.mark.parametrize("name", ["new.keras", "new.weights.h5", "new.h5"])
def test_a_copy_of_a_file_of_keras_has_other_values(tmp_path, name):
    like = {"new.keras": KERAS, "new.weights.h5": KERAS.with_name("model.weights.h5"),
            "new.h5": KERAS.with_name("legacy.h5")}[name]  # fmt: skip
    with ckptread.open(like) as reader:
        places = [info for info in reader.tensors.values() if info.role == "model" and not info.repeats]
        other = {info.name: reader[info.key][...] + 1 for info in places}
    np.savez(tmp_path / "other.npz", **other)
    pairs = [{"a": info.name, "b": info.key} for info in places]
    (tmp_path / "map.json").write_text(json.dumps({"schema": 1, "pairs": pairs}))
    made = ckptread.convert(tmp_path / "other.npz", tmp_path / name, like=like, map=tmp_path / "map.json")
    assert made.files
    with ckptread.open(tmp_path / name) as reader:
        assert all(np.array_equal(reader[info.key][...], other[info.name]) for info in places)
    assert ckptread.verify(tmp_path / name).sound
    assert not ckptread.diff(tmp_path / name, like).same


def test_a_template_keeps_what_has_no_values_only_where_that_is_asked_for(tmp_path, run):
    np.savez(tmp_path / "part.npz", **{"head/bias": np.zeros(1, "f4")})
    with ckptread.open(KERAS) as reader:
        np.savez(tmp_path / "part.npz", **{"head/bias": np.zeros_like(reader["head/bias"][...])})
    ran = run("convert", tmp_path / "part.npz", "-o", tmp_path / "new.keras", "--like", KERAS)
    assert ran.code == 1
    assert "it stays as in the template" in ran.err
    ran = run("convert", tmp_path / "part.npz", "-o", tmp_path / "new.keras", "--like", KERAS, "--skip")
    assert ran.code == 0
    with ckptread.open(tmp_path / "new.keras") as reader:
        assert not reader["head/bias"][...].any()


@pytest.mark.filterwarnings("ignore")
def test_keras_loads_a_copy_and_predicts_the_same(tmp_path):
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")

    def build():
        return keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(4, name="one"), keras.layers.Dense(2, name="two")]
        )

    source, template = build(), build()
    source.compile("adam", "mse")
    source.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    tf.train.Checkpoint(model=source).write(str(tmp_path / "ckpt"))
    template.save(tmp_path / "template.keras")
    template.save_weights(tmp_path / "template.weights.h5")
    for ending in (".keras", ".weights.h5"):
        ckptread.convert(
            tmp_path / "ckpt", tmp_path / f"new{ending}", like=tmp_path / f"template{ending}", role="model"
        )
    given = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    whole = keras.saving.load_model(tmp_path / "new.keras")
    template.load_weights(tmp_path / "new.weights.h5")
    for model in (whole, template):
        assert np.array_equal(model.predict(given, verbose=0), source.predict(given, verbose=0))


@pytest.mark.parametrize(("text", "nbytes"), [("5GB", 5 * 10**9), ("1.5KiB", 1536), ("10", 10), ("2 mb", 2 * 10**6)])
def test_sizes(text, nbytes):
    assert parse_size(text) == nbytes


@pytest.mark.parametrize("text", ["", "GB", "5XB", "-1", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ckptread.UsageError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    "options",
    [["-o", "x.csv"], ["-o", "x.npy"], ["-o", "x.npz", "--max-shard-size", "1GB"], ["-o", "y/", "--rename", "x"],
     ["-o", "y/", "--rename", "(=x"], ["-o", "x.npz", "--like", str(FIXTURES / "numpy" / "stored.npz")]],
)  # fmt: skip
def test_what_makes_no_sense_is_one_sentence(run, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    ran = run("convert", KERAS, *options)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []
