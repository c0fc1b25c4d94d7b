""".keras archives: zipfile and h5py write them; what stands around the weights never hides them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest

from ckptread.errors import CheckpointError, DamagedFileError, UnknownFormatError, UnsafeFileError, UnsupportedError
from ckptread.formats.hdf5.opening import open_hdf5
from ckptread.formats.keras.archive import open_keras
from ckptread.operations.verify.verify import verify
from ckptread.storage.addresses import find_storage
from ckptread.tensors import Finding
from tests.conformance.cases import HOSTILE, SHARED, needs_hostile, needs_shared

KERNEL = np.arange(12, dtype="f4").reshape(3, 4)
CONFIG = {"class_name": "Sequential", "module": "keras", "config": {"name": "little", "layers": []}}
METADATA = {"keras_version": "3.15.0", "date_saved": "2026-01-02@03:04:05"}
KEY = "layers/dense/vars/0"


def weights(**more: np.ndarray) -> bytes:
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        file[KEY] = KERNEL
        for name, values in more.items():
            file[name] = values
    return buffer.getvalue()


def write(folder: Path, members: dict[str, bytes | str], method: int = zipfile.ZIP_STORED) -> str:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", method) as z:
        for name, data in members.items():
            z.writestr(name, data)
    return str(path)


def usual(**more: bytes | str) -> dict[str, bytes | str]:
    members = {"metadata.json": json.dumps(METADATA), "config.json": json.dumps(CONFIG)}
    return {**members, "model.weights.h5": weights(), **more}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_and_what_is_said_of_them_are_read(tmp_path: Path, method: int) -> None:
    path = write(tmp_path, usual(), method)
    with open_keras(*find_storage(path)) as reader:
        assert (reader.format, reader.path, reader.problems) == ("keras", path, [])
        assert reader.config == CONFIG
        assert reader.metadata == {
            "writer": "Keras 3.15.0",
            **METADATA,
            "model_class": "Sequential",
            "model_name": "little",
        }
        assert np.asarray(reader[KEY]).tolist() == KERNEL.tolist()
        assert reader[KEY][1, ::2].tolist() == [4, 6]
        assert [list(block.ravel()) for block in reader[KEY].blocks(16)] == KERNEL.tolist()


def test_stored_weights_are_where_their_extent_says(tmp_path: Path) -> None:
    path = write(tmp_path, usual())
    data = Path(path).read_bytes()
    with open_keras(*find_storage(path)) as reader:
        extent = reader.tensors[KEY].extent
        assert extent.file == path
        assert data[extent.offset : extent.offset + extent.nbytes] == KERNEL.tobytes()
        members = {region.offset: region.checksum for region in reader.regions() if region.checksum}
        at = data.index(b"\x89HDF")
        assert members[at].value == zipfile.ZipFile(path).getinfo("model.weights.h5").CRC


def test_show_says_what_vouches_for_weights(tmp_path: Path, run) -> None:
    path = write(tmp_path, usual())
    assert (
        "none of its own; 'ckptread verify' compares that of the member 'model.weights.h5'"
        in run("show", path, KEY).out
    )
    (tmp_path / "w.h5").write_bytes(usual()["model.weights.h5"])
    assert "checksum    none in this file" in run("show", tmp_path / "w.h5", KEY).out


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_changed_config_is_one_finding(tmp_path: Path, method: int) -> None:
    path = Path(write(tmp_path, usual(), method))
    crc = zipfile.ZipFile(path).getinfo("config.json").CRC.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(crc, b"\1\2\3\4"))
    with open_keras(*find_storage(str(path))) as reader:
        (found,) = [each for each in verify(reader).findings if each.severity == "error"]
        assert found.message.startswith("config.json: ")
        assert found.offset == next(r.offset for r in reader.regions() if "config.json" in (r.name or ""))


def test_large_deflated_weights_are_read_at_random(tmp_path: Path) -> None:
    more = {f"w{n}": np.random.default_rng(n).integers(0, 9, (300, 1000)) for n in range(8)}
    path = write(tmp_path, usual() | {"model.weights.h5": weights(**more)}, zipfile.ZIP_DEFLATED)
    with open_keras(*find_storage(path)) as reader:
        for key in [*reversed(more), "w3"]:
            assert (reader[key][7:9, 100:200:7] == more[key][7:9, 100:200:7]).all()
            assert (np.asarray(reader[key]) == more[key]).all()


def test_deflated_weights_with_a_wrong_checksum_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, usual(), zipfile.ZIP_DEFLATED)
    data = bytearray(Path(path).read_bytes())
    crc = zipfile.ZipFile(path).getinfo("model.weights.h5").CRC.to_bytes(4, "little")
    Path(path).write_bytes(data.replace(crc, b"\1\2\3\4"))
    with pytest.raises(DamagedFileError, match=r"model\.weights\.h5"), open_keras(*find_storage(path)) as reader:
        np.asarray(reader[KEY])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("config.json", b"{", "config.json: it is not JSON"),
        ("config.json", b"[1]", "config.json: it is not a JSON object"),
        ("config.json", b"\xff", "config.json: its JSON is not UTF-8"),
        ("config.json", b"[" * 60_000, "nested more than 200"),
        ("config.json", b" " * ((32 << 20) + 1), "at most 33,554,432 are read"),
        ("metadata.json", b'{"keras_version": NaN}', "metadata.json: it is not JSON"),
    ],
)
def test_json_that_cannot_be_read_hides_no_weights(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    with open_keras(*find_storage(write(tmp_path, usual() | {name: data}, zipfile.ZIP_DEFLATED))) as reader:
        assert [(p.severity, words in p.message) for p in reader.problems] == [("error", True)]
        assert reader.read(KEY).shape == (3, 4)


def test_json_that_is_missing_is_noted(tmp_path: Path) -> None:
    with open_keras(*find_storage(write(tmp_path, {"model.weights.h5": weights()}))) as reader:
        assert sorted((p.severity, p.message.split()[-1]) for p in reader.problems) == [
            ("note", "metadata.json"),
            ("warning", "config.json"),
        ]  # Keras cannot load a model without its config
        assert (reader.config, reader.read(KEY).shape) == (None, (3, 4))


def test_what_metadata_holds_beside_text_is_left_out(tmp_path: Path) -> None:
    odd = {"keras_version": 3, "date_saved": ["x"], "own": "\x1b[2J"}
    config = {"class_name": {}, "config": [{"name": "a"}]}
    members = usual() | {"metadata.json": json.dumps(odd), "config.json": json.dumps(config)}
    with open_keras(*find_storage(write(tmp_path, members))) as reader:
        assert reader.metadata == {"own": "\x1b[2J"}


def test_a_config_that_names_code_runs_none(tmp_path: Path) -> None:
    config = {"class_name": "function", "module": "os", "config": "system", "registered_name": "os>system"}
    with open_keras(*find_storage(write(tmp_path, usual() | {"config.json": json.dumps(config)}))) as reader:
        assert reader.read(KEY).shape == (3, 4)


def test_truncated_weights_are_damage_that_names_the_member(tmp_path: Path) -> None:
    path = write(tmp_path, usual() | {"model.weights.h5": weights()[:-100]})
    with pytest.raises(DamagedFileError, match=r"model\.keras: model\.weights\.h5: "):
        open_keras(*find_storage(path))


def test_two_members_of_weights_are_listed_by_neither(tmp_path: Path) -> None:
    path = write(tmp_path, usual())
    with zipfile.ZipFile(path, "a") as z, pytest.warns(UserWarning, match="Duplicate"):
        z.writestr("model.weights.h5", weights())
    with open_keras(*find_storage(path)) as reader:
        assert (len(reader), reader.metadata["writer"]) == (0, "Keras 3.15.0")
        assert "ambiguous: 2 members have this name" in reader.problems[0].message
        with pytest.raises(CheckpointError):
            reader.read(KEY)


def test_an_archive_without_weights_lists_none_and_says_so(tmp_path: Path) -> None:
    with open_keras(*find_storage(write(tmp_path, {"config.json": "{}"}))) as reader:
        assert (len(reader), next(iter(reader.regions())).key) == (0, None)
        assert reader.problems[-1].message.startswith("the archive holds no weights")


def test_another_zip_archive_is_not_taken_for_keras(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"it holds data\.pkl, and no model\.weights\.h5"):
        open_keras(*find_storage(write(tmp_path, {"data.pkl": b""})))


def test_weights_that_claim_too_much_or_are_compressed_otherwise_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="compressed by bzip2"):
        open_keras(*find_storage(write(tmp_path, usual(), zipfile.ZIP_BZIP2)))
    path = write(tmp_path, usual(), zipfile.ZIP_DEFLATED)
    size = zipfile.ZipFile(path).getinfo("model.weights.h5").file_size
    data = Path(path).read_bytes().replace(size.to_bytes(4, "little"), (1 << 31).to_bytes(4, "little"))
    Path(path).write_bytes(data)
    with pytest.raises(UnsafeFileError, match="claims 2,147,483,648 bytes"):
        open_keras(*find_storage(path))


def test_npz_weights_are_read(tmp_path: Path) -> None:
    inner = BytesIO()
    np.savez(inner, **{"layers/dense": KERNEL})
    members = usual() | {"model.weights.npz": inner.getvalue()}
    del members["model.weights.h5"]
    path = write(tmp_path, members)
    with open_keras(*find_storage(path)) as reader:
        assert (reader.format, reader.problems) == ("keras", [])
        extent = reader.tensors["layers/dense"].extent
        assert Path(path).read_bytes()[extent.offset : extent.offset + extent.nbytes] == KERNEL.tobytes()
        assert np.asarray(reader["layers/dense"]).tolist() == KERNEL.tolist()
    with open_keras(*find_storage(write(tmp_path, members, zipfile.ZIP_DEFLATED))) as reader:
        assert reader.tensors["layers/dense"].extent is None
        assert np.asarray(reader["layers/dense"]).tolist() == KERNEL.tolist()


def test_npz_weights_as_keras_writes_them_are_named_and_never_unpickled(tmp_path: Path) -> None:
    """keras/src/saving/saving_lib.py: NpzIOStore gives np.savez one dictionary of Variables per layer."""
    inner = BytesIO()
    np.savez(inner, **{"__root__": {}, "layers/dense": {"0": KERNEL}})
    members = usual() | {"model.weights.npz": inner.getvalue()}
    del members["model.weights.h5"]
    with open_keras(*find_storage(write(tmp_path, members))) as reader:
        assert list(reader.tensors) == ["__root__", "layers/dense"]
        assert "pickled objects of Keras' own" in reader.problems[0].message
        with pytest.raises(UnsupportedError, match="pickle is never loaded"):
            reader.read("layers/dense")


STARTED = """
import sys
from ckptread.formats.{module} import {open}
from ckptread.storage.addresses import find_storage
with {open}(*find_storage(sys.argv[1])) as reader:
    assert len(reader)
print(sorted({{"numpy", "h5py", "zipfile", "pickle", "tensorflow"}} & set(sys.modules)))
"""


def test_listing_loads_neither_numpy_nor_h5py(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    np.savez(path, a=KERNEL, b=np.zeros(2, [("a", "f4")]))
    for file, module, open_ in (
        (write(tmp_path, usual()), "keras.archive", "open_keras"),
        (path, "numpy.npz", "open_npz"),
    ):
        code = STARTED.format(module=module, open=open_)
        run = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True)
        assert run.stdout == "[]\n"


# The hostile samples: what each must give when it is opened and read.


def _samples() -> list[dict]:
    manifest = HOSTILE / "manifest.json"
    found = json.loads(manifest.read_text())["samples"] if manifest.exists() else []
    return [sample for sample in found if sample["id"].startswith("keras/")]


def _faults(path: str) -> list[Finding | CheckpointError]:
    """What is found by opening a sample, reading all of it and checking its members."""
    import zlib

    faults: list[Finding | CheckpointError] = []
    data = Path(path).read_bytes()
    opens = open_hdf5 if data.startswith(b"\x89HDF") else open_keras
    with opens(*find_storage(path)) as reader:
        faults += [problem for problem in reader.problems if problem.severity != "note"]
        for key in reader:
            try:
                reader.read(key)
            except CheckpointError as error:
                faults.append(error)
        for region in reader.regions():
            if (
                region.checksum
                and zlib.crc32(data[region.offset : region.offset + region.nbytes]) != region.checksum.value
            ):
                faults.append(Finding(code="damaged", severity="error", message="checksum"))
    return faults


@needs_hostile
@pytest.mark.parametrize("sample", _samples(), ids=lambda sample: sample["id"])
def test_hostile_samples_give_what_they_must(sample: dict) -> None:
    path = str(HOSTILE / sample["file"])
    if sample["must"] == "error":
        with pytest.raises(CheckpointError):
            open_keras(*find_storage(path))
    else:
        assert bool(_faults(path)) == (sample["must"] == "flag")


@needs_shared
def test_real_archives_have_no_faults() -> None:
    found = sorted(SHARED.glob("kz-*/**/*.keras"))
    assert found
    for path in found:
        assert _faults(str(path)) == []
        with open_keras(*find_storage(str(path))) as reader:
            assert reader.metadata["writer"].startswith("Keras ")
