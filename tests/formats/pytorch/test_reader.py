"""Files of torch.save: names, roles and values, without torch, and without running anything."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

import ckptread
from ckptread.errors import CheckpointError, DamagedFileError, UnsafeFileError
from tests.conformance.cases import FIXTURES
from tests.formats.pytorch.pickled import Call, Named, Stored, archive, dumped, tensor

FOLDER = FIXTURES / "pytorch"


@pytest.mark.parametrize("file", ["training.pt", "training.legacy.pth"])
def test_a_training_checkpoint_has_names_and_roles(file):
    with ckptread.open(FOLDER / file) as reader:
        roles = {name.split(".")[0]: info.role for name, info in reader.tensors.items()}
        assert roles == {"model": "model", "optimizer": "optimizer"}
        assert reader.tensors["model.tied.weight"].alias_of == "model.0.weight"
        assert reader.metadata == {"epoch": "3", "note": "a text"}
        assert reader.model is None


def test_the_two_formats_of_one_checkpoint_are_the_same():
    for name in ("training", "dtypes"):
        assert ckptread.diff(FOLDER / f"{name}.pt", FOLDER / f"{name}.legacy.pth").same


def test_a_module_saved_whole_has_the_names_of_its_state_dict():
    with ckptread.open(FOLDER / "module.pt") as reader:
        assert list(reader) == ["0.weight", "0.bias"]
        assert all(info.trainable for info in reader.tensors.values())
        assert reader.model.class_name == "torch.nn.modules.container.Sequential"
        assert "torch.nn.modules.linear.Linear" in reader.model.runs_code


def test_parameters_say_whether_they_are_trained():
    with ckptread.open(FOLDER / "views.pt") as reader:
        trainable = {name: reader.tensors[name].trainable for name in ("parameter", "frozen", "base")}
        assert trainable == {"parameter": True, "frozen": False, "base": None}


@pytest.mark.parametrize("name", ["slice", "transposed", "row", "wide", "last", "base"])
def test_any_part_of_a_view_is_that_part_of_the_whole(name):
    with ckptread.open(FOLDER / "views.pt") as reader:
        whole = reader[name][...]
        assert np.array_equal(reader[name][1:], whole[1:])
        assert np.array_equal(reader[name][..., ::2], whole[..., ::2])
        assert np.array_equal(np.concatenate([b.reshape(-1) for b in reader[name].blocks(16)]), whole.reshape(-1))


VALUES = np.arange(6, dtype="<f4")


def written(path, value, order=None, **members):
    return archive(path, b"\x80\x02" + dumped(value) + b".", members or {"0": VALUES.tobytes()}, order)


def test_values_are_those_of_the_storage(tmp_path):
    path = written(tmp_path / "m.pt", {"a": tensor(), "b": tensor(offset=2, shape=(2, 2), strides=(2, 1))})
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["a"][...], VALUES.reshape(2, 3))
        assert np.array_equal(reader["b"][...], VALUES[2:].reshape(2, 2))


def test_big_endian_values_are_those_that_were_saved(tmp_path):
    path = written(tmp_path / "m.pt", {"a": tensor(), "t": tensor(shape=(3, 2), strides=(1, 3))}, "big",
                   **{"0": VALUES.astype(">f4").tobytes()})  # fmt: skip
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["a"][...], VALUES.reshape(2, 3))
        assert np.array_equal(reader["t"][...], VALUES.reshape(2, 3).T)
        assert ckptread.digest(reader).whole


def test_a_view_without_elements_may_begin_anywhere(tmp_path):
    path = written(tmp_path / "m.pt", {"a": tensor(offset=6, shape=(0, 3))})
    with ckptread.open(path) as reader:
        assert reader["a"][...].shape == (0, 3)


WRONG = {
    "outside": (tensor(offset=1), "it reaches byte 28 of a storage of 24 bytes"),
    "strides": (tensor(strides=(1 << 40, 1)), "it reaches byte"),
    "missing": (tensor(key="9"), "its storage '9' is missing"),
    "negative": (tensor(shape=(-1, 3)), "a tensor's shape is not one"),
    "ranks": (tensor(shape=(6,)), "a tensor's place is not that of a view"),
    "class": (tensor(storage="PurpleStorage"), "a storage has no class, key or size that is known"),
    "no id": (Call("torch._utils", "_rebuild_tensor_v2", 1, 0, (1,), (1,)), "a tensor is not a view of a storage"),
    "huge": (tensor(shape=(1 << 50, 1 << 50), strides=(0, 0)), "a bomb|too"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_tensor_that_cannot_be_loses_itself_alone(tmp_path, name):
    wrong, problem = WRONG[name]
    path = written(tmp_path / "m.pt", {"good": tensor(), "wrong": wrong})
    with ckptread.open(path) as reader:
        assert np.array_equal(reader["good"][...], VALUES.reshape(2, 3))
        assert any(each in reader.tensors["wrong"].problem for each in problem.split("|"))
        with pytest.raises(CheckpointError):
            reader["wrong"][...]


def test_tensors_that_are_more_than_a_view_are_listed_with_their_shapes(tmp_path):
    size = Call("torch", "Size", (3, 3))
    indices = tensor(shape=(2, 3), storage="LongStorage", key="1", count=6)
    parts = (indices, tensor(shape=(3,), strides=(1,)), size)
    sparse = Call("torch._utils", "_rebuild_sparse_tensor", Named("torch", "sparse_coo"), parts)
    stored = Stored("storage", Named("torch", "QInt8Storage"), "2", "cpu", 6)
    quantized = Call(
        "torch._utils", "_rebuild_qtensor", stored, 0, (2, 3), (3, 1), (Named("torch", "per_tensor"), 0.1, 0)
    )
    members = {"0": VALUES.tobytes(), "1": bytes(48), "2": bytes(6)}
    path = written(tmp_path / "m.pt", {"sparse": sparse, "quantized": quantized, "good": tensor()}, **members)
    with ckptread.open(path) as reader:
        found = {name: (info.shape, info.dtype, info.problem) for name, info in reader.tensors.items()}
        assert found == {
            "sparse": ((3, 3), "float32", "it is sparse"),
            "quantized": ((2, 3), "qint8", "it is quantized"),
            "good": ((2, 3), "float32", None),
        }


@pytest.mark.slow
def test_objects_that_repeat_each_other_are_refused(tmp_path):
    lists = [b"](h%ch%ceq%c" % (number, number, number + 1) for number in range(60)]
    with pytest.raises(DamagedFileError, match=r"refers to its objects more than|nests more than"):
        ckptread.open(archive(tmp_path / "m.pt", b"\x80\x02}q\x00" + b"".join(lists) + b"."))


def test_objects_within_themselves_are_refused(tmp_path):
    with pytest.raises(DamagedFileError, match="nests more than"):
        ckptread.open(archive(tmp_path / "m.pt", b"\x80\x02]q\x00h\x00a."))


class Runs:
    """Would run a command where it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_payload_is_named_and_never_run(tmp_path, run, legacy):
    target = tmp_path / "ran"
    payload = pickle.dumps({"weights": Runs(target)}, 2)
    path = tmp_path / "m.pt"
    if legacy:
        magic, version, system = (
            pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
        )
        path.write_bytes(magic + version + system + payload + pickle.dumps([], 2))
    else:
        archive(path, payload)
    for command in ("inspect", "verify", "digest", "textconv"):
        run(command, path)
    ran = run("inspect", "--model", path)
    assert "posix.system" in ran.out
    assert run("check", "--safe", path).code == 1
    assert not target.exists()


def test_a_pickle_of_another_size_than_its_checksum_is_damaged(tmp_path):
    path = written(tmp_path / "m.pt", {"a": tensor()})
    data = bytearray(path.read_bytes())
    at = data.index(b"_rebuild_tensor_v2")
    data[at + 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="CRC-32"):
        ckptread.open(path)


def test_two_pickles_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02}.")
        file.writestr("b/data.pkl", b"\x80\x02}.")
    with pytest.raises(DamagedFileError, match=r"2 members called data\.pkl"):
        ckptread.open(tmp_path / "m.pt")


def test_a_pickle_that_is_too_large_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", bytes(65 << 20))
    with pytest.raises(UnsafeFileError, match="too large"):
        ckptread.open(tmp_path / "m.pt")


@pytest.mark.parametrize("cut", [1, 8, 100, 500])
def test_an_older_file_that_is_cut_keeps_what_is_whole(tmp_path, cut):
    data = (FOLDER / "dtypes.legacy.pth").read_bytes()
    (tmp_path / "m.pth").write_bytes(data[:-cut])
    with ckptread.open(tmp_path / "m.pth") as reader, ckptread.open(FOLDER / "dtypes.legacy.pth") as whole:
        good = [key for key, info in reader.tensors.items() if info.problem is None]
        assert len(good) < len(whole)
        assert all(np.array_equal(reader[key][...].view("u1"), whole[key][...].view("u1")) for key in good)
        assert any(finding.severity == "error" for finding in reader.problems)
        assert not ckptread.verify(tmp_path / "m.pth").sound


def test_names_of_two_tensors_never_hide_each_other(tmp_path):
    path = written(tmp_path / "m.pt", {"a.b": tensor(), "a": {"b": tensor(shape=(6,), strides=(1,))}})
    with ckptread.open(path) as reader:
        assert len(reader) == 2
        assert {info.shape for info in reader.tensors.values()} == {(2, 3), (6,)}


def test_an_array_in_memory_is_no_archive(tmp_path):
    buffer = io.BytesIO()
    pickle.dump({"a": 1}, buffer)
    (tmp_path / "m.pkl").write_bytes(buffer.getvalue())
    with pytest.raises(ckptread.UnknownFormatError, match="pickle"):
        ckptread.open(tmp_path / "m.pkl")
