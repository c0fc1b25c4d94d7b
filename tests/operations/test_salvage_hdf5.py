"""What is saved of HDF5 files and .keras archives that are cut short: whole tensors, and never a made-up value.

Expected values are h5py's, of the whole file. A tensor whose name is lost is known by where its bytes lie.
"""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from h5py import h5g

from ckptread.formats.hdf5.superblock import lookup3
from ckptread.formats.locate import open_checkpoint
from ckptread.operations.salvage.salvage import SavedTensor, save_tensors
from ckptread.operations.verify.verify import verify
from ckptread.reader import Remains
from tests.conformance.cases import FIXTURES

LAYERS = 12
"""More than a group holds in its own description: their names go to a heap, which comes late in the file."""
AROUND = 512
"""What the library reads of a description at once."""


def nested(path, version):
    with h5py.File(path, "w", libver=version) as file:
        for n in range(LAYERS):
            group = file.create_group(f"layers/dense_{n}/vars")
            group.attrs["name"] = f"dense_{n}"
            group["0"] = np.random.default_rng(n).standard_normal((30, 40)).astype("f4")
            group.create_dataset("1", data=np.arange(n, n + 4000), chunks=(500,), compression="gzip")
    return path.read_bytes()


def held(data, base=0):
    """The values of a file's datasets, by their keys; and the keys, by where their bytes lie."""
    values, keys, whole = {}, {}, {}
    with h5py.File(io.BytesIO(data)) as file:

        def visit(key, dataset):
            if not isinstance(dataset, h5py.Dataset):
                return
            values[key] = dataset[()]
            if dataset.chunks is None and dataset.id.get_offset():
                keys[base + dataset.id.get_offset()] = key
                ends = dataset.id.get_offset() + dataset.nbytes, h5g.get_objinfo(dataset.id).objno[0] + AROUND
                whole[key] = base + max(ends)

        file.visititems(visit)
    return values, keys, whole


def saved_of(path, folder):
    """Return what is saved of a file as (key, offset, values), and the keys of what is lost."""
    with open_checkpoint(path, remains=Remains.accepted) as reader:
        outcomes = list(save_tensors(reader, verify(reader), str(folder), force=True))
    saved = [each for each in outcomes if isinstance(each, SavedTensor)]
    assert {each.trust for each in saved} <= {"unchecked", "doubtful"}
    found = []
    for each in saved:
        extent = each.tensor.extent
        found.append((each.tensor.key, extent and extent.offset, np.load(folder / each.file)))
    return found, [each for each in outcomes if not isinstance(each, SavedTensor)]


def check_cut(data, at, path, folder, values, keys):
    """Cut a file, and see that all that is saved of it is as it was; return the keys of those known by their place."""
    path.write_bytes(data[:at])
    found, lost = saved_of(path, folder)
    assert all(each.reason for each in lost)
    for key, offset, array in found:
        if key.startswith("unnamed-") and offset is None:  # in chunks: known by its values
            assert any(np.array_equal(array, each) for each in values.values()), (at, key)
        else:
            true = keys[offset] if key.startswith("unnamed-") else key
            assert np.array_equal(array, values[true]), (at, key)
    return {keys[offset] for _, offset, _ in found if offset in keys}


@pytest.mark.slow
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_all_that_is_whole_before_a_cut_is_saved_and_nothing_else(version, tmp_path):
    data = nested(tmp_path / "w.h5", version)
    values, keys, whole = held(data)
    for at in [len(data) * n // 13 for n in range(2, 13)] + [len(data) - 1]:
        found = check_cut(data, at, tmp_path / "w.h5", tmp_path / "saved", values, keys)
        certain = {key for key, end in whole.items() if end <= at}
        if version == "latest":  # where every description has a mark of its own
            assert found >= certain, at
        else:
            assert len(found) >= len(certain) // 2, at


@pytest.mark.parametrize("share", [0.45, 0.6, 0.75, 0.9, 0.99])
def test_an_archive_cut_within_its_weights_gives_what_is_before_the_cut(share, tmp_path):
    data = (FIXTURES / "keras3" / "model.keras").read_bytes()
    member = zipfile.ZipFile(io.BytesIO(data)).read("model.weights.h5")
    base = data.index(member)
    values, keys, _ = held(member, base)
    found = check_cut(data, int(len(data) * share), tmp_path / "m.keras", tmp_path / "saved", values, keys)
    assert found or share < 0.5


def test_a_tensor_whose_name_is_lost_is_saved_under_its_place_and_said_to_be_doubtful(run, tmp_path):
    data = nested(tmp_path / "w.h5", "latest")
    (tmp_path / "w.h5").write_bytes(data[: len(data) // 2])
    ran = run("salvage", tmp_path / "w.h5", "-o", tmp_path / "saved")
    manifest = json.loads((tmp_path / "saved" / "manifest.json").read_text())
    named = [each for each in manifest["saved"] if each["key"].startswith("unnamed-")]
    assert ran.code == 1
    assert len(named) >= LAYERS // 2
    assert {each["trust"] for each in named} == {"doubtful"}
    assert "the group 'layers' cannot be listed" in ran.out
    assert "its own name is lost" in ran.out
    assert "are not counted" in ran.out


def test_where_nothing_is_whole_it_says_so(run, tmp_path):
    with h5py.File(tmp_path / "one.h5", "w", libver="latest") as file:
        file["a"] = np.ones((50, 40))
    (tmp_path / "one.h5").write_bytes((tmp_path / "one.h5").read_bytes()[:5000])
    ran = run("salvage", tmp_path / "one.h5", "-o", tmp_path / "saved")
    assert ran.code == 1
    assert "nothing was saved: no tensor is intact" in ran.out
    assert "0 of at least 1 tensor saved" in ran.out
    assert "lost: a: its 16,000 bytes" in ran.out


@pytest.mark.parametrize("place", [11, 45, 40], ids=["flags", "checksum", "root"])
def test_a_damaged_head_takes_no_tensor_with_it_and_is_told(place, tmp_path, run):
    data = bytearray(nested(tmp_path / "w.h5", "latest"))
    values, keys, whole = held(bytes(data))
    data[place] ^= 1
    found = check_cut(data, len(data), tmp_path / "w.h5", tmp_path / "saved", values, keys)
    assert found == set(whole)
    assert run("salvage", tmp_path / "w.h5", "-o", tmp_path / "again").code == 1


@pytest.mark.parametrize(("data", "checksum"), [
    (b"Four score and seven years ago", 0x17770551),
    (b"", 0xDEADBEEF),
])  # fmt: skip
def test_the_checksum_of_metadata_is_that_of_lookup3_itself(data, checksum):
    assert lookup3(data) == checksum  # from the comments of lookup3.c


def test_the_checksum_of_metadata_is_the_one_that_the_library_writes(tmp_path):
    head = nested(tmp_path / "w.h5", "latest")[:48]
    assert lookup3(head[:44]) == int.from_bytes(head[44:], "little")
