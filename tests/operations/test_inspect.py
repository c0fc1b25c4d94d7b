"""What a listing calls tensors, and which it keeps: by what Keras said of the model that was saved.

The model is that of fixtures/make/keras3.py: 16 weights, of which two moving statistics and the frozen layer's two are
not trained.
"""

import json

import pytest

from tests.conformance.cases import FIXTURES

MODEL = FIXTURES / "keras3" / "model.keras"


def names(ran):
    return [tensor["variable"] for tensor in json.loads(ran.out)["tensors"]]


def test_a_role_is_kept(run):
    assert len(names(run("inspect", MODEL, "--role", "model", "--format", "json"))) == 16
    assert "head/kernel" not in run("inspect", MODEL, "--role", "bookkeeping").out


def test_frozen_and_trainable_are_told_apart_and_the_unknown_is_said(run):
    frozen = run("inspect", MODEL, "--frozen", "--role", "model", "--format", "json")
    assert names(frozen) == ["norm/moving_mean", "norm/moving_variance", "frozen/kernel", "frozen/bias"]
    assert frozen.err == ""
    trainable = run("inspect", MODEL, "--trainable", "--format", "json")
    assert len(names(trainable)) == 12
    assert trainable.err == ""  # the optimizer's are none of the model's
    unknown = run("inspect", MODEL.with_name("model.weights.h5"), "--frozen")
    assert "14 tensors are left out: the file does not record whether they are trainable" in unknown.err


def test_keys_are_shown_where_asked(run):
    assert "layers/dense_1/vars/0" in run("inspect", MODEL, "--names", "key").out
    both = run("inspect", MODEL, "head", "--names", "both").out
    assert "head/kernel" in both
    assert "layers/dense_1/vars/0" in both


@pytest.mark.parametrize("name", ["head/kernel", "head/kernel:0", "layers/dense_1/vars/0"])
def test_a_variable_is_shown_by_its_name(run, name):
    assert "layers/dense_1/vars/0" in run("show", MODEL, name).out


@pytest.mark.parametrize("other", ["model.weights.h5", "legacy.h5"])
def test_a_model_equals_itself_in_another_container(run, other):
    ran = run("diff", MODEL, FIXTURES / "keras3" / other, "both_ways", "encoder", "norm", "frozen", "head")
    assert ran.code == 0, ran.out
    assert ran.out.splitlines()[-1].startswith("same: 16 tensors, bit for bit")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("keras3/model.keras", "head/kernel"),
        ("keras3/model.weights.h5", "head/kernel"),
        ("keras3/legacy.h5", "head/kernel"),
        ("keras2/model.keras", "first/kernel"),
        ("keras2/model.h5", "first/kernel"),
        ("tf-object/ckpt-1", "sequential/hidden/kernel"),
        ("tf1-saver/model.ckpt-3", "hidden/kernel"),
    ],
)
@pytest.mark.parametrize("ending", ["", ":0"])
def test_every_command_knows_a_variable_by_its_name(run, tmp_path, path, name, ending):
    file = FIXTURES / path
    assert run("show", file, name + ending).code == 0
    assert run("extract", file, name + ending, "-o", tmp_path / "kernel.npy").code == 0
    assert len(json.loads(run("inspect", file, name + ending, "--format", "json").out)["tensors"]) == 1
    assert "same: 1 tensor" in run("diff", file, file, name + ending).out


def test_a_weight_is_meant_without_its_slots(run):
    """TensorFlow 1 calls them hidden/kernel/Adam and hidden/kernel/Adam_1."""
    file = FIXTURES / "tf1-saver" / "model.ckpt-3"
    assert names(run("inspect", file, "hidden/kernel", "--format", "json")) == ["hidden/kernel"]
    assert len(names(run("inspect", file, "hidden/kernel/**", "--format", "json"))) > 1


def test_an_unknown_name_is_answered_with_the_nearest(run):
    assert "Did you mean head/kernel" in run("show", MODEL, "haed/kernel").err
