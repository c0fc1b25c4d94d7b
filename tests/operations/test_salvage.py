"""What is saved of damaged checkpoints: the values that were in them, and a manifest that tells what was lost."""

import hashlib
import json
import os
import zipfile

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import CASES, FIXTURES, each
from tests.conftest import ARRAYS, write
from tests.table_writer import entry, header, table

VALUES = {f"w{n}": np.random.default_rng(n).standard_normal((50, 40)).astype("f4") for n in range(6)}


@pytest.fixture
def salvaged(run, tmp_path):
    """Salvage a checkpoint; returns the exit code, the manifest, and the arrays that were saved, by key."""

    def salvage(path, *options):
        ran = run("salvage", path, "-o", tmp_path / "saved", *options)
        if ran.code == 2:
            return ran.code, ran.err, {}
        manifest = json.loads((tmp_path / "saved" / "manifest.json").read_text())
        arrays = {s["key"]: np.load(tmp_path / "saved" / s["file"]) for s in manifest["saved"]}
        return ran.code, manifest, arrays

    return salvage


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def agree(arrays, expected):
    """Whether all that was saved is as it was."""
    return bool(arrays) and all(np.array_equal(values, expected[key]) for key, values in arrays.items())


def test_all_of_a_whole_checkpoint_is_saved_and_told(salvaged, checkpoint, tmp_path):
    code, manifest, arrays = salvaged(checkpoint)
    assert (code, manifest["whole"], manifest["lost"], manifest["schema"]) == (0, True, [], 1)
    assert arrays.keys() == ARRAYS.keys()
    assert agree(arrays, ARRAYS)
    for saved in manifest["saved"]:
        assert saved["sha256"] == hashlib.sha256((tmp_path / "saved" / saved["file"]).read_bytes()).hexdigest()
        assert (saved["trust"], saved["shape"]) == ("checked", list(ARRAYS[saved["key"]].shape))
        assert saved["source"]["file"].endswith(".data-00000-of-00001")


@each([case for case in CASES if "objects" not in case.name])
def test_nothing_is_lost_of_what_the_libraries_wrote(case, tmp_path):
    from ckptread.operations.salvage.salvage import LostTensor, save_tensors
    from ckptread.operations.verify.verify import verify

    with ckptread.open(case.path) as reader:
        lost = [each for each in save_tensors(reader, verify(reader), str(tmp_path)) if isinstance(each, LostTensor)]
    assert all("without loss" in each.reason or "cannot be written" in each.reason for each in lost), lost


def test_a_tensorflow_checkpoint_cut_short_gives_what_is_before_the_cut(salvaged, tmp_path):
    prefix = write(tmp_path / "ck", VALUES)
    cut(tmp_path / "ck.data-00000-of-00001", 0.55)
    code, manifest, arrays = salvaged(prefix)
    assert (code, set(arrays)) == (1, {"w0", "w1", "w2"})
    assert agree(arrays, VALUES)
    assert {lost["key"] for lost in manifest["lost"]} == {"w3", "w4", "w5"}
    assert all(lost["reason"] for lost in manifest["lost"])


def test_a_changed_tensor_is_lost_and_leaves_no_file(salvaged, tmp_path):
    prefix = write(tmp_path / "ck", VALUES)
    data = tmp_path / "ck.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[9000] ^= 4
    data.write_bytes(raw)
    code, _, arrays = salvaged(prefix)
    assert (code, set(arrays)) == (1, {"w0", "w2", "w3", "w4", "w5"})
    assert sorted(os.listdir(tmp_path / "saved")) == sorted([*(f"{key}.npy" for key in arrays), "manifest.json"])


def blocks(prefix):
    """A bundle whose index has a block for the header, and one for each tensor."""
    data, found = b"", [[(b"", header())]]
    import google_crc32c

    for key, values in VALUES.items():
        raw = values.tobytes()
        found.append([(key.encode(), entry(1, values.shape, len(data), len(raw), google_crc32c.value(raw)))])
        data += raw
    prefix.with_name(prefix.name + ".index").write_bytes(table(*found))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)
    return str(prefix)


@pytest.mark.parametrize("number", [0, 2, 5])
def test_a_damaged_block_of_the_index_takes_no_other_with_it(salvaged, tmp_path, number):
    prefix = blocks(tmp_path / "ck")
    index = tmp_path / "ck.index"
    raw = bytearray(index.read_bytes())
    at = 3 if number == 0 else raw.index(f"w{number}".encode())
    raw[at + 4] ^= 8
    index.write_bytes(raw)
    code, manifest, arrays = salvaged(prefix)
    certain = {s["key"] for s in manifest["saved"] if s["trust"] == "checked"}
    assert code == 1
    assert certain == set(VALUES) - {f"w{number}"} | ({"w0"} if number == 0 else set())
    assert agree({key: arrays[key] for key in certain}, VALUES)


def test_an_index_without_its_end_gives_tensors_that_their_own_checksums_vouch_for(salvaged, tmp_path):
    prefix = write(tmp_path / "ck", VALUES)
    cut(tmp_path / "ck.index", 0.5)
    code, manifest, arrays = salvaged(prefix)
    assert code == 1
    assert len(arrays) >= 2
    assert agree(arrays, VALUES)
    assert {s["trust"] for s in manifest["saved"]} == {"doubtful"}


def h5(path):
    with h5py.File(path, "w") as file:
        for key, values in VALUES.items():
            file[key] = values
    return path


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_an_hdf5_file_cut_short_gives_what_is_before_the_cut(salvaged, tmp_path, share):
    path = h5(tmp_path / "w.h5")
    cut(path, share)
    with pytest.raises(ckptread.DamagedFileError, match=r"truncated: .* bytes are missing"):
        ckptread.open(path)
    code, manifest, arrays = salvaged(path)
    assert code == 1
    assert len(arrays) >= 3
    assert agree(arrays, VALUES)
    assert {s["trust"] for s in manifest["saved"]} == {"unchecked"}
    assert any("truncated" in finding["message"] for finding in manifest["findings"])


def test_a_damaged_chunk_takes_its_tensor_alone(salvaged, tmp_path):
    with h5py.File(tmp_path / "c.h5", "w") as file:
        for key, values in VALUES.items():
            data = file.create_dataset(key, data=values, chunks=(10, 40), fletcher32=True, compression="gzip")
            if key == "w2":
                chunk = data.id.get_chunk_info(3)
    raw = bytearray((tmp_path / "c.h5").read_bytes())
    raw[chunk.byte_offset + 20] ^= 1
    (tmp_path / "c.h5").write_bytes(raw)
    code, manifest, arrays = salvaged(tmp_path / "c.h5")
    assert (code, set(arrays)) == (1, set(VALUES) - {"w2"})
    assert agree(arrays, VALUES)
    assert {s["trust"] for s in manifest["saved"]} == {"checked"}


@pytest.mark.parametrize("share", [0.7, 0.999])
def test_a_keras_archive_without_its_end_gives_the_weights_before_it(salvaged, tmp_path, share):
    h5(tmp_path / "w.h5")
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    cut(tmp_path / "m.keras", share)
    code, manifest, arrays = salvaged(tmp_path / "m.keras")
    assert code == 1
    assert len(arrays) >= 3
    assert agree(arrays, VALUES)
    assert {s["trust"] for s in manifest["saved"]} <= {"doubtful", "checked"}
    assert any("own headers" in finding["message"] for finding in manifest["findings"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_without_its_end_gives_the_arrays_before_it(salvaged, tmp_path, save):
    save(tmp_path / "a.npz", **VALUES)
    cut(tmp_path / "a.npz", 0.7)
    code, _, arrays = salvaged(tmp_path / "a.npz")
    assert (code, set(arrays)) == (1, {"w0", "w1", "w2", "w3"})
    assert agree(arrays, VALUES)


def test_a_damaged_member_of_an_npz_is_lost_alone(salvaged, tmp_path):
    np.savez(tmp_path / "a.npz", **VALUES)
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[raw.index(VALUES["w4"].tobytes()) + 70] ^= 1
    (tmp_path / "a.npz").write_bytes(raw)
    code, _, arrays = salvaged(tmp_path / "a.npz")
    assert (code, set(arrays)) == (1, set(VALUES) - {"w4"})
    assert agree(arrays, VALUES)


def test_a_safetensors_file_cut_short_gives_what_is_before_the_cut(salvaged, tmp_path):
    from safetensors.numpy import save_file

    save_file(VALUES, tmp_path / "m.safetensors")
    cut(tmp_path / "m.safetensors", 0.6)
    code, manifest, arrays = salvaged(tmp_path / "m.safetensors")
    assert code == 1
    assert len(arrays) == 3
    assert agree(arrays, VALUES)
    assert len(manifest["lost"]) == 3


def test_nothing_is_overwritten_without_force_and_nothing_is_left_of_the_folder(salvaged, checkpoint, run, tmp_path):
    assert salvaged(checkpoint)[0] == 0
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "saved").iterdir()}
    code, said, _ = salvaged(checkpoint)
    assert (code, "the file exists" in said) == (2, True)
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "saved").iterdir()}
    assert salvaged(checkpoint, "--force")[0] == 0
    hostile = write(tmp_path / "h", {"../../up": VALUES["w0"], "/abs/olute": VALUES["w1"], "..": VALUES["w2"]})
    above = set(os.listdir(tmp_path))
    assert run("salvage", hostile, "-o", tmp_path / "deep" / "er").code == 0
    assert set(os.listdir(tmp_path)) - above == {"deep"}
    assert len(os.listdir(tmp_path / "deep" / "er")) == 4


def test_what_is_no_checkpoint_at_all_is_trouble(salvaged, tmp_path):
    (tmp_path / "page.h5").write_text("<html>")
    code, said, _ = salvaged(tmp_path / "page.h5")
    assert (code, "a web page" in said) == (2, True)


@pytest.mark.parametrize("name", ["keras3/legacy.h5", "keras3/model.keras"])
def test_salvage_never_advises_salvage_and_counts_what_it_cannot_see_as_at_least(run, tmp_path, name):
    data = (FIXTURES / name).read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) * 3 // 4])
    ran = run("salvage", tmp_path / "cut", "-o", tmp_path / "out")
    assert "ckptread salvage" not in ran.out + ran.err
    assert "of at least" in ran.out
    assert "at least" in ran.out.split(";")[-1] + ran.out


def test_a_count_that_nothing_was_counted_of_is_not_printed_as_zero(run, tmp_path):
    (tmp_path / "lost.npz").write_bytes(b"PK\3\4" + bytes(200))
    ran = run("salvage", tmp_path / "lost.npz", "-o", tmp_path / "out")
    assert "an unknown number of tensors is lost" in ran.out
    assert "0 of" not in ran.out
