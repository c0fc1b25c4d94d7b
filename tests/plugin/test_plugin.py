"""An installed package adds a format: it is found, used by every command, and passes the suite that ckptread ships."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import ckptread
from ckptread.formats import registry
from ckptread.testing import FormatSuite, Sample, assert_same
from tests.conformance.cases import FIXTURES

SITE = Path(__file__).parent / "site"
VALUES = np.linspace(-1, 1, 100, dtype="float32")


def flat(path, values=VALUES):
    data = values.astype("<f4").tobytes()
    path.write_bytes(b"FLAT" + len(values).to_bytes(4, "little") + data + zlib.crc32(data).to_bytes(4, "little"))
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def installed():
    """Have the example on the path, as an installed package is, and away again."""
    sys.path.insert(0, str(SITE))
    yield
    sys.path.remove(str(SITE))
    sys.modules.pop("ckptread_flat", None)


def command(*arguments):
    environment = {**os.environ, "PYTHONPATH": f"{SITE}{os.pathsep}{FIXTURES.parent}"}
    return subprocess.run(
        [sys.executable, "-m", "ckptread", *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_a_command_reads_the_format_of_an_installed_package(tmp_path):
    ran = command("inspect", flat(tmp_path / "a.flat"), "--format", "json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["format"] == "flat"
    assert [(t["key"], t["shape"], t["dtype"]) for t in document["tensors"]] == [("values", [100], "float32")]


def test_without_the_package_the_file_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part != str(SITE)])
    with pytest.raises(ckptread.UnknownFormatError):
        ckptread.open(flat(tmp_path / "a.flat"))


def test_the_library_reads_it_too(tmp_path):
    path = flat(tmp_path / "a.flat")
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["values"], VALUES)
    assert not ckptread.diff(path, path)


def test_packages_are_looked_for_only_when_nothing_built_in_recognises_a_file(monkeypatch):
    def fail():
        raise AssertionError("looked for")

    monkeypatch.setattr("ckptread.formats.locate.installed_formats", fail)
    with ckptread.open(FIXTURES / "keras3" / "model.keras") as reader:
        assert reader.format == "keras"


def test_a_known_file_imports_no_metadata():
    program = "import sys, ckptread; ckptread.open(sys.argv[1]).close(); sys.exit('importlib.metadata' in sys.modules)"
    path = str(FIXTURES / "numpy" / "stored.npz")
    ran = subprocess.run([sys.executable, "-c", program, path], cwd=FIXTURES.parent, check=False)
    assert ran.returncode == 0


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("flat = no_such_module:ROW", "cannot be imported"),
        ("flat = ckptread_flat:MAGIC", "not a Format"),
        ("npz = ckptread_flat:FLAT", "not a Format"),
    ],
)
def test_a_package_with_a_mistake_is_named(tmp_path, monkeypatch, entry, problem):
    folder = tmp_path / "site" / "other-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[ckptread.formats]\n{entry}\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    (tmp_path / "noise").write_bytes(bytes(range(128, 256)) * 8)
    with pytest.raises(ckptread.UsageError, match=problem):
        ckptread.open(tmp_path / "noise")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return flat(tmp_path_factory.mktemp("flat") / "sample.flat")


class TestFlat(FormatSuite):
    """The shipped suite over the example."""

    samples = (Sample("sample.flat", {"values": VALUES}, checksums=True),)

    @pytest.fixture(autouse=True)
    def _write(self, written, monkeypatch):
        from ckptread_flat import FLAT

        self.row = FLAT
        monkeypatch.chdir(Path(written).parent)


ARRAYS = {
    "stored.npz": FIXTURES / "numpy" / "stored.npz",
    "alone.npy": FIXTURES / "numpy" / "alone.npy",
}


def loaded(path):
    found = np.load(path)
    return {path.stem: found} if isinstance(found, np.ndarray) else dict(found)


class TestNpy(FormatSuite):
    """The same suite over formats that are built in; numpy wrote the files."""

    row = next(row for row in registry.FORMATS if row.name == "npy")
    samples = (Sample(str(ARRAYS["alone.npy"]), loaded(ARRAYS["alone.npy"])),)


def test_names_of_formats_are_unique_and_true():
    names = [row.name for row in registry.FORMATS]
    assert sorted(set(names)) == sorted(names)
    for folder, part, name in [
        ("numpy", "alone.npy", "npy"), ("numpy", "stored.npz", "npz"),
        ("safetensors", "model.safetensors", "safetensors"),
        ("safetensors", "model.safetensors.index.json", "safetensors-shards"),
        ("keras3-shards", "model.weights.json", "keras-shards"), ("keras3", "model.keras", "keras"),
        ("keras3", "legacy.h5", "hdf5"), ("tf-v1", "model.ckpt", "tf-v1"), ("tf-object", "ckpt-1", "tf-bundle"),
        ("saved-model-keras", "", "saved-model"),
    ]:  # fmt: skip
        path = str(FIXTURES / folder / part)
        with ckptread.open(path) as reader:
            assert (reader.format, ckptread.locate(path).format.name) == (name, name)


def test_parts_are_the_files_of_a_checkpoint():
    def parts(path):
        located = ckptread.locate(str(FIXTURES / path))
        return sorted(os.path.basename(part) for part in located.format.parts(located.storage, located.name))

    assert parts("tf-object/ckpt-1") == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]
    assert parts("numpy/stored.npz") == ["stored.npz"]
    assert "model.safetensors.index.json" in parts("safetensors/model.safetensors.index.json")
    assert (
        len(parts("tf-v1-sharded/" + next(p.name for p in (FIXTURES / "tf-v1-sharded").iterdir() if "-of-" in p.name)))
        == 3
    )


def test_assert_same_passes_or_shows_the_verdict_and_the_worst_rows(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    arrays = {f"w{n}": np.full(3, n, "float32") for n in range(5)}
    np.savez(one, **arrays)
    np.savez(two, **{name: values + (0.5 if name in {"w1", "w3"} else 0) for name, values in arrays.items()})
    assert_same(one, one)
    assert_same(one, two, atol=0.6)
    with pytest.raises(AssertionError) as caught:
        assert_same(one, two, worst=1)
    message = str(caught.value)
    assert "2 of 5" in message
    assert ("w1" in message) != ("w3" in message)
    assert "... and 1 more" in message
    assert message.endswith(f"A: {one}\nB: {two}")
