"""A sharded checkpoint whose index has other names than the files, as transformers writes of a TensorFlow model."""

import json

import numpy as np
import pytest

import ckptread

safetensors_numpy = pytest.importorskip("safetensors.numpy")

ARRAYS = {f"bert/layer_{n}/kernel": np.arange(6, dtype="float32").reshape(2, 3) + n for n in range(4)}


def write(folder, rename, kept=()):
    names = list(ARRAYS)
    weight_map = {}
    for at in (0, 1):
        file = f"model-0000{at + 1}-of-00002.safetensors"
        mine = names[2 * at : 2 * at + 2]
        safetensors_numpy.save_file({name: ARRAYS[name] for name in mine}, folder / file)
        weight_map |= {name if name in kept else rename(name): file for name in mine}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 96}, "weight_map": weight_map}))
    return path


@pytest.mark.parametrize("kept", [(), ("bert/layer_1/kernel",)])
def test_the_tensors_that_the_files_hold_are_listed_with_one_warning(run, tmp_path, kept):
    path = write(tmp_path, "tf_bert/{}:0".format, kept)
    with ckptread.open(path) as reader:
        assert [finding.code for finding in reader.problems] == ["shard-names-differ"]
        assert reader.problems[0].severity == "warning"
        assert set(reader.tensors) == set(ARRAYS)
        assert all(np.array_equal(reader[name].read(), values) for name, values in ARRAYS.items())
    ran = run("salvage", path, "-o", tmp_path / "out")
    assert "4 of 4 tensors saved" in ran.out


def test_a_file_that_is_missing_takes_its_own_names_with_it(tmp_path):
    path = write(tmp_path, "x/{}".format)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with ckptread.open(path) as reader:
        readable = [key for key, info in reader.tensors.items() if info.problem is None]
        assert readable == list(ARRAYS)[:2]
        assert len(reader.tensors) == 4


def test_a_file_with_another_number_of_tensors_is_of_another_save(tmp_path):
    path = write(tmp_path, "x/{}".format)
    safetensors_numpy.save_file(ARRAYS, tmp_path / "model-00001-of-00002.safetensors")
    with ckptread.open(path) as reader:
        assert "shard-tensor-missing" in {finding.code for finding in reader.problems}
