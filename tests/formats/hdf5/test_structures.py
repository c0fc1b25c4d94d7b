"""Files in several parts, files left open, filters of other libraries, and names that lead to one object."""

import io

import h5py
import numpy as np
import pytest

import ckptread
from ckptread.operations.verify.verify import verify


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_the_files_of_a_family_are_named(tmp_path, libver):
    with h5py.File(tmp_path / "part-%d.h5", "w", driver="family", memb_size=1 << 14, libver=libver) as file:
        file["w"] = np.zeros(9000)
    with pytest.raises(ckptread.UnsupportedError) as found:
        ckptread.open(tmp_path / "part-0.h5")
    assert "the first of several files, written by HDF5's family driver" in str(found.value)
    assert "h5repart" in str(found.value)
    with pytest.raises(ckptread.UnknownFormatError, match="one of several files, written by HDF5's family driver"):
        ckptread.open(tmp_path / "part-1.h5")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_split_file_is_named(tmp_path, libver):
    with h5py.File(tmp_path / "split", "w", driver="split", libver=libver) as file:
        file["w"] = np.zeros(9000)
    with pytest.raises(ckptread.UnsupportedError) as found:
        ckptread.open(tmp_path / "split-m.h5")
    assert "split" in str(found.value)
    assert "several files" in str(found.value)


def test_a_file_that_was_never_closed_is_read_and_flagged(tmp_path):
    path = tmp_path / "open.h5"
    with h5py.File(tmp_path / "writing.h5", "w", libver="latest") as file:
        file["w"] = np.arange(9.0)
        file.create_dataset("packed-numbers", data=np.arange(100), chunks=(10,), scaleoffset=0)
        file.flush()
        path.write_bytes((tmp_path / "writing.h5").read_bytes())
    with pytest.raises(OSError, match="already open"):
        h5py.File(path)
    with ckptread.open(path) as reader:
        assert reader.read("w").tolist() == list(range(9))
        assert reader.read("packed-numbers").tolist() == list(range(100))  # by the library, which is shown it closed
    found = verify(str(path))
    assert found.exit_code == 1
    [finding] = [each for each in found.findings if each.code == "hdf5-open-for-writing"]
    assert "h5clear" in finding.advice


def filtered(number):
    """Return a file whose chunks went through a filter that the library does not have: optional, so it writes them."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((2,))
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((4,))
        dataset = h5py.h5d.create(file.id, b"w", h5py.h5t.NATIVE_FLOAT, space, plist)
        h5py.Dataset(dataset)[...] = 1
    return stream.getvalue()


@pytest.mark.parametrize(("number", "name"), [
    (305, "LZO"), (307, "bzip2"), (32001, "Blosc"), (32004, "LZ4"), (32008, "bitshuffle"), (32013, "ZFP"),
    (32015, "Zstandard"), (32026, "Blosc2"),
])  # fmt: skip
def test_a_filter_of_another_library_has_its_registered_name(tmp_path, number, name):
    (tmp_path / "a.h5").write_bytes(filtered(number))
    with ckptread.open(tmp_path / "a.h5") as reader:
        info = reader.tensors["w"]
    assert f", {name} ({number}): " in info.problem
    assert "h5repack" in info.problem
    assert info.unsupported


def test_a_filter_nobody_registered_has_its_number_and_the_files_name_for_it(tmp_path):
    (tmp_path / "a.h5").write_bytes(filtered(333))
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert ", number 333: " in reader.tensors["w"].problem
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("w", data=np.zeros(4), chunks=(2,), compression="lzf")
    data = (tmp_path / "b.h5").read_bytes()
    assert data.count((32000).to_bytes(2, "little") + b"\x08\0") == 1
    renumbered = data.replace((32000).to_bytes(2, "little") + b"\x08\0", (333).to_bytes(2, "little") + b"\x08\0")
    (tmp_path / "b.h5").write_bytes(renumbered)
    with ckptread.open(tmp_path / "b.h5") as reader:
        assert ", 'lzf' (333): " in reader.tensors["w"].problem


def test_external_storage_names_its_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("w", (4,), "f4", external=[("values.bin", 0, 16)])
    with ckptread.open(tmp_path / "a.h5") as reader:
        assert "'values.bin'" in reader.tensors["w"].problem


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_both_names_of_a_group_list_its_datasets(tmp_path, libver):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        file["a/x"], file["a/deep/y"] = np.arange(3.0), np.arange(4.0)
        file["b"] = file["a"]
        file["c"] = file["a/x"]
        file["a/up"] = file["/"]
    with ckptread.open(tmp_path / "a.h5") as reader:
        aliases = {key: info.alias_of for key, info in reader.tensors.items()}
        assert aliases == {"a/deep/y": None, "a/x": None, "b/deep/y": "a/deep/y", "b/x": "a/x", "c": "a/x"}
        assert reader.read("b/deep/y").tolist() == [0, 1, 2, 3]


def test_a_made_up_name_never_takes_the_place_of_a_real_one(tmp_path):
    def write(name):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["g/lost"] = np.full(3, 666.0)
            address = h5py.h5g.get_objinfo(file["g/lost"].id).objno[0]
            file[name] = np.full(3, 1.0)
        return address

    name = f"unnamed-{write('unnamed-0000')}"
    write(name)
    data = (tmp_path / "a.h5").read_bytes()
    root, group = data.index(b"TREE"), data.rindex(b"TREE")
    assert root != group
    (tmp_path / "a.h5").write_bytes(data[:group] + b"EERT" + data[group + 4 :])
    with ckptread.formats.locate.open_checkpoint(
        str(tmp_path / "a.h5"), remains=ckptread.reader.Remains.accepted
    ) as reader:
        values = {key: reader.read(key).tolist() for key, info in reader.tensors.items() if not info.problem}
    assert values == {name: [1.0] * 3, f"{name}'": [666.0] * 3}
