"""Assets are part of a model: vocabularies are listed, have digests, and count in comparisons."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import ckptread
from ckptread.formats import asset_files
from ckptread.names.keras.vocabularies import config_vocabularies
from tests.conformance.cases import FIXTURES

MODEL = FIXTURES / "keras3" / "model.keras"
FOLDER = FIXTURES / "keras3-folder" / "model"
SAVED_MODEL = FIXTURES / "saved-model-keras"
VOCABULARY = "assets/layers/string_lookup/vocabulary.txt"


def archive(path, source=MODEL, compression=zipfile.ZIP_STORED, **assets):
    """Copy a .keras archive with more members: slashes in their names are two underscores."""
    shutil.copy(source, path)
    with zipfile.ZipFile(path, "a", compression) as file:
        for name, data in assets.items():
            file.writestr(name.replace("__", "/"), data)
    return path


def with_vocabulary(path, text, **options):
    return archive(path, **{VOCABULARY.replace("/", "__"): text}, **options)


def saved_model(path, **assets):
    shutil.copytree(SAVED_MODEL, path)
    for name, data in assets.items():
        (path / "assets").mkdir(exist_ok=True)
        (path / "assets" / name).write_text(data)
    return path


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_models_that_differ_only_in_a_vocabulary_are_different(run, tmp_path):
    a, b = (with_vocabulary(tmp_path / f"{text}.keras", text) for text in ("x\ny", "y\nx"))
    difference = ckptread.diff(a, b)
    assert not difference.same
    assert not difference.differences
    assert [(e.name, e.status) for e in difference.asset_differences] == [(VOCABULARY, "changed")]
    ran = run("diff", a, b)
    assert ran.code == 1
    assert "1 of 1 asset" in ran.out
    assert VOCABULARY in ran.out
    [entry] = json.loads(run("diff", a, b, "--format", "json").out)["assets"]
    assert (entry["sha256_a"], entry["sha256_b"]) == (sha256(b"x\ny"), sha256(b"y\nx"))
    assert VOCABULARY in run("diff", a, b, "--format", "csv").out
    assert run("diff", a, b, "-q").code == 1


def test_models_with_the_same_vocabulary_are_the_same_and_the_verdict_counts_it(run, tmp_path):
    a, b = (with_vocabulary(tmp_path / f"{name}.keras", "x\ny") for name in "ab")
    ran = run("diff", a, b)
    assert ran.code == 0
    assert "and 1 asset, bit for bit" in ran.out


def test_an_asset_on_one_side_is_a_difference_where_both_formats_name_assets_alike(tmp_path):
    a, b = with_vocabulary(tmp_path / "a.keras", "x"), shutil.copy(MODEL, tmp_path / "b.keras")
    assert [e.status for e in ckptread.diff(a, b).asset_differences] == ["removed"]
    assert [e.status for e in ckptread.diff(b, a).asset_differences] == ["added"]


def test_a_format_without_assets_is_the_same_with_a_note(run, tmp_path):
    ran = run("diff", with_vocabulary(tmp_path / "a.keras", "x"), FIXTURES / "keras3" / "model.weights.h5")
    assert ran.code == 0
    assert "1 asset was not compared" in ran.err


def test_an_archive_and_its_folder_have_the_same_assets(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "folder")
    path = folder / VOCABULARY
    path.parent.mkdir(parents=True)
    path.write_text("x\ny")
    file = with_vocabulary(tmp_path / "a.keras", "x\ny", source=FIXTURES / "keras3" / "model.keras")
    assert ckptread.diff(folder, file).assets[0].status == "same"
    assert ckptread.digest(folder).with_assets == ckptread.digest(file).with_assets


def test_a_renamed_asset_is_no_difference(tmp_path):
    a = archive(tmp_path / "a.keras", assets__one="x", assets__two="y")
    b = archive(tmp_path / "b.keras", assets__three="y", assets__one="x")
    difference = ckptread.diff(a, b)
    assert difference.same
    assert {e.status for e in difference.assets} == {"same", "renamed"}


def test_names_flags_and_roles_leave_assets_out(tmp_path):
    a, b = (with_vocabulary(tmp_path / f"{text}.keras", text) for text in "xy")
    assert ckptread.diff(a, b, ["head"]).same
    assert ckptread.diff(a, b, trainable=True).same
    assert ckptread.diff(a, b, role="optimizer").same
    assert ckptread.diff(a, b, exclude=["assets"]).same
    assert not ckptread.diff(a, b, role="model").same
    assert not ckptread.diff(a, b, exclude=["head"]).same


def test_a_saved_model_and_an_archive_compare_assets_of_equal_bytes(tmp_path):
    one, other = saved_model(tmp_path / "one", words="x\ny"), saved_model(tmp_path / "other", words="y\nx")
    assert [e.status for e in ckptread.diff(one, other).asset_differences] == ["changed"]
    with ckptread.open(one) as a, ckptread.open(with_vocabulary(tmp_path / "a.keras", "x\ny")) as b:
        assert [e.status for e in ckptread.diff(a, b).assets] == ["renamed"]
    plain = ckptread.diff(SAVED_MODEL, tmp_path / "a.keras")
    assert not plain.assets
    assert any("1 asset was not compared" in note for note in plain.notes)


def test_inspect_lists_assets_with_their_sizes(run, tmp_path):
    path = with_vocabulary(tmp_path / "a.keras", "x\ny")
    assert f"{VOCABULARY}    3 B" in run("inspect", path).out
    assert "· 1 asset" in run("inspect", path, "--layers").out
    document = json.loads(run("inspect", path, "--format", "json").out)
    assert document["assets"] == [{"name": VOCABULARY, "nbytes": 3, "problem": None}]
    assert VOCABULARY not in run("inspect", path, "head").out
    assert VOCABULARY not in run("inspect", path, "--format", "csv").out  # one table, with a row per tensor


def test_textconv_has_lines_of_an_asset(tmp_path):
    text = str(ckptread.textconv(with_vocabulary(tmp_path / "a.keras", "x\ny")))
    assert text.endswith(f"\n\n{VOCABULARY}\n  sha256 {sha256(b'x' + bytes([10]) + b'y')}\n")


def test_a_digest_has_a_line_of_each_asset_and_the_last_line_stays(run, tmp_path):
    path = with_vocabulary(tmp_path / "a.keras", "x\ny")
    lines = [line.split("  ", 1) for line in run("digest", path).out.splitlines()]
    plain = ckptread.digest(MODEL)
    assert lines[-1] == [plain.whole, str(path)]
    assert lines[-3] == [sha256(b"x\ny"), VOCABULARY]
    both = f"{plain.whole}\n{sha256(b'x' + bytes([10]) + b'y')}  {VOCABULARY}\n"
    assert lines[-2] == [sha256(both.encode()), f"{path} with assets"]
    document = json.loads(run("digest", path, "--format", "json").out)
    assert (document["digest_with_assets"], document["assets"][0]["nbytes"]) == (sha256(both.encode()), 3)


def test_a_listing_with_assets_checks_them(run, tmp_path):
    path, other = (with_vocabulary(tmp_path / f"{text}.keras", text) for text in "xy")
    listing = tmp_path / "listing"
    listing.write_text(run("digest", path).out)
    ran = run("digest", path, "--check", listing)
    assert ran.code == 0
    assert f"{VOCABULARY}: OK" in ran.out
    assert f"{path} with assets: OK" in ran.out
    ran = run("digest", other, "--check", listing)
    assert ran.code == 1
    assert f"{VOCABULARY}: FAILED" in ran.out
    assert f"{other} with assets: FAILED" in ran.out
    assert ran.out.endswith(f"{other}: OK\n")
    ran = run("digest", MODEL, "--check", listing)
    assert ran.code == 1
    assert f"{MODEL} with assets: FAILED, missing" in ran.out
    more = archive(tmp_path / "more.keras", path, assets__more="z")
    assert "assets/more: FAILED, not listed" in run("digest", more, "--check", listing).out


def test_a_listing_of_a_format_without_assets_agrees_with_a_note(run, tmp_path):
    listing = tmp_path / "listing"
    listing.write_text(run("digest", MODEL).out)
    ran = run("digest", with_vocabulary(tmp_path / "a.keras", "x"), "--check", listing)
    assert ran.code == 0
    assert "1 asset was not compared" in ran.err


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_asset_is_never_the_same(run, tmp_path, compression):
    path = with_vocabulary(tmp_path / "a.keras", "hello vocabulary", compression=compression)
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(VOCABULARY)
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(VOCABULARY) + 5] ^= 1
    path.write_bytes(data)
    assert run("diff", path, path).code == 2
    assert run("digest", path).code == 2
    assert VOCABULARY in run("digest", path).err
    assert run("verify", path).code == 1


@pytest.mark.parametrize("name", ["assets/../model.weights.h5", "assets/a/../../x", "assets\\..\\x", "assets/.."])
def test_a_name_that_leads_out_of_an_archive_is_refused(run, tmp_path, name):
    path = tmp_path / "a.keras"
    shutil.copy(MODEL, path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("assets/" + name.removeprefix("assets/"), "x")
    with ckptread.open(path) as reader:
        [open_it] = reader.assets.values()
        with pytest.raises(ckptread.UnsafeFileError, match="leads out of the archive"):
            open_it()
    assert run("inspect", path).code == 0
    assert run("digest", path).code == 2
    assert run("verify", path).code == 1


def test_links_out_of_a_folder_are_refused(run, tmp_path):
    (tmp_path / "secret").write_text("secret")
    path = saved_model(tmp_path / "model", words="x")
    (path / "assets" / "link").symlink_to("../../secret")
    (path / "assets" / "up").symlink_to("..")
    (path / "assets" / "self").symlink_to("words")
    (path / "assets" / "broken").symlink_to("nowhere")
    os.mkfifo(path / "assets" / "pipe")
    found = {asset.name: asset for asset in ckptread.digest(path).assets}
    assert found["assets/words"].sha256 == found["assets/self"].sha256 == sha256(b"x")
    assert "link out of the folder" in found["assets/link"].problem
    assert found["assets/up"].problem
    assert found["assets/broken"].problem
    assert "regular file" in found["assets/pipe"].problem
    assert run("digest", path).code == 2
    assert run("diff", path, path).code == 2
    ran = run("verify", path)
    assert ran.code == 1
    assert ran.out.count("the asset 'assets/") == 4


def test_more_assets_than_the_limit_are_never_passed_over(run, tmp_path, monkeypatch):
    monkeypatch.setattr(asset_files, "MAX_ASSET_FILES", 3)
    path = saved_model(tmp_path / "model", **{f"w{n}": "x" for n in range(5)})
    with ckptread.open(path) as reader:
        assert len(reader.assets) == 4
    assert run("diff", path, path).code == 2


def test_a_large_asset_is_read_in_blocks(tmp_path):
    path = saved_model(tmp_path / "model", words="")
    os.truncate(path / "assets" / "words", 256 << 20)
    code = "import sys, ckptread; print(ckptread.digest(sys.argv[1]).assets, open('/proc/self/status').read())"
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    assert "nbytes=268435456" in out
    assert int(re.search(r"VmHWM:\s+(\d+) kB", out)[1]) < 100 << 10


def test_hostile_names_of_assets_are_escaped(run, tmp_path):
    path = archive(tmp_path / "a.keras", **{"assets__\x1b[31mred\n": "x"})
    for verb in ("inspect", "digest", "textconv"):
        assert "\x1b" not in run(verb, path).out
    assert "\x1b" not in run("diff", path, MODEL).out


def test_a_saved_model_without_variables_has_assets(tmp_path):
    for name, text in (("a", "x"), ("b", "y")):
        (tmp_path / name / "assets").mkdir(parents=True)
        shutil.copy(SAVED_MODEL / "saved_model.pb", tmp_path / name)
        (tmp_path / name / "assets" / "words").write_text(text)
    assert [e.status for e in ckptread.diff(tmp_path / "a", tmp_path / "b").assets] == ["changed"]
    assert ckptread.diff(tmp_path / "a", tmp_path / "a").same


@pytest.mark.filterwarnings("ignore")
def test_vocabularies_that_keras_writes(tmp_path):
    keras = pytest.importorskip("keras")
    tensorflow = pytest.importorskip("tensorflow")
    for name, words in (("a", ["red", "blue"]), ("b", ["blue", "red"])):
        keras.utils.set_random_seed(0)
        text, lookup = keras.layers.TextVectorization(name="text"), keras.layers.StringLookup(name="lookup")
        text.set_vocabulary(words)
        lookup.set_vocabulary(words)
        given = keras.Input((1,), dtype="string")
        model = keras.Model(given, [keras.layers.Embedding(9, 2, name="emb")(text(given)), lookup(given)])
        model.save(tmp_path / f"{name}.keras")
        model.save(tmp_path / f"{name}-folder", zipped=False)
        (tmp_path / f"{name}.txt").write_text("\n".join(words))
        module = tensorflow.Module()
        module.v = tensorflow.Variable(1.0)
        start = tensorflow.lookup.TextFileInitializer(
            str(tmp_path / f"{name}.txt"), tensorflow.string, -2, tensorflow.int64, -1
        )
        module.table = tensorflow.lookup.StaticHashTable(start, -1)
        tensorflow.saved_model.save(module, str(tmp_path / f"{name}-saved"))
    with zipfile.ZipFile(tmp_path / "a.keras") as file:
        written = {n: sha256(file.read(n)) for n in file.namelist() if n.startswith("assets/")}
    assert len(written) == 3
    for container in (".keras", "-folder"):
        assert {a.name: a.sha256 for a in ckptread.digest(tmp_path / f"a{container}").assets} == written
        difference = ckptread.diff(tmp_path / f"a{container}", tmp_path / f"b{container}")
        assert len(difference.asset_differences) == 3
    [asset] = ckptread.digest(tmp_path / "a-saved").assets
    assert (asset.name, asset.sha256) == ("assets/a.txt", sha256(b"red\nblue"))
    differing = ckptread.diff(tmp_path / "a-saved", tmp_path / "b-saved").asset_differences
    assert {(e.name, e.status) for e in differing} == {("assets/a.txt", "removed"), ("assets/b.txt", "added")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_vocabularies_that_keras_keeps_in_the_config(library, tmp_path):
    """It does so where the layer was made with its vocabulary."""
    keras = pytest.importorskip(library)
    for name, words in (("a", ["red", "blue"]), ("b", ["blue", "red"])):
        keras.utils.set_random_seed(0)
        given = keras.Input((1,), dtype="string")
        lookup = keras.layers.StringLookup(vocabulary=words, name="lookup")
        text = keras.layers.TextVectorization(vocabulary=words, output_sequence_length=2, name="text")(given)
        model = keras.Model(given, keras.layers.Embedding(9, 2, name="emb")(keras.layers.add([lookup(given), text])))
        model.save(tmp_path / f"{name}.keras")
        model.save(tmp_path / f"{name}.h5")
    expected = {f"config/{name}/vocabulary": sha256(b"red\nblue") for name in ("lookup", "text")}
    for ending in ("keras", "h5"):
        assert {asset.name: asset.sha256 for asset in ckptread.digest(tmp_path / f"a.{ending}").assets} == expected
        assert len(ckptread.diff(tmp_path / f"a.{ending}", tmp_path / f"b.{ending}").asset_differences) == 2
    assert ckptread.diff(tmp_path / "a.keras", tmp_path / "a.h5").same
    assert not ckptread.diff(tmp_path / "a.keras", tmp_path / "b.h5").same


def test_vocabularies_of_layers_of_one_name_are_told_apart():
    layer = {"class_name": "StringLookup", "config": {"name": "words", "vocabulary": ["a", "b"]}}
    other = {"class_name": "IntegerLookup", "config": {"name": "words", "vocabulary": [1, 2]}}
    assert config_vocabularies({"layers": [layer, other, layer]}) == {
        "config/words/vocabulary": b"a\nb", "config/words/vocabulary_2": b"1\n2",
    }  # fmt: skip
    assert config_vocabularies({"class_name": "X", "config": {"vocabulary": "path.txt"}}) == {}
