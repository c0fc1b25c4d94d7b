"""Which tensors a name or a pattern means."""

import os

import pytest

import ckptread
from ckptread.errors import TensorNotFoundError
from ckptread.select import find_tensor, match_tensors
from ckptread.tensors import TensorInfo
from tests.conformance.cases import FIXTURES

KERAS = FIXTURES / "keras3" / "model.keras"

TENSORS = {
    info.key: info
    for info in [
        TensorInfo(key="layers/dense/vars/0", shape=(1,), dtype="float32", nbytes=4, variable="encoder/dense/kernel"),
        TensorInfo(key="layers/dense/vars/1", shape=(1,), dtype="float32", nbytes=4, variable="encoder/dense/bias"),
        TensorInfo(key="layers/dense_1/vars/0", shape=(1,), dtype="float32", nbytes=4, variable="head/kernel"),
        TensorInfo(key="optimizer/vars/0", shape=(), dtype="int64", nbytes=8),
        TensorInfo(key="odd\x1b/na\udcffme[0]", shape=(), dtype="int64", nbytes=8),
    ]
}


def found(*patterns, exclude=()):
    return [t.key for t in match_tensors("file", TENSORS, patterns, exclude)]


def test_a_tensor_is_found_by_key_by_variable_and_as_printed():
    for name in ("layers/dense/vars/0", "encoder/dense/kernel", "encoder/dense/kernel:0"):
        assert find_tensor("file", TENSORS, name).key == "layers/dense/vars/0"
    assert find_tensor("file", TENSORS, "odd\\x1b/na\\xffme[0]").key == "odd\x1b/na\udcffme[0]"


def test_an_unknown_name_lists_the_nearest():
    with pytest.raises(TensorNotFoundError, match=r"Did you mean .*encoder/dense/kernel"):
        find_tensor("file", TENSORS, "encoder/dense/kernal")
    with pytest.raises(TensorNotFoundError, match="head/kernel"):
        find_tensor("file", TENSORS, "kernel")
    with pytest.raises(KeyError):
        find_tensor("file", TENSORS, "nothing like it")


def test_what_is_in_a_checkpoint_is_what_it_gives(checkpoint):
    """By key, by variable, by a path or glob of one tensor, and by nothing that is no text."""
    with ckptread.open(os.fsencode(checkpoint)) as reader, ckptread.open(KERAS) as keras:
        assert ["head/kernel" in each for each in (reader, keras)] == [True, True]
        for name in ("head", "dense", "*", "nope", "head/kernel:0", *reader.tensors):
            given = True
            try:
                reader[name]
            except KeyError:
                given = False
            assert (name in reader) == given, name
        assert 0 not in reader
        with pytest.raises(TypeError, match="key or variable name is a string, not int"):
            reader[0]


def test_a_block_of_no_bytes_is_refused_at_once(checkpoint):
    with ckptread.open(checkpoint) as reader, pytest.raises(ValueError, match="has no elements"):
        reader["head/kernel"].blocks(0)


def test_a_name_of_several_is_an_error():
    twice = {k: TensorInfo(key=k, shape=(), dtype="int8", nbytes=1, variable="same") for k in "ab"}
    with pytest.raises(TensorNotFoundError, match=r"2 tensors\. Give the key: a, b"):
        find_tensor("file", twice, "same")


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("layers/*", []),
        ("layers/*/vars/0", ["layers/dense/vars/0", "layers/dense_1/vars/0"]),
        ("layers/**", ["layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0"]),
        ("**/kernel", ["layers/dense/vars/0", "layers/dense_1/vars/0"]),
        ("head/**/kernel", ["layers/dense_1/vars/0"]),
        ("layers/dense", ["layers/dense/vars/0", "layers/dense/vars/1"]),
        ("encoder", ["layers/dense/vars/0", "layers/dense/vars/1"]),
        ("**/vars/[01]", ["layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0", "optimizer/vars/0"]),
        ("**/vars/[!0]", ["layers/dense/vars/1"]),
        ("optimizer/vars/?", ["optimizer/vars/0"]),
        ("**", list(TENSORS)),
    ],
)
def test_a_pattern_means_what_it_says(pattern, keys):
    if keys:
        assert found(pattern) == keys
    else:
        with pytest.raises(TensorNotFoundError):
            found(pattern)


def test_several_patterns_keep_the_checkpoints_order():
    assert found("optimizer", "**/kernel") == ["layers/dense/vars/0", "layers/dense_1/vars/0", "optimizer/vars/0"]


def test_exclusions_take_away_and_may_mean_nothing():
    assert found("layers", exclude=["**/bias", "nothing"]) == ["layers/dense/vars/0", "layers/dense_1/vars/0"]


def test_a_pattern_that_means_nothing_is_an_error_with_advice():
    with pytest.raises(TensorNotFoundError, match=r"try '\*\*/kern\*'"):
        found("kern*")


def test_a_path_or_glob_means_the_one_tensor_that_it_matches():
    tensors = {
        key: TensorInfo(key=key, shape=(), dtype="float32", nbytes=4) for key in ("head/kernel", "head/bias", "step")
    }
    assert find_tensor("f", tensors, "head/k*").key == "head/kernel"
    with pytest.raises(
        TensorNotFoundError, match=r"'head' matches 2 tensors, not one. Name one: head/kernel, head/bias"
    ):
        find_tensor("f", tensors, "head")


@pytest.mark.parametrize(("given", "near"), [("haed", "head"), ("/head", "head"), ("head/kernal", "head/kernel")])
def test_paths_are_suggested_too(given, near):
    tensors = {
        key: TensorInfo(key=key, shape=(), dtype="float32", nbytes=4) for key in ("head/kernel", "head/bias", "step")
    }
    with pytest.raises(TensorNotFoundError, match=rf"Did you mean {near}( or|\?)"):
        match_tensors("f", tensors, [given])
